//! How much of an owner's limits is used, for as long as it matters: longer than the facts of its keys are kept.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};

use keystile_core::quota::TPM;
use keystile_core::rate::{Used, UsedLimit};
use keystile_core::{
    ApplicationId, CustomerId, Invalid, KeyId, LimitedId, LogRequests, Owner, Rate, Rates, SharedRates,
    TenantId,
};
use parking_lot::{Mutex, MutexGuard};

use crate::pool::{Pool, Pooled};
use crate::quota::Account;
use crate::shared::Joint;

/// Whose limits a meter counts. Sixteen bytes without the alignment of an integer that large.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OwnerId {
    kind: Owner,
    id: [u8; 16],
}

impl OwnerId {
    /// The keys of one lineage, named by its first.
    pub const fn lineage(id: KeyId) -> Self {
        Self { kind: Owner::Key, id: id.as_u128().to_le_bytes() }
    }

    /// A customer.
    pub const fn customer(id: CustomerId) -> Self {
        Self { kind: Owner::Customer, id: id.as_u128().to_le_bytes() }
    }

    /// An application.
    pub const fn application(id: ApplicationId) -> Self {
        Self { kind: Owner::Application, id: id.as_u128().to_le_bytes() }
    }

    /// A tenant.
    pub const fn tenant(id: TenantId) -> Self {
        Self { kind: Owner::Tenant, id: id.as_u128().to_le_bytes() }
    }

    /// Which kind of owner.
    pub const fn kind(&self) -> Owner {
        self.kind
    }

    /// The customer, if it is one.
    pub fn as_customer(&self) -> Option<CustomerId> {
        (self.kind == Owner::Customer).then(|| CustomerId::from_u128(u128::from_le_bytes(self.id)))
    }

    /// The first key of the lineage, if it is one.
    pub fn as_lineage(&self) -> Option<KeyId> {
        (self.kind == Owner::Key).then(|| KeyId::from_u128(u128::from_le_bytes(self.id)))
    }
}

impl From<&LimitedId> for OwnerId {
    fn from(limited: &LimitedId) -> Self {
        match *limited {
            LimitedId::Customer(id) => Self::customer(id),
            LimitedId::Application(id) => Self::application(id),
            LimitedId::Tenant(id) => Self::tenant(id),
        }
    }
}

impl fmt::Display for OwnerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = u128::from_le_bytes(self.id);
        match self.kind {
            Owner::Key => KeyId::from_u128(bits).fmt(f),
            Owner::Customer => CustomerId::from_u128(bits).fmt(f),
            Owner::Application => ApplicationId::from_u128(bits).fmt(f),
            Owner::Tenant => TenantId::from_u128(bits).fmt(f),
        }
    }
}

impl FromStr for OwnerId {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text {
            key if key.starts_with(KeyId::PREFIX) => key.parse().map(Self::lineage),
            customer if customer.starts_with(CustomerId::PREFIX) => customer.parse().map(Self::customer),
            app if app.starts_with(ApplicationId::PREFIX) => app.parse().map(Self::application),
            tenant => tenant.parse().map(Self::tenant),
        }
    }
}

/// Windows from this length on are kept over a restart whatever ends the process: ten minutes.
const LONG_WINDOW_SECONDS: u64 = 600;

/// What is known of the limits of an owner that is not a lineage.
const UNKNOWN: u8 = 0;
const UNLIMITED: u8 = 1;
const LIMITED: u8 = 2;

/// What one owner has used of its limits. A lineage's limits come with each of its keys; those of other
/// owners stand here, so that all their keys see a change of them at once.
pub struct Meter {
    owner: OwnerId,
    known: AtomicU8,
    /// Of a tenant: which requests it wants logged, as the place among [`LogRequests::ALL`].
    logged: AtomicU8,
    /// Whether more was used since it was last kept.
    unkept: AtomicBool,
    used: Mutex<Used>,
    /// Of a lineage: its tokens and its budget, from when on somebody asks for them.
    account: OnceLock<Arc<Account>>,
    /// What other nodes share, from when on somebody asks for it.
    joint: OnceLock<Arc<Joint>>,
}

