//! Tokens and money that a key may use up: what a request needs, what is held for it, and what it is charged in the end.
//!
//! A budget has an authority, the store, which keeps `spent + leased ≤ max` by one conditional update. A server leases small
//! parts of it into a [`Purse`] and serves from there. Whatever a request may cost at most is held before it starts, and settled
//! to what it did cost.

pub mod budget;
pub mod hold;
pub mod lease;
pub mod ledger;
pub mod mark;
pub mod need;
pub mod pace;
pub mod period;
pub mod purse;
pub mod settling;
pub mod spend;
pub mod tokens;

pub use budget::{Budget, BudgetLeft, TokensExceeded};
pub use hold::{Basis, BudgetTime, HoldState, OpenHold, Origin, Whose};
pub use lease::{LeaseAsk, LeaseTruth, Leased, QuotaBatch, Settlement};
pub use ledger::{LedgerEntry, LedgerKind};
pub use mark::Mark;
pub use need::{Amount, Need};
pub use pace::Pace;
pub use period::{Day, Span};
pub use purse::{Charge, Purse};
pub use settling::{Actual, ChargedHold, MOST_CHARGED, MOST_COUNTED, Ruling, SettledHold};
pub use spend::{Spend, SpendBy, SpendSum, Spending};
pub use tokens::{TOKEN_WINDOW_SECONDS, TPM, TakenAt, TokenMeter};
