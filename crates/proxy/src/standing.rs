//! Whether a key may still do what it began.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use keystile_core::{Ask, Digest, Environment, Refusal};
use keystile_verify::Verifier;

/// What a key was allowed to do, asked again while it does it. Asking counts nothing.
pub(crate) struct Standing {
    verifier: Arc<Verifier>,
    digest: Digest,
    purpose: Purpose,
    /// What was known of the key was forgotten, and is being read.
    asking: Option<Asking>,
}

/// The key is read and decided about.
type Asking = Pin<Box<dyn Future<Output = Result<(), Refusal>> + Send>>;

/// What a request is made with, beside its key.
#[derive(Debug, Clone)]
pub(crate) struct Purpose {
    pub(crate) ip: Option<IpAddr>,
    pub(crate) environment: Environment,
    pub(crate) model: Box<str>,
}

impl Purpose {
    /// The question that it is.
    pub(crate) fn ask(&self) -> Ask<'_> {
        Ask { ip: self.ip, environment: Some(self.environment), model: Some(&self.model), ..Ask::ANYTHING }
    }
}

impl Standing {
    pub(crate) const fn new(verifier: Arc<Verifier>, digest: Digest, purpose: Purpose) -> Self {
        Self { verifier, digest, purpose, asking: None }
    }

    /// The model that is used.
    pub(crate) fn model(&self) -> &str {
        &self.purpose.model
    }

    /// Decides, at once if the key is in memory. A key that cannot be read is refused: what is forgotten was changed, as a rule.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Refusal>> {
        if self.asking.is_none()
            && let Some(decided) = self.verifier.still_stands(&self.digest, &self.purpose.ask())
        {
            return Poll::Ready(decided);
        }
        let asking = self.asking.get_or_insert_with(|| {
            let (verifier, digest, purpose) = (Arc::clone(&self.verifier), self.digest, self.purpose.clone());
            Box::pin(async move { verifier.identify_held(digest, &purpose.ask()).await.outcome })
        });
        let decided = asking.as_mut().poll(context);
        if decided.is_ready() {
            self.asking = None;
        }
        decided
    }
}
