//! The part of one budget that a server has leased, and what it does with it.
//!
//! Every nano-dollar of the lease is in one of three places: free, held for a request, or charged and not written down yet. Settling moves it
//! between them and never makes more of it, so what is charged is never above what was leased, but for debt: what a request cost beyond
//! its hold and beyond all that was free.

use crate::NanoUsd;

/// A lease in use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Purse {
    free: i64,
    held: i64,
    unwritten: i64,
    debt: i64,
}

/// What a settled request is charged, and where that comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Charge {
    /// All of it.
    pub cost: NanoUsd,
    /// What of it was leased; the lease is smaller by so much once it is written.
    pub from_lease: NanoUsd,
}

impl Charge {
    /// What nothing was leased for.
    pub const fn debt(&self) -> NanoUsd {
        NanoUsd::from_nanos(self.cost.as_nanos().saturating_sub(self.from_lease.as_nanos()))
    }
}

impl Purse {
    /// More was leased.
    pub const fn add(&mut self, lease: NanoUsd) {
        self.free = self.free.saturating_add(lease.as_nanos());
    }

    /// What can be held at once.
    pub const fn free(&self) -> NanoUsd {
        NanoUsd::from_nanos(self.free)
    }

    /// What is held.
    pub const fn held(&self) -> NanoUsd {
        NanoUsd::from_nanos(self.held)
    }

    /// What the record of the lease must say: all that was leased and whose charge is not written.
    pub const fn leased(&self) -> NanoUsd {
        NanoUsd::from_nanos(self.free.saturating_add(self.held).saturating_add(self.unwritten))
    }

    /// What was charged without a lease and is not written.
    pub const fn debt(&self) -> NanoUsd {
        NanoUsd::from_nanos(self.debt)
    }

    /// Holds an amount, if so much is free.
    #[must_use]
    pub const fn hold(&mut self, amount: NanoUsd) -> bool {
        if amount.as_nanos() > self.free {
            return false;
        }
        self.free -= amount.as_nanos();
        self.held += amount.as_nanos();
        true
    }

    /// A hold that was leased by another process, and goes on here.
    pub const fn adopt(&mut self, amount: NanoUsd) {
        self.held = self.held.saturating_add(amount.as_nanos());
    }

    /// Turns a hold into a charge. What it cost less is free again; what it cost more is taken from what is free, and is debt beyond it.
    pub fn settle(&mut self, held: NanoUsd, cost: NanoUsd) -> Charge {
        let (held, wanted) = (held.as_nanos(), cost.as_nanos().max(0));
        self.held -= held;
        let available = self.free.saturating_add(held);
        let from_lease = wanted.min(available);
        self.free = available - from_lease;
        self.unwritten = self.unwritten.saturating_add(from_lease);
        self.debt = self.debt.saturating_add(wanted - from_lease);
        Charge { cost: NanoUsd::from_nanos(wanted), from_lease: NanoUsd::from_nanos(from_lease) }
    }

    /// A charge is written down: in the record, what was leased is spent.
    pub const fn note_written(&mut self, charge: Charge) {
        self.unwritten -= charge.from_lease.as_nanos();
        self.debt -= charge.debt().as_nanos();
    }

    /// Gives up what is free, for others to lease.
    pub const fn take_free(&mut self) -> NanoUsd {
        let free = self.free;
        self.free = 0;
        NanoUsd::from_nanos(free)
    }

    /// Whether nothing is in it, and nothing of it is still to be written.
    pub const fn is_empty(&self) -> bool {
        self.free == 0 && self.held == 0 && self.unwritten == 0 && self.debt == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn nano(nanos: i64) -> NanoUsd {
        NanoUsd::from_nanos(nanos)
    }

    #[test]
    fn what_a_request_did_not_cost_is_free_again() {
        let mut purse = Purse::default();
        purse.add(nano(100));
        assert!(purse.hold(nano(80)));
        assert!(!purse.hold(nano(21)));
        let charge = purse.settle(nano(80), nano(30));
        assert_eq!(charge, Charge { cost: nano(30), from_lease: nano(30) });
        assert_eq!((purse.free(), purse.held(), purse.leased()), (nano(70), nano(0), nano(100)));
        purse.note_written(charge);
        assert_eq!(purse.leased(), nano(70));
        assert_eq!(purse.take_free(), nano(70));
        assert!(purse.is_empty());
    }

    #[test]
    fn what_a_request_cost_more_is_taken_from_what_is_free_and_is_debt_beyond_it() {
        let mut purse = Purse::default();
        purse.add(nano(100));
        assert!(purse.hold(nano(60)) && purse.hold(nano(30)));
        let charge = purse.settle(nano(60), nano(75));
        assert_eq!((charge.from_lease, charge.debt()), (nano(70), nano(5)));
        assert_eq!((purse.free(), purse.held(), purse.debt()), (nano(0), nano(30), nano(5)));
        purse.note_written(charge);
        assert_eq!((purse.leased(), purse.debt()), (nano(30), nano(0)));
    }

    #[test]
    fn a_cost_below_nothing_is_nothing() {
        let mut purse = Purse::default();
        purse.adopt(nano(10));
        assert_eq!(purse.settle(nano(10), nano(-5)).cost, nano(0));
        assert_eq!(purse.free(), nano(10));
    }
}
