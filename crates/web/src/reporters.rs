//! Who tells of leaked keys right now.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use http::StatusCode;
use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until};

use crate::problem::{ApiProblem, BUSY};

/// Most reports at a time, from whatever addresses. Together with the time that each takes it bounds how many texts can be
/// tried, and what all of them may cost.
const MOST: usize = 32;
/// Most reports that are worked on, as answers do not wait for that: twice as many as come in the time of an answer, so that a
/// store that is slow for a moment turns nobody away.
const MOST_AT_WORK: usize = 2 * MOST;
/// The part of an IPv6 address that all addresses of the same customer have in common.
const OF_A_CUSTOMER: u128 = u128::MAX << 64;

/// The addresses whose reports are being taken, one of each at a time, and how many reports are worked on.
#[derive(Debug, Default)]
pub(crate) struct Reporters(Mutex<Present>);

#[derive(Debug, Default)]
struct Present {
    addresses: HashSet<Option<IpAddr>>,
    at_work: usize,
}

/// A place among those who report; it is given back when the value is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    reporters: Arc<Reporters>,
    whose: Option<IpAddr>,
}

/// A place among the reports that are worked on, likewise.
#[derive(Debug)]
pub(crate) struct Work(Arc<Reporters>);

impl Reporters {
    /// A turn for whoever has this address, and a place for what is to be done about the report.
    pub(crate) fn enter(self: &Arc<Self>, address: Option<IpAddr>) -> Result<(Turn, Work), ApiProblem> {
        let whose = address.map(whose);
        let mut present = self.0.lock();
        let has_room = present.addresses.len() < MOST && present.at_work < MOST_AT_WORK;
        if has_room && present.addresses.insert(whose) {
            present.at_work += 1;
            return Ok((Turn { reporters: Arc::clone(self), whose }, Work(Arc::clone(self))));
        }
        let detail =
            "too many reports at once; send the next one when this is answered, or try again in a moment";
        Err(ApiProblem::new(StatusCode::SERVICE_UNAVAILABLE, BUSY, detail))
    }
}

impl Turn {
    /// Lasts until then, and ends before whoever waits for it goes on. Whoever goes away keeps their turn for as long.
    pub(crate) async fn until(self, end: Instant) {
        let lasting = tokio::spawn(async move {
            sleep_until(end).await;
            drop(self);
        });
        let _ended = lasting.await;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.reporters.0.lock().addresses.remove(&self.whose);
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.0.0.lock().at_work -= 1;
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
    use std::time::Duration;

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

    #[test]
    fn reports_that_are_worked_on_are_bounded_when_all_turns_have_ended() {
        let reporters = Arc::<Reporters>::default();
        let mut work: Vec<_> = (0..MOST_AT_WORK).map(|_| reporters.enter(None).unwrap().1).collect();
        assert_eq!(reporters.enter(None).unwrap_err().code(), BUSY);
        work.pop();
        assert!(reporters.enter(None).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_outlives_whoever_it_was_for() {
        let reporters = Arc::<Reporters>::default();
        let (turn, _work) = reporters.enter(None).unwrap();
        let end = Instant::now() + Duration::from_secs(1);
        let client = tokio::spawn(turn.until(end));
        tokio::task::yield_now().await;
        client.abort();
        assert!(client.await.unwrap_err().is_cancelled());
        assert_eq!(reporters.enter(None).unwrap_err().code(), BUSY);
        sleep_until(end + Duration::from_millis(1)).await;
        assert!(reporters.enter(None).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waited_for_their_turn_to_end_can_have_another_at_once() {
        let reporters = Arc::<Reporters>::default();
        for _ in 0..3 {
            let (turn, _work) = reporters.enter(None).unwrap();
            turn.until(Instant::now() + Duration::from_millis(100)).await;
        }
    }
}
