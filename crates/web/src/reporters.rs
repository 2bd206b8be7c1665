//! Who tells of leaked keys right now.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use http::StatusCode;
use parking_lot::Mutex;

use crate::problem::{ApiProblem, BUSY};

/// Most reports at a time, from whatever addresses. Together with the time that each takes it bounds how many texts can be
/// tried, and what all of them may cost.
const MOST: usize = 32;
/// The part of an IPv6 address that all addresses of the same customer have in common.
const OF_A_CUSTOMER: u128 = u128::MAX << 64;

/// The addresses whose reports are being taken, one of each at a time.
#[derive(Debug, Default)]
pub(crate) struct Reporters(Mutex<HashSet<Option<IpAddr>>>);

/// A place among them; it is given back when the value is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    reporters: Arc<Reporters>,
    whose: Option<IpAddr>,
}

impl Reporters {
    /// A turn for whoever has this address.
    pub(crate) fn enter(self: &Arc<Self>, address: Option<IpAddr>) -> Result<Turn, ApiProblem> {
        let whose = address.map(whose);
        let mut present = self.0.lock();
        if present.len() < MOST && present.insert(whose) {
            return Ok(Turn { reporters: Arc::clone(self), whose });
        }
        let detail =
            "too many reports at once; send the next one when this is answered, or try again in a moment";
        Err(ApiProblem::new(StatusCode::SERVICE_UNAVAILABLE, BUSY, detail))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.reporters.0.lock().remove(&self.whose);
    }
}

/// Stands for all addresses of whoever has this one.
fn whose(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & OF_A_CUSTOMER).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_has_one_turn_at_a_time() {
        let reporters = Arc::<Reporters>::default();
        let enter = |address: &str| reporters.enter(Some(address.parse().unwrap()));
        let first = enter("192.0.2.1").unwrap();
        assert_eq!(enter("192.0.2.1").unwrap_err().code(), BUSY);
        let (_other, _nobody) = (enter("192.0.2.2").unwrap(), reporters.enter(None).unwrap());
        let _sixth = enter("2001:db8::1").unwrap();
        assert!(enter("2001:db8::ffff:2").is_err() && enter("2001:db8:0:1::1").is_ok());
        drop(first);
        assert!(enter("192.0.2.1").is_ok());
    }

    #[test]
    fn there_is_a_bound_on_all_together() {
        let reporters = Arc::<Reporters>::default();
        let enter = |last: usize| reporters.enter(Some(format!("192.0.2.{last}").parse().unwrap()));
        let turns: Vec<_> = (0..MOST).map(|last| enter(last).unwrap()).collect();
        assert!(enter(MOST).is_err());
        drop(turns);
        assert!(enter(MOST).is_ok());
    }
}
