//! The one rule by which a change reaches verification before anybody is answered.

use std::pin::Pin;
use std::sync::Arc;

use keystile_core::Change;
use keystile_manage::{Committed, Refused};
use keystile_store::{Doubt, StoreError, noting};
use keystile_verify::Verifier;
use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;

use crate::Cluster;
use crate::cluster::give_receipt;
use crate::doubts::Unsettled;
use crate::journal::{Telling, Untold};

/// What is to be carried out.
type Work<T> = Pin<Box<dyn Future<Output = Result<Committed<T>, Refused>> + Send>>;

/// Carries out changes; clones are the same.
#[derive(Clone)]
pub struct Commits {
    verifier: Arc<Verifier>,
    doubts: Sender<Unsettled>,
    journal: Telling,
    cluster: Option<Cluster>,
}

impl Commits {
    pub(crate) const fn new(
        verifier: Arc<Verifier>,
        doubts: Sender<Unsettled>,
        journal: Telling,
        cluster: Option<Cluster>,
    ) -> Self {
        Self { verifier, doubts, journal, cluster }
    }

    /// Carries out a change and lets the data plane forget what it made, or may have made, untrue, before anyone
    /// is answered. A change in doubt is forgotten once more when its end is known. Among nodes it waits until the others have forgotten it,
    /// too, or may not answer from memory any more: the length of a lease, and half a second, at most.
    /// Runs to its end even when nobody waits for it any more: a commit whose change was not applied would leave a
    /// revoked key in use. If it panics, which may be after the commit, everything is forgotten. When keys may have ended by the change, the revocation
    /// journal has been told of it, too.
    ///
    /// # Errors
    /// What `work` was refused for. [`Refused::InDoubt`] as well when the change holds, but the journal cannot be written.
    pub async fn carry_out<T, F>(&self, work: F) -> Result<T, Refused>
    where
        T: Send + 'static,
        F: Future<Output = Result<Committed<T>, Refused>> + Send + 'static,
    {
        self.carry_out_any(Box::pin(work)).await
    }

    /// The same for all work of one result, so that there is no code for each.
    async fn carry_out_any<T: Send + 'static>(&self, work: Work<T>) -> Result<T, Refused> {
        let commits = self.clone();
        let task = tokio::spawn(async move {
            let unapplied = Unapplied(&commits.verifier);
            let (outcome, committed) = noting(work).await;
            match &outcome {
                Ok(Committed { change, .. }) => commits.verifier.apply(change),
                Err(Refused::InDoubt { change, doubt, .. }) => commits.doubt(change, *doubt),
                Err(_) => {}
            }
            std::mem::forget(unapplied);
            let change = outcome.as_ref().ok().map(|committed| committed.change.clone());
            let others = async {
                match &commits.cluster {
                    Some(cluster) => cluster.acknowledged(&committed, change.as_ref()).await,
                    None => None,
                }
            };
            tokio::join!(commits.told_to_journal(outcome), others)
        });
        let interrupted = |_| Refused::Internal("the change was interrupted".to_owned());
        let (outcome, receipt) = task.await.map_err(interrupted)?;
        if let Some(receipt) = receipt {
            give_receipt(receipt);
        }
        outcome
    }

    /// Whether the revocation journal could be written when it was written last.
    pub fn journal_works(&self) -> bool {
        self.journal.works()
    }

    /// Refuses what would end a key and give a new secret in the one answer that there is. While the journal cannot be written, that answer would be an
    /// error: the old secret would be dead, and nobody would have the new one.
    ///
    /// # Errors
    /// [`Refused::Store`] when the journal could not be written the last time.
    pub fn require_journal(&self) -> Result<(), Refused> {
        if self.journal_works() {
            Ok(())
        } else {
            Err(Refused::Store(StoreError::Unavailable(Untold.into())))
        }
    }

    /// The same, when the journal has been told if keys may have ended.
    async fn told_to_journal<T>(&self, outcome: Result<Committed<T>, Refused>) -> Result<T, Refused> {
        let Committed { value, change } = outcome?;
        if !change.may_end_keys() {
            return Ok(value);
        }
        let told = self.journal.told().await;
        told.map(|()| value).map_err(|untold| Refused::InDoubt {
            change: Box::new(change),
            doubt: Doubt::ENDED,
            source: StoreError::Unavailable(untold.into()),
        })
    }

    fn doubt(&self, change: &Change, doubt: Doubt) {
        self.verifier.doubt(change);
        match self.doubts.try_send(Unsettled { change: change.clone(), doubt }) {
            Err(TrySendError::Full(_)) => {
                tracing::warn!(
                    "too many changes are in doubt; keys of this one are read anew until the next start"
                );
            }
            // Nobody receives it only when the engine has stopped.
            Ok(()) | Err(TrySendError::Closed(_)) => {}
        }
    }
}

