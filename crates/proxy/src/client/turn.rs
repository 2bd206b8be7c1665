//! Wakes whoever carries a connection on, when others than itself have moved it.
//!
//! Who polls a connection and what comes of it in one go is woken by itself over and over: each half wakes the other. Such wakes are
//! noted here, and answered by polling once more at once; only those from outside go on to the task.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Wake, Waker};

use parking_lot::Mutex;

/// Nobody polls: a wake goes on to the task.
const IDLE: u8 = 0;
/// It is being polled.
const POLLED: u8 = 1;
/// It is being polled, and was woken meanwhile.
const MOVED: u8 = 2;

/// What a connection is polled with, whoever polls it.
#[derive(Debug, Default)]
pub(super) struct Turn {
    state: AtomicU8,
    task: Mutex<Option<Waker>>,
}

impl Turn {
    /// A task begins to poll, and is to be woken from outside from now on.
    pub(super) fn begin(&self, task: &Waker) {
        let mut known = self.task.lock();
        if known.as_ref().is_none_or(|known| !known.will_wake(task)) {
            *known = Some(task.clone());
        }
        drop(known);
        self.state.store(POLLED, Ordering::SeqCst);
    }

    /// Ends the turn if nothing has moved within it. Tells whether something has; then the turn goes on.
    pub(super) fn goes_on(&self) -> bool {
        let ended = self.state.compare_exchange(POLLED, IDLE, Ordering::SeqCst, Ordering::SeqCst);
        if ended.is_err() {
            self.state.store(POLLED, Ordering::SeqCst);
        }
        ended.is_err()
    }

    /// Ends the turn, whatever has moved: who ends it polls again.
    pub(super) fn end(&self) {
        self.state.store(IDLE, Ordering::SeqCst);
    }

    /// Nobody waits for it any more.
    pub(super) fn forget(&self) {
        drop(self.task.lock().take());
    }
}

impl Wake for Turn {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let noted = self.state.compare_exchange(POLLED, MOVED, Ordering::SeqCst, Ordering::SeqCst);
        if noted == Err(IDLE) {
            let task = self.task.lock().clone();
            if let Some(task) = task {
                task.wake();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[derive(Default)]
    struct Task(AtomicUsize);

    impl Wake for Task {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_task_is_woken_from_outside_and_not_by_what_it_does_itself() {
        let (task, turn) = (Arc::new(Task::default()), Arc::new(Turn::default()));
        let (own, woken) = (Waker::from(Arc::clone(&turn)), || task.0.load(Ordering::Relaxed));
        own.wake_by_ref();
        turn.begin(&Waker::from(Arc::clone(&task)));
        own.wake_by_ref();
        own.wake_by_ref();
        assert_eq!(woken(), 0);
        assert!(turn.goes_on(), "it was woken within its turn");
        assert!(!turn.goes_on(), "and not since");
        own.wake_by_ref();
        assert_eq!(woken(), 1);
        turn.forget();
        own.wake();
        assert_eq!(woken(), 1);
    }
}
