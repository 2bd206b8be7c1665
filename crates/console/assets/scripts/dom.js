// What the scripts of the console have in common.

export const root = document.documentElement;

export const all = (selector, within = document) => Array.from(within.querySelectorAll(selector));

// Calls `act` with what a click has hit, if that or what holds it fits the selector.
export function onClick(selector, act) {
  document.addEventListener("click", (event) => {
    const hit = event.target.closest(selector);
    if (hit) act(hit, event);
  });
}

// Whether a click asks for no other tab or window.
export const isPlain = (event) => !event.ctrlKey && !event.metaKey && !event.shiftKey && event.button === 0;