/// A change that did not tell how it ended: dropped by a panic or with the runtime, and perhaps committed.
struct Unapplied<'a>(&'a Verifier);

impl Drop for Unapplied<'_> {
    fn drop(&mut self) {
        self.0.forget_all();
    }
}

#[cfg(test)]
mod tests {
    use keystile_core::route::Table;
    use keystile_core::{ApplicationId, Ask, Digest, KeyReading, TenantId, Upstreams};
    use keystile_verify::{Bounds, BoxFuture, KeySource, OneNode, SourceUnavailable, UsageBatch, Use};

    use super::*;
    use crate::SystemClock;

    /// There are no keys.
    struct NoKeys;

    impl KeySource for NoKeys {
        fn facts(&self, _: Vec<Digest>) -> BoxFuture<'_, Result<Vec<KeyReading>, SourceUnavailable>> {
            Box::pin(async { Ok(Vec::new()) })
        }

        fn routing(&self, _: ApplicationId) -> BoxFuture<'_, Result<Option<Table>, SourceUnavailable>> {
            Box::pin(async { Ok(None) })
        }

        fn upstreams(&self, _: TenantId) -> BoxFuture<'_, Result<Upstreams, SourceUnavailable>> {
            Box::pin(async { Ok(Upstreams::default()) })
        }

        fn touch(&self, _: Vec<Use>) -> BoxFuture<'_, Result<(), SourceUnavailable>> {
            Box::pin(async { Ok(()) })
        }

        fn count(&self, _: UsageBatch) -> BoxFuture<'_, Result<(), SourceUnavailable>> {
            Box::pin(async { Ok(()) })
        }
    }

    #[tokio::test]
    async fn a_change_that_panics_may_be_committed_so_everything_is_forgotten() {
        let clock = Arc::new(SystemClock);
        let limiter = OneNode::new(Arc::clone(&clock) as _);
        let verifier = Verifier::new(Arc::new(NoKeys), limiter, clock, Bounds::default());
        let (doubts, _kept) = tokio::sync::mpsc::channel(1);
        let commits = Commits::new(Arc::clone(&verifier), doubts, Telling::to_nobody(), None);
        verifier.verify_held(Digest::of(b"key"), &Ask::ANYTHING).await;

        let refused = async || Err::<Committed<()>, _>(Refused::Internal("refused".to_owned()));
        commits.carry_out(refused()).await.unwrap_err();
        assert_eq!(verifier.stats().absent, 1, "nothing was changed");

        let holds = async || Ok(Committed { value: (), change: Change::of([Digest::of(b"another")]) });
        let untold = commits.carry_out(holds()).await.unwrap_err();
        assert!(
            matches!(untold, Refused::InDoubt { doubt: Doubt::ENDED, .. }),
            "nobody keeps the journal: {untold}"
        );
        let is_new = Ok(Committed { value: (), change: Change::of_new([Digest::of(b"another")]) });
        commits.carry_out(async { is_new }).await.unwrap();

        let panics = async { panic!("after the commit") };
        commits.carry_out::<(), _>(panics).await.unwrap_err();
        assert_eq!(verifier.stats().absent, 0);
    }
}
