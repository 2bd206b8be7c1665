//! The one rule by which a change reaches verification before anybody is answered.

use std::sync::Arc;

use keystile_core::Change;
use keystile_manage::{Committed, Refused};
use keystile_store::Doubt;
use keystile_verify::Verifier;
use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;

use crate::doubts::Unsettled;

/// Carries out changes; clones are the same.
#[derive(Clone)]
pub struct Commits {
    verifier: Arc<Verifier>,
    doubts: Sender<Unsettled>,
}

impl Commits {
    pub(crate) const fn new(verifier: Arc<Verifier>, doubts: Sender<Unsettled>) -> Self {
        Self { verifier, doubts }
    }

    /// Carries out a change and lets the data plane forget what it made, or may have made, untrue, before anyone
    /// is answered. A change in doubt is forgotten once more when its end is known.
    /// Runs to its end even when nobody waits for it any more: a commit whose change was not applied would leave a
    /// revoked key in use.
    ///
    /// # Errors
    /// What `work` was refused for.
    pub async fn carry_out<T, F>(&self, work: F) -> Result<T, Refused>
    where
        T: Send + 'static,
        F: Future<Output = Result<Committed<T>, Refused>> + Send + 'static,
    {
        let commits = self.clone();
        let task = tokio::spawn(async move {
            let outcome = work.await;
            match &outcome {
                Ok(Committed { change, .. }) => commits.verifier.apply(change),
                Err(Refused::InDoubt { change, doubt, .. }) => commits.doubt(change, *doubt),
                Err(_) => {}
            }
            outcome.map(|committed| committed.value)
        });
        task.await.map_err(|_| Refused::Internal("the change was interrupted".to_owned()))?
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
