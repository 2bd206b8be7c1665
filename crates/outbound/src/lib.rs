//! Looks names up for connections whose destination a tenant chooses, and gives those addresses alone that may be connected to.
//!
//! As a connection is made to what is given here, a name cannot stand for one address when it is checked and for another when it is
//! connected to. An address that stands in a URL as such is looked up nowhere: whoever connects asks [`LookUp::may_take`] about it.
//! This crate must never know what is sent, nor by which protocol.

mod turns;

use std::error::Error;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use keystile_core::{Reach, TenantId};

use turns::Turns;

pub use turns::Turn;

/// Which addresses are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Public ones, and those that the operator lists.
    Encrypted,
    /// Those that the operator lists.
    Plain,
}

/// A name stands for no address that may be connected to.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the name stands for no address that may be connected to")]
pub struct NotReachable;

/// Why a name was not looked up, or led nowhere.
pub type LookUpError = Box<dyn Error + Send + Sync>;

/// Looks names up as the system does. Clones are the same, and share the bounds on look-ups.
#[derive(Debug, Clone)]
pub struct LookUp {
    reach: Arc<Reach>,
    turns: Arc<Turns>,
}

impl LookUp {
    /// Gives addresses within `reach`.
    pub fn new(reach: Arc<Reach>) -> Self {
        Self { reach, turns: Arc::new(Turns::new()) }
    }

    /// Whether this address may be connected to.
    pub fn may_take(&self, way: Way, ip: IpAddr) -> bool {
        match way {
            Way::Encrypted => self.reach.covers(ip),
            Way::Plain => self.reach.lists(ip),
        }
    }

    /// The addresses that a name stands for, as far as they may be connected to; their port is 0. Needs a Tokio runtime. A look-up
    /// cannot be broken off: when the future is dropped, it goes on and keeps its turn until the system answers.
    ///
    /// # Errors
    /// [`NotReachable`] when none of them may be connected to, or what the system says.
    pub async fn find(&self, name: &str, way: Way) -> Result<Vec<SocketAddr>, LookUpError> {
        self.find_for(None, name, way).await
    }

    /// The same on behalf of a tenant, whose look-ups that take long leave others their turns.
    ///
    /// # Errors
    /// As with [`Self::find`].
    pub async fn find_for(
        &self,
        tenant_id: Option<TenantId>,
        name: &str,
        way: Way,
    ) -> Result<Vec<SocketAddr>, LookUpError> {
        let turn = self.turn(tenant_id).await?;
        let name = name.to_owned();
        let look_up = move || {
            let _turn = turn;
            (name.as_str(), 0).to_socket_addrs().map(Iterator::collect::<Vec<SocketAddr>>)
        };
        let found = tokio::task::spawn_blocking(look_up).await??;
        Ok(self.reachable(found, way)?)
    }

    /// Waits for a turn to look something up, as [`Self::find_for`] does.
    ///
    /// # Errors
    /// None that can happen: there are turns for as long as this lives.
    pub async fn turn(&self, tenant_id: Option<TenantId>) -> Result<Turn, LookUpError> {
        Ok(self.turns.turn(tenant_id).await?)
    }

    fn reachable(&self, mut found: Vec<SocketAddr>, way: Way) -> Result<Vec<SocketAddr>, NotReachable> {
        found.retain(|address| self.may_take(way, address.ip()));
        if found.is_empty() { Err(NotReachable) } else { Ok(found) }
    }
}

/// Whether something failed because an address may not be connected to.
pub fn is_not_reachable(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(known) = cause {
        if known.is::<NotReachable>() {
            return true;
        }
        cause = known.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(addresses: &[&str], way: Way, reach: &Reach) -> Option<Vec<String>> {
        let found = addresses.iter().map(|ip| SocketAddr::new(ip.parse().unwrap(), 443)).collect();
        let given = LookUp::new(Arc::new(reach.clone())).reachable(found, way).ok()?;
        Some(given.iter().map(|address| address.ip().to_string()).collect())
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
        let usual = LookUp::new(Arc::default());
        let refused = usual.find("localhost", Way::Encrypted).await.unwrap_err();
        assert!(is_not_reachable(&*refused), "{refused:?}");
        let own = Reach::new(vec!["127.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()]);
        let found = LookUp::new(Arc::new(own)).find("localhost", Way::Plain).await.unwrap();
        assert!(found.iter().all(|address| address.ip().is_loopback()));
    }
}
