//! Looks names up, and gives those addresses alone that may be connected to. As a connection is made to what is given here, a name
//! cannot stand for one address when it is checked and for another when it is connected to.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use keystile_core::webhook::Reach;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Which addresses are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Public ones, and those that the operator lists.
    Encrypted,
    /// Those that the operator lists.
    Plain,
}

impl Way {
    pub(crate) fn may_take(self, reach: &Reach, ip: IpAddr) -> bool {
        match self {
            Self::Encrypted => reach.covers(ip),
            Self::Plain => reach.lists(ip),
        }
    }
}

/// A name stands for no address that may be connected to.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the name stands for no address that may be connected to")]
pub(crate) struct NotReachable;

/// Looks names up as the system does.
pub(crate) struct Resolver {
    reach: Arc<Reach>,
    way: Way,
}

impl Resolver {
    pub(crate) const fn new(reach: Arc<Reach>, way: Way) -> Self {
        Self { reach, way }
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (reach, way) = (Arc::clone(&self.reach), self.way);
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            Ok(reachable(found, way, &reach)?)
        })
    }
}

fn reachable(found: Vec<SocketAddr>, way: Way, reach: &Reach) -> Result<Addrs, NotReachable> {
    let may_be: Vec<_> = found.into_iter().filter(|address| way.may_take(reach, address.ip())).collect();
    if may_be.is_empty() { Err(NotReachable) } else { Ok(Box::new(may_be.into_iter())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(addresses: &[&str], way: Way, reach: &Reach) -> Option<Vec<String>> {
        let found = addresses.iter().map(|ip| SocketAddr::new(ip.parse().unwrap(), 443)).collect();
        let given = reachable(found, way, reach).ok()?;
        Some(given.map(|address| address.ip().to_string()).collect())
    }

    #[test]
    fn a_name_gives_the_addresses_that_may_be_connected_to() {
        let (usual, listed) = (Reach::default(), Reach::new(vec!["10.0.0.0/8".parse().unwrap()]));
        let all = ["10.0.0.1", "1.1.1.1", "127.0.0.1", "::1"];
        assert_eq!(given(&all, Way::Encrypted, &usual), Some(vec!["1.1.1.1".to_owned()]));
        assert_eq!(given(&all, Way::Plain, &usual), None);
        let both = vec!["10.0.0.1".to_owned(), "1.1.1.1".to_owned()];
        assert_eq!(given(&all, Way::Encrypted, &listed), Some(both));
        assert_eq!(given(&all, Way::Plain, &listed), Some(vec!["10.0.0.1".to_owned()]));
        assert_eq!(given(&["169.254.169.254", "fe80::1"], Way::Encrypted, &listed), None);
    }

    #[tokio::test]
    async fn the_name_of_this_machine_is_looked_up_and_refused() {
        let resolver = Resolver::new(Arc::default(), Way::Encrypted);
        let refused = resolver.resolve("localhost".parse().unwrap()).await.err().unwrap();
        assert!(refused.downcast_ref::<NotReachable>().is_some(), "{refused:?}");
        let own = Arc::new(Reach::new(vec!["127.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()]));
        let found = Resolver::new(own, Way::Plain).resolve("localhost".parse().unwrap()).await;
        assert!(found.unwrap().all(|address| address.ip().is_loopback()));
    }
}
