//! Looks names up, and gives those addresses alone that may be connected to. As a connection is made to what is given here, a name
//! cannot stand for one address when it is checked and for another when it is connected to.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use keystile_core::webhook::Reach;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::Semaphore;

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

/// Look-ups under way at once. Each takes a thread, of which the runtime has 512 for all that blocks, for as long as the name servers
/// of a tenant's choice let it wait, whoever still wants to know: passwords must be checked meanwhile.
pub(crate) const LOOK_UPS: usize = 64;

/// Looks names up as the system does.
pub(crate) struct Resolver {
    reach: Arc<Reach>,
    way: Way,
    turns: Arc<Semaphore>,
}

impl Resolver {
    /// `turns` are shared by all that look names up.
    pub(crate) const fn new(reach: Arc<Reach>, way: Way, turns: Arc<Semaphore>) -> Self {
        Self { reach, way, turns }
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (reach, way, turns) = (Arc::clone(&self.reach), self.way, Arc::clone(&self.turns));
        Box::pin(async move {
            let turn = turns.acquire_owned().await?;
            let look_up = move || {
                // It cannot be broken off, so its turn is over when it is.
                let _turn = turn;
                (name.as_str(), 0).to_socket_addrs().map(Iterator::collect::<Vec<SocketAddr>>)
            };
            let found = tokio::task::spawn_blocking(look_up).await??;
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
        let turns = Arc::new(Semaphore::new(1));
        let resolver = Resolver::new(Arc::default(), Way::Encrypted, Arc::clone(&turns));
        let refused = resolver.resolve("localhost".parse().unwrap()).await.err().unwrap();
        assert!(refused.downcast_ref::<NotReachable>().is_some(), "{refused:?}");
        let own = Arc::new(Reach::new(vec!["127.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()]));
        assert_eq!(turns.available_permits(), 1);
        let found = Resolver::new(own, Way::Plain, turns).resolve("localhost".parse().unwrap()).await;
        assert!(found.unwrap().all(|address| address.ip().is_loopback()));
    }
}
