//! Which transactions a piece of work has committed, for whoever waits until others have heard of them.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::Doubt;
use crate::doubt::Transaction;

tokio::task_local! {
    static NOTED: Arc<Mutex<Vec<u64>>>;
}

/// Transactions that were committed, by the numbers that PostgreSQL gives them. SQLite gives none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transactions(pub(crate) Vec<u64>);

impl Transactions {
    /// Whether there were none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Does `work` and tells which transactions it committed on its way, in this task; what it starts in tasks of their own is not among
/// them.
pub async fn noting<T>(work: impl Future<Output = T>) -> (T, Transactions) {
    let noted = Arc::<Mutex<Vec<u64>>>::default();
    let done = NOTED.scope(Arc::clone(&noted), work).await;
    let transactions = std::mem::take(&mut *noted.lock());
    (done, Transactions(transactions))
}

/// A transaction was committed, which matters if somebody notes.
pub(crate) fn note(committed: Doubt) {
    if let Transaction::Number(number) = committed.0 {
        // Outside of such work nobody waits.
        let _noted = NOTED.try_with(|noted| noted.lock().push(number));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_committed_within_some_work_is_noted_and_nothing_else() {
        note(Doubt(Transaction::Number(1)));
        let work = async {
            note(Doubt(Transaction::Number(2)));
            tokio::task::yield_now().await;
            note(Doubt(Transaction::OfFile));
            note(Doubt(Transaction::Number(3)));
            "done"
        };
        assert_eq!(noting(work).await, ("done", Transactions(vec![2, 3])));
        assert!(noting(async {}).await.1.is_empty());
    }
}
