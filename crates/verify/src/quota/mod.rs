//! Tokens and money: what requests hold of them in memory, under a lease of the budget's authority.
//!
//! Each lineage has an [`Account`] with a meter of tokens and, for each period of its budget, a [`pocket`]. A request takes both under one
//! short lock, or neither. Only when its pocket has too little does it wait, for one question to the authority that serves all who wait.
//! What a settled request was charged is exact in memory at once, and written behind it, in batches.

mod account;
mod bid;
mod flight;
mod flush;
mod handed;
mod hold;
mod ids;
mod leasing;
mod pocket;
mod port;
mod queue;
mod room;
mod settling;
mod unwritten;
mod verifier;

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};

use keystile_core::Clock;
use parking_lot::Mutex;

pub(crate) use account::Account;
pub use flush::{LEASES_PER_ROUND, ROWS_PER_BATCH, Return};
pub use hold::{Hold, Settled, Terms};
pub use leasing::{LEASE_TIMEOUT, ROOM_TIMEOUT};
pub(crate) use port::NoBudgets;
pub use port::{Budgets, NotWritten};
pub use queue::CHARGES_WAITING;
pub use room::{BudgetRoom, Room, TokenRoom};
pub use settling::{SettleError, Settling};
pub use unwritten::UnwrittenCharges;
pub use verifier::QuotaStats;

use crate::shared::Desk;
use flight::Writing;
use handed::Handed;
use ids::Ids;
use queue::Queue;

use crate::standing::Standing;

/// All accounts in use, and what is on its way to the ledger.
pub(crate) struct Quota {
    budgets: Arc<dyn Budgets>,
    clock: Arc<dyn Clock>,
    /// Where tokens are stated that nodes share, if they do.
    pub(crate) shared: OnceLock<Arc<Desk>>,
    standing: Arc<Standing>,
    /// The account of keys that have no limits: it holds whatever is asked.
    unlimited: Arc<Account>,
    /// Accounts with anything that somebody has to come back to.
    active: Mutex<Vec<Arc<Account>>>,
    /// Where the holds are that callers were told of, and what became of those that ended. Its lock comes before that of an account.
    handed: Mutex<Handed>,
    queue: Queue,
    /// Whoever has it writes. It holds what was taken to be written and is not known to be.
    flushing: tokio::sync::Mutex<Writing>,
    /// How many rounds of writing have begun.
    rounds: AtomicU64,
    ids: Ids,
    /// Until then nobody waits for the authority only to be told what is left, by the clock that nobody sets.
    unheard_until: AtomicU64,
    asked: AtomicU64,
    overdue: AtomicU64,
    failed_flushes: AtomicU64,
    given_up: AtomicU64,
}

impl Quota {
    pub(crate) fn new(
        budgets: Arc<dyn Budgets>,
        clock: Arc<dyn Clock>,
        standing: Arc<Standing>,
    ) -> Arc<Self> {
        let ids = Ids::of(budgets.mark());
        Arc::new(Self {
            budgets,
            clock,
            shared: OnceLock::new(),
            standing,
            unlimited: Account::new(None),
            active: Mutex::default(),
            handed: Mutex::default(),
            queue: Queue::default(),
            flushing: tokio::sync::Mutex::default(),
            rounds: AtomicU64::new(0),
            ids,
            unheard_until: AtomicU64::new(0),
            asked: AtomicU64::new(0),
            overdue: AtomicU64::new(0),
            failed_flushes: AtomicU64::new(0),
            given_up: AtomicU64::new(0),
        })
    }

    /// From now on somebody comes back to it.
    fn note_active(&self, account: &Arc<Account>) {
        self.active.lock().push(Arc::clone(account));
    }

    fn active(&self) -> Vec<Arc<Account>> {
        self.active.lock().clone()
    }
}