/// What an owner has used of its limits, to be kept over a restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnerUse {
    /// Whose limits.
    pub owner: OwnerId,
    /// Each limit and how much of it is used.
    pub used: Vec<UsedLimit>,
    /// Milliseconds until nothing of it is used any more, if no request comes.
    pub reset_millis: u64,
}

impl Meter {
    fn new(owner: OwnerId) -> Self {
        Self {
            owner,
            known: AtomicU8::new(UNKNOWN),
            logged: AtomicU8::new(0),
            unkept: AtomicBool::new(false),
            used: Mutex::default(),
            account: OnceLock::new(),
            joint: OnceLock::new(),
        }
    }

    /// What it shares with other nodes, beginning with what is known to be used.
    pub(crate) fn joint(&self) -> &Arc<Joint> {
        self.joint.get_or_init(|| Joint::new(&format!("requests:{}", self.owner), self.used.lock().clone()))
    }

    /// The tokens and the budget of a lineage.
    pub(crate) fn account(&self) -> &Arc<Account> {
        self.account.get_or_init(|| Account::new(self.owner.as_lineage()))
    }

    /// The same, if somebody has asked for them.
    pub(crate) fn known_account(&self) -> Option<&Arc<Account>> {
        self.account.get()
    }

    /// Whose.
    pub const fn owner(&self) -> OwnerId {
        self.owner
    }

    /// What is used, for whoever holds this to count more.
    pub fn lock(&self) -> MutexGuard<'_, Used> {
        self.used.lock()
    }

    /// To be called by whoever counted more.
    pub fn note_use(&self) {
        if !self.unkept.load(Ordering::Relaxed) {
            self.unkept.store(true, Ordering::Relaxed);
        }
    }

    /// What is used, here or over all nodes.
    fn with_used<T>(&self, look: impl FnOnce(&mut Used) -> T) -> T {
        match self.joint.get() {
            Some(joint) => look(joint.lock().used_mut()),
            None => look(&mut self.used.lock()),
        }
    }

    /// What is to be kept, if more was used since the last time: for `all`, or only if one of the windows is long.
    fn to_keep(&self, now: u64, all: bool) -> Option<OwnerUse> {
        if !self.unkept.load(Ordering::Relaxed) && !all {
            return None;
        }
        let long = |rate: &Rate| rate.window_seconds() >= LONG_WINDOW_SECONDS;
        let kept = self.with_used(|used| {
            if !all && !used.rates().as_slice().iter().any(long) {
                return None;
            }
            self.unkept.store(false, Ordering::Relaxed);
            used.pass(now);
            Some((used.to_record(), used.reset_millis()))
        });
        let (mut record, mut reset_millis) = kept?;
        if let Some((tokens, reset)) = self.account.get().and_then(|account| account.tokens_to_keep(now)) {
            record.push(tokens);
            reset_millis = reset_millis.max(reset);
        }
        (reset_millis > 0).then_some(OwnerUse { owner: self.owner, used: record, reset_millis })
    }

    /// Whether nothing needs to be counted here. While its limits are unknown the last ones hold.
    pub(crate) fn is_unlimited(&self) -> bool {
        self.known.load(Ordering::Acquire) == UNLIMITED
    }

    /// Whether its limits must be read before anything is decided.
    pub(crate) fn is_unknown(&self) -> bool {
        self.known.load(Ordering::Acquire) == UNKNOWN
    }

    /// From now on its limits are `rates`, as read after the last change of them.
    pub(crate) fn set(&self, rates: &Rates, now: u64) {
        if rates.is_empty() && self.known.load(Ordering::Acquire) == UNLIMITED {
            return;
        }
        let mut used = self.used.lock();
        used.advance(rates, now);
        self.known.store(if rates.is_empty() { UNLIMITED } else { LIMITED }, Ordering::Release);
    }

    /// Which requests of its keys a tenant wants logged.
    pub(crate) fn log_requests(&self) -> LogRequests {
        let place = usize::from(self.logged.load(Ordering::Relaxed));
        LogRequests::ALL.get(place).copied().unwrap_or_default()
    }

    fn set_logged(&self, wanted: LogRequests) {
        self.logged.store(wanted as u8, Ordering::Relaxed);
    }

    /// Its limits were changed; what is used stays.
    fn forget_limits(&self) {
        self.known.store(UNKNOWN, Ordering::Release);
    }
}

