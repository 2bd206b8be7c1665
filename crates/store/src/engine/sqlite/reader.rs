//! A reader thread. In WAL mode it sees everything that was committed before its statement began.

use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::mpsc::Receiver;

use super::job::Message;

/// Answers reads until the queue is closed and empty. The thread that holds the queue waits for the next
/// read, lets go of the queue, and only then runs it.
pub(super) fn serve(mut connection: Connection, queue: &Mutex<Receiver<Message>>) {
    loop {
        let mut waiting = queue.lock();
        let message = waiting.blocking_recv();
        if matches!(message, Some(Message::Close)) {
            waiting.close();
        }
        drop(waiting);
        match message {
            Some(Message::Job(mut job)) => {
                job.run(&mut connection);
                job.answer(None);
            }
            Some(Message::Close) => {}
            None => return,
        }
    }
}
