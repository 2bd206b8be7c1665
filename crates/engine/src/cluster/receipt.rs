//! What whoever asked for a change is told of the nodes that have heard of it.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;

tokio::task_local! {
    static SLOT: Arc<Mutex<Option<Receipt>>>;
}

/// Which nodes have heard of a change. It prints as the value of a header field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// The last number of the change.
    pub revision: i64,
    /// Nodes that there were, this one included.
    pub nodes: usize,
    /// Of these, who has forgotten what the change made untrue, this one included.
    pub acknowledged: usize,
    /// Of these, whose lease was over: they answer nothing from memory until they have read what was changed.
    pub expired: usize,
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { revision, nodes, acknowledged, expired } = self;
        write!(f, "{revision}; nodes={nodes}; acknowledged={acknowledged}; expired={expired}")
    }
}

/// Does `work`, and tells the receipt of the last change that it has carried out.
pub async fn with_receipt<T>(work: impl Future<Output = T>) -> (T, Option<Receipt>) {
    let slot = Arc::<Mutex<Option<Receipt>>>::default();
    let done = SLOT.scope(Arc::clone(&slot), work).await;
    let receipt = *slot.lock();
    (done, receipt)
}

/// `work` for a task of its own, whose receipts are told to whoever is told those of the task that calls this.
pub fn carrying_receipt<T>(work: impl Future<Output = T>) -> impl Future<Output = T> {
    let slot = SLOT.try_with(Arc::clone).ok();
    async move {
        match slot {
            Some(slot) => SLOT.scope(slot, work).await,
            None => work.await,
        }
    }
}

/// Tells a receipt, if somebody wants it.
pub(crate) fn give_receipt(receipt: Receipt) {
    let _wanted = SLOT.try_with(|slot| *slot.lock() = Some(receipt));
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECEIPT: Receipt = Receipt { revision: 4711, nodes: 3, acknowledged: 2, expired: 1 };

    #[tokio::test]
    async fn a_receipt_reaches_who_asked_also_from_another_task() {
        assert_eq!(RECEIPT.to_string(), "4711; nodes=3; acknowledged=2; expired=1");
        give_receipt(RECEIPT);
        let here = async { give_receipt(RECEIPT) };
        assert_eq!(with_receipt(here).await.1, Some(RECEIPT));
        let elsewhere =
            async { tokio::spawn(carrying_receipt(async { give_receipt(RECEIPT) })).await.unwrap() };
        assert_eq!(with_receipt(elsewhere).await.1, Some(RECEIPT));
        assert_eq!(with_receipt(async {}).await.1, None);
    }
}