impl Pooled for Meter {
    fn is_spent(&self, now: u64) -> bool {
        let is_unused = match self.joint.get() {
            Some(joint) => joint.is_spent(now),
            None => self.used.lock().is_unused(now),
        };
        is_unused && self.account.get().is_none_or(|account| account.is_spent(now))
    }
}

/// All meters in use.
pub(crate) struct Meters {
    pool: Pool<Meter>,
    hasher: RandomState,
}

/// The meters of the owners a key shares with others.
pub(crate) struct SharedMeters<'a> {
    pub(crate) customer: Option<&'a Meter>,
    pub(crate) application: &'a Meter,
    pub(crate) tenant: &'a Meter,
}

impl Meters {
    pub(crate) fn new() -> Self {
        Self { pool: Pool::new(), hasher: RandomState::new() }
    }

    /// The meter of `owner`.
    pub(crate) fn of(&self, owner: OwnerId, now: u64) -> Arc<Meter> {
        let hash = self.hasher.hash_one(owner);
        self.pool.get(hash, now, |meter| meter.owner == owner, || Meter::new(owner))
    }

    /// The limits of `owner` were changed. Its keys are read anew before they are used again.
    pub(crate) fn forget_limits(&self, owner: OwnerId) {
        if let Some(meter) = self.find(owner) {
            meter.forget_limits();
        }
    }

    /// The meter of `owner`, if there is one.
    pub(crate) fn find(&self, owner: OwnerId) -> Option<Arc<Meter>> {
        self.pool.find(self.hasher.hash_one(owner), |meter| meter.owner == owner)
    }

    /// What is to be kept; see [`crate::Verifier::limits_to_keep`].
    pub(crate) fn to_keep(&self, now: u64, all: bool) -> Vec<OwnerUse> {
        self.pool.pick(|meter| meter.to_keep(now, all))
    }

    /// Puts back what was kept of `owner` `elapsed` milliseconds ago.
    pub(crate) fn restore(&self, owner: OwnerId, kept: &[UsedLimit], elapsed: u64, now: u64) {
        let meter = self.of(owner, now);
        // No limit on requests may have the name of the one on tokens.
        let (tokens, requests): (Vec<UsedLimit>, Vec<UsedLimit>) =
            kept.iter().cloned().partition(|used| &*used.name == TPM);
        *meter.used.lock() = Used::from_record(&requests, elapsed, now);
        if let Some(tokens) = tokens.first() {
            meter.account().restore_tokens(tokens, elapsed, now);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.pool.len()
    }

    /// What is shared of all owners of which anything is known to be used, in whatever order.
    pub(crate) fn joints(&self, now: u64) -> Vec<Arc<Joint>> {
        let is_used = |meter: &Meter| !meter.with_used(|used| used.is_unused(now));
        let mut joints = self.pool.pick(|meter| is_used(meter).then(|| Arc::clone(meter.joint())));
        joints.extend(self.pool.pick(|meter| meter.known_account()?.shared_tokens(now)));
        joints
    }
}

impl SharedMeters<'_> {
    /// Whether limits of one of them must be read first.
    pub(crate) fn are_unknown(&self) -> bool {
        self.customer.is_some_and(Meter::is_unknown)
            || self.application.is_unknown()
            || self.tenant.is_unknown()
    }

    pub(crate) fn set(&self, rates: &SharedRates, now: u64) {
        if let Some(customer) = self.customer {
            customer.set(&rates.customer, now);
        }
        self.application.set(&rates.application, now);
        // Before its limits are known, which lets others use the key.
        self.tenant.set_logged(rates.log_requests);
        self.tenant.set(&rates.tenant, now);
    }
}
