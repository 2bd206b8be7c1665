//! Looks names up for the HTTP client that sends messages.

use keystile_outbound::{LookUp, Way};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Gives the client the addresses that one of its ways may take.
pub(crate) struct Resolver {
    look_up: LookUp,
    way: Way,
}

impl Resolver {
    pub(crate) const fn new(look_up: LookUp, way: Way) -> Self {
        Self { look_up, way }
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (look_up, way) = (self.look_up.clone(), self.way);
        Box::pin(async move {
            let found = look_up.find(name.as_str(), way).await?;
            let addresses: Addrs = Box::new(found.into_iter());
            Ok(addresses)
        })
    }
}
