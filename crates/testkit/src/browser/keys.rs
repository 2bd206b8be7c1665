//! The keys of a keyboard (W3C WebDriver, section 17.4.2).

use serde_json::{Value, json};

/// A key that writes no letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// Enter.
    Enter,
    /// To the next element, with Shift to the one before.
    Tab,
    /// Shift.
    Shift,
    /// Control.
    Control,
    /// Escape.
    Escape,
    /// The space bar.
    Space,
    /// The arrow up.
    Up,
    /// The arrow down.
    Down,
    /// The arrow to the left.
    Left,
    /// The arrow to the right.
    Right,
    /// To the beginning.
    Home,
    /// To the end.
    End,
    /// A key that writes this character.
    Letter(char),
}

impl Key {
    const fn code(self) -> char {
        match self {
            Self::Enter => '\u{e007}',
            Self::Tab => '\u{e004}',
            Self::Shift => '\u{e008}',
            Self::Control => '\u{e009}',
            Self::Escape => '\u{e00c}',
            Self::Space => ' ',
            Self::Up => '\u{e013}',
            Self::Down => '\u{e015}',
            Self::Left => '\u{e012}',
            Self::Right => '\u{e014}',
            Self::Home => '\u{e011}',
            Self::End => '\u{e010}',
            Self::Letter(letter) => letter,
        }
    }
}

/// All of them go down in this order, and up in the other.
pub(super) fn together(keys: &[Key]) -> Value {
    let down = keys.iter().map(|key| json!({ "type": "keyDown", "value": key.code() }));
    let up = keys.iter().rev().map(|key| json!({ "type": "keyUp", "value": key.code() }));
    actions(&down.chain(up).collect::<Vec<_>>())
}

/// A text, letter by letter.
pub(super) fn one_by_one(text: &str) -> Value {
    let press = |letter: char| ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": letter }));
    actions(&text.chars().flat_map(press).collect::<Vec<_>>())
}

fn actions(actions: &[Value]) -> Value {
    json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": actions }] })
}
