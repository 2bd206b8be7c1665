//! One key as the cache holds it: its own few facts, and a profile it shares with others.

use std::any::Any;
use std::sync::Arc;

use keystile_core::{
    ApplicationId, Ask, Budget, CustomerId, Digest, Environment, Grants, KeyFacts, KeyId, KeyKind,
    LineageLimits, LogRequests, Rates, Refusal, TenantId, Timestamp, TrustLevel, decide,
};
use smallvec::SmallVec;

use crate::lately::Lately;
use crate::limiter::Demand;
use crate::meter::{Meter, Meters, OwnerId, SharedMeters};
use crate::profile::{Profile, Profiles};
use crate::quota::Account;
use crate::tally::Tally;
use crate::texts::Texts;

/// The facts of one key, as they were when they were read. They do not follow later changes: use a key for
/// the request it was given for, and do not keep it.
pub struct CachedKey {
    digest: Digest,
    id: KeyId,
    profile: Arc<Profile>,
    texts: Texts,
    joined_texts: Box<str>,
    /// The customer it is restricted to is the owner of this meter's limits.
    customer: Option<Arc<Meter>>,
    /// What its lineage has used, if it has limits.
    lineage: Option<Arc<Meter>>,
    /// Milliseconds, or [`NEVER`]; half the size of an `Option<Timestamp>`.
    expires_at: i64,
    /// How often it was asked for lately, and which of its uses are noted; see `last_use`.
    pub(crate) lately: Lately,
    /// How often it was allowed, and that is not gathered yet; see `usage`.
    pub(crate) tally: Tally,
}

/// What keys have in common, each thing kept once.
pub(crate) struct Shared {
    pub(crate) profiles: Profiles,
    pub(crate) meters: Arc<Meters>,
}

impl Shared {
    pub(crate) fn new() -> Self {
        Self { profiles: Profiles::new(), meters: Arc::new(Meters::new()) }
    }
}

/// Beyond every [`Timestamp`], which end with the year 9999.
const NEVER: i64 = i64::MAX;

impl CachedKey {
    pub(crate) fn new(digest: Digest, facts: &KeyFacts, shared: &Shared, now: u64) -> Self {
        let meter = |owner| shared.meters.of(owner, now);
        let (texts, joined_texts) =
            Texts::join(facts.source_id.as_deref(), issued_to(&facts.kind), &facts.metadata);
        Self {
            digest,
            id: facts.id,
            profile: shared.profiles.of(facts, &shared.meters, now),
            customer: facts.customer_id.map(|id| meter(OwnerId::customer(id))),
            lineage: facts.limits.as_ref().map(|limits| meter(OwnerId::lineage(limits.lineage_id))),
            texts,
            joined_texts,
            expires_at: facts.expires_at.map_or(NEVER, Timestamp::as_millis),
            lately: Lately::default(),
            tally: Tally::default(),
        }
    }

    /// The key.
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// Whose it is.
    pub fn tenant_id(&self) -> TenantId {
        self.profile.facts.tenant_id
    }

    /// The application it was issued to.
    pub fn application_id(&self) -> ApplicationId {
        self.profile.facts.application_id
    }

    /// The customer it is restricted to.
    pub fn customer_id(&self) -> Option<CustomerId> {
        self.customer.as_deref().and_then(|meter| meter.owner().as_customer())
    }

    /// The only environment it works in.
    pub fn environment(&self) -> Environment {
        self.profile.facts.environment
    }

    /// The name of its kind: `service`, `user`, `ingest` or `virtual_llm`.
    pub fn kind(&self) -> &'static str {
        self.profile.facts.kind.as_str()
    }

    /// The service or user it was issued to.
    pub fn issued_to(&self) -> Option<&str> {
        self.texts.issued_to(&self.joined_texts)
    }

    /// Stable name of the sending system.
    pub fn source_id(&self) -> Option<&str> {
        self.texts.source_id(&self.joined_texts)
    }

    /// How that system should be treated.
    pub fn trust_level(&self) -> TrustLevel {
        self.profile.facts.trust_level
    }

    /// What it may do.
    pub fn scopes(&self) -> &Grants {
        &self.profile.facts.scopes
    }

    /// Free-form facts for the tenant's services: the text of a JSON object.
    pub fn metadata(&self) -> &str {
        self.texts.metadata(&self.joined_texts)
    }

    /// When its time is over.
    pub fn expires_at(&self) -> Option<Timestamp> {
        (self.expires_at != NEVER).then(|| Timestamp::from_millis(self.expires_at))
    }

    /// All facts together, for what looks at more than the decision, such as an explanation of it. Copies
    /// every text; not for the hot path.
    pub fn facts(&self) -> KeyFacts {
        let profile = self.profile.facts.clone();
        let limits = self.lineage_id().zip(profile.limits.clone());
        KeyFacts {
            limits: limits.map(|(lineage_id, limits)| LineageLimits { lineage_id, ..limits }),
            id: self.id,
            customer_id: self.customer_id(),
            kind: issued(profile.kind, self.issued_to()),
            source_id: self.source_id().map(Into::into),
            metadata: self.metadata().into(),
            expires_at: self.expires_at(),
            ..profile
        }
    }

    /// What `derive` makes of this key, which must follow from what it has in common with others: all but its id, customer, texts and
    /// expiry. It is made once for all of them and kept as long as they are, so that an answer need not be written anew for each
    /// request. There is room for things of one type; `None` if another has taken it.
    pub fn in_common<T: Any + Send + Sync>(&self, derive: impl FnOnce(&Self) -> T) -> Option<&T> {
        let derived = self.profile.derived.get_or_init(|| Box::new(derive(self)));
        derived.downcast_ref()
    }

    /// Which requests of its keys the tenant wants logged.
    pub fn log_requests(&self) -> LogRequests {
        self.profile.tenant.log_requests()
    }

    /// [`decide`] on the facts of this key.
    ///
    /// # Errors
    /// The refusal, when there is one.
    pub fn decide(&self, ask: &Ask<'_>, now: Timestamp) -> Result<(), Refusal> {
        if self.own_facts_matter(ask, now) {
            decide(&self.facts(), ask, now)
        } else {
            decide(&self.profile.facts, ask, now)
        }
    }

    /// Whether the answer could differ from that for the bare profile, which never expires and is free of
    /// customers. Then the facts are put together, at the price of a few allocations, instead of
    /// repeating here in which order [`decide`] looks at them.
    fn own_facts_matter(&self, ask: &Ask<'_>, now: Timestamp) -> bool {
        let of_another = |asked| self.customer_id().is_some_and(|own| own != asked);
        self.expires_at <= now.as_millis() || ask.customer_id.is_some_and(of_another)
    }

    /// The limits on requests that came with it.
    pub fn rates(&self) -> &Rates {
        static NONE: Rates = Rates::NONE;
        self.profile.facts.limits.as_ref().map_or(&NONE, |limits| &limits.rates)
    }

    /// The first key of its lineage, if it has limits or is for models.
    pub fn lineage_id(&self) -> Option<KeyId> {
        self.lineage.as_deref().and_then(|meter| meter.owner().as_lineage())
    }

    /// Tokens that its lineage may use in a minute, if they are limited.
    pub fn tokens(&self) -> Option<u64> {
        self.profile.facts.limits.as_ref().and_then(|limits| limits.tokens)
    }

    /// What its lineage may spend, if that is limited.
    pub fn budget(&self) -> Option<Budget> {
        self.profile.facts.limits.as_ref().and_then(|limits| limits.budget)
    }

    /// The tokens and the budget of its lineage.
    pub(crate) fn account(&self) -> Option<&Arc<Account>> {
        self.lineage.as_deref().map(Meter::account)
    }

    /// All meters on which a request is to be counted; most keys have none. Limits that were forgotten after the key was found are
    /// counted as they were: nothing passes by them because they change.
    pub(crate) fn demands(&self) -> SmallVec<[Demand<'_>; 4]> {
        let rates = self.rates();
        let lineage = self.lineage.as_deref().filter(|_| !rates.is_empty());
        let own = lineage.map(|meter| Demand { meter, rates: Some(rates) });
        let shared = self.shared_meters();
        let others = [shared.customer, Some(shared.application), Some(shared.tenant)];
        let limited = others.into_iter().flatten().filter(|meter| !meter.is_unlimited());
        own.into_iter().chain(limited.map(|meter| Demand { meter, rates: None })).collect()
    }

    /// The meters of its customer, application and tenant.
    pub(crate) fn shared_meters(&self) -> SharedMeters<'_> {
        let (application, tenant) = (&*self.profile.application, &*self.profile.tenant);
        SharedMeters { customer: self.customer.as_deref(), application, tenant }
    }

    /// Of the secret that it was asked for with.
    pub const fn digest(&self) -> &Digest {
        &self.digest
    }
}

impl std::fmt::Debug for CachedKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CachedKey").field("id", &self.id).finish_non_exhaustive()
    }
}

fn issued_to(kind: &KeyKind) -> Option<&str> {
    match kind {
        KeyKind::Service { issued_to_service: to } | KeyKind::User { issued_to_user_id: to } => to.as_deref(),
        KeyKind::Ingest | KeyKind::VirtualLlm { .. } => None,
    }
}

fn issued(kind: KeyKind, to: Option<&str>) -> KeyKind {
    let to = to.map(ToOwned::to_owned);
    match kind {
        KeyKind::Service { .. } => KeyKind::Service { issued_to_service: to },
        KeyKind::User { .. } => KeyKind::User { issued_to_user_id: to },
        KeyKind::Ingest | KeyKind::VirtualLlm { .. } => kind,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use keystile_core::key::KeyStatus;
    use keystile_core::{Actor, AllowedIps, ApiKey, BudgetPeriod, NanoUsd, Permission, Requirement, Secret};

    use super::*;

    fn moment(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    pub(crate) fn key(number: u128) -> KeyFacts {
        let (id, start) = (KeyId::from_parts(moment(0), number), moment(0));
        let (tenant, application) = (TenantId::from_parts(start, 1), ApplicationId::from_parts(start, 1));
        let (name, secret) = ("A".parse().unwrap(), Secret::new("9f8e7d6c5b4a39281706f5e4"));
        let key = ApiKey::new(id, tenant, application, name, &secret, Actor::System, start);
        KeyFacts::of(&ApiKey { scopes: Grants::parse(&["a:read"]).unwrap(), ..key })
    }

    fn cached(facts: &KeyFacts, shared: &Shared) -> CachedKey {
        CachedKey::new(Digest::of(b"key"), facts, shared, 0)
    }

    /// Keys that differ in everything a decision looks at, in all combinations.
    fn keys() -> Vec<KeyFacts> {
        let mut keys = vec![key(1)];
        let mut vary = |change: &dyn Fn(&mut KeyFacts)| {
            let mut changed = keys.clone();
            changed.iter_mut().for_each(change);
            keys.append(&mut changed);
        };
        vary(&|key| key.expires_at = Some(moment(10)));
        vary(&|key| key.customer_id = Some(CustomerId::from_parts(moment(0), 1)));
        vary(&|key| key.standing = KeyStatus::Inactive);
        vary(&|key| key.standing = KeyStatus::Revoked);
        vary(&|key| key.blocked = true);
        vary(&|key| key.limits = LineageLimits::new(key.id, Rates::new(Some(60), &[])));
        vary(&|key| {
            let budget = Some(Budget { max: NanoUsd::from_nanos(5), period: BudgetPeriod::Day });
            let rates = key.limits.take().map_or(Rates::NONE, |limits| limits.rates);
            key.limits = Some(LineageLimits { lineage_id: key.id, rates, tokens: Some(7), budget });
        });
        vary(&|key| key.allowed_ips = AllowedIps::parse(&["192.0.2.0/24"]).unwrap());
        vary(&|key| {
            let allowed_models = vec!["gpt-*".parse().unwrap()];
            key.kind = KeyKind::VirtualLlm { allowed_models };
        });
        keys
    }

    #[test]
    fn a_cached_key_decides_as_its_facts_do() {
        let shared = Shared::new();
        let needed = [Permission::parse("a:write").unwrap()];
        let customer = |number| Some(CustomerId::from_parts(moment(0), number));
        let any = Ask::ANYTHING;
        let asks = [
            any,
            Ask { tenant_id: Some(TenantId::from_parts(moment(0), 2)), ..any },
            Ask { environment: Some(Environment::Staging), ..any },
            Ask { application_id: Some(ApplicationId::from_parts(moment(0), 2)), ..any },
            Ask { ip: "192.0.2.1".parse().ok(), customer_id: customer(1), ..any },
            Ask { ip: "192.0.2.1".parse().ok(), customer_id: customer(2), ..any },
            Ask { permissions: Requirement::All(&needed), customer_id: customer(2), ..any },
            Ask { model: Some("gpt-4o"), ..any },
        ];
        for facts in keys() {
            let cached = cached(&facts, &shared);
            for (ask, now) in asks.iter().flat_map(|ask| [9, 10, 11].map(|now| (ask, moment(now)))) {
                assert_eq!(cached.decide(ask, now), decide(&facts, ask, now), "{facts:?} {ask:?} {now}");
            }
        }
    }

    #[test]
    fn every_fact_comes_back() {
        let shared = Shared::new();
        let mut all = keys();
        let to = |text: &str| Some(text.to_owned());
        all.push(KeyFacts { kind: KeyKind::Service { issued_to_service: to("billing") }, ..key(2) });
        all.push(KeyFacts { kind: KeyKind::User { issued_to_user_id: to("u1") }, ..key(3) });
        all.push(KeyFacts { source_id: Some("shop".into()), metadata: r#"{"a":1}"#.into(), ..key(4) });
        for facts in all {
            assert_eq!(format!("{:?}", cached(&facts, &shared).facts()), format!("{facts:?}"));
        }
    }

    #[test]
    fn keys_that_differ_in_their_own_facts_share_a_profile_and_others_do_not() {
        let shared = Shared::new();
        let first = cached(&key(1), &shared);
        let own = KeyFacts {
            customer_id: Some(CustomerId::from_parts(moment(0), 9)),
            source_id: Some("shop".into()),
            expires_at: Some(moment(1)),
            ..key(2)
        };
        assert!(Arc::ptr_eq(&first.profile, &cached(&own, &shared).profile));
        let other = KeyFacts { tenant_id: TenantId::from_parts(moment(0), 2), ..key(3) };
        assert!(!Arc::ptr_eq(&first.profile, &cached(&other, &shared).profile));
        assert_eq!(shared.profiles.len(), 2);
    }

    #[test]
    fn limits_that_are_forgotten_while_a_key_is_judged_are_counted_as_they_were() {
        let shared = Shared::new();
        let key = cached(&key(1), &shared);
        let tenant = Rates::new(Some(1), &[]);
        key.shared_meters().set(&keystile_core::SharedRates { tenant, ..Default::default() }, 0);
        assert_eq!(key.demands().len(), 1);
        shared.meters.forget_limits(OwnerId::tenant(key.tenant_id()));
        let demands = key.demands();
        let tenants = demands.iter().find(|demand| demand.meter.owner() == OwnerId::tenant(key.tenant_id()));
        let mut used = tenants.unwrap().meter.lock();
        used.check(1).unwrap();
        used.add(1);
        assert!(used.check(1).is_err());
    }

    #[test]
    fn what_keys_have_in_common_is_derived_once() {
        let shared = Shared::new();
        let scopes =
            |key: &CachedKey| key.scopes().iter().map(|grant| grant.as_str().to_owned()).collect::<Vec<_>>();
        let (first, second) = (cached(&key(1), &shared), cached(&key(2), &shared));
        let derived = first.in_common(scopes).unwrap();
        assert_eq!(*derived, scopes(&first));
        assert!(std::ptr::eq(
            derived,
            second.in_common(|_| -> Vec<String> { panic!("it is there") }).unwrap()
        ));
        assert!(second.in_common(|_| 7_u8).is_none(), "there is room for one type");
        let other = cached(&KeyFacts { tenant_id: TenantId::from_parts(moment(0), 2), ..key(3) }, &shared);
        assert!(!std::ptr::eq(derived, other.in_common(scopes).unwrap()));
    }

    #[test]
    fn profiles_no_key_uses_any_more_are_let_go() {
        let shared = Shared::new();
        for number in 0..10_000 {
            let scopes = Grants::parse(&[format!("a:{number}")]).unwrap();
            drop(cached(&KeyFacts { scopes, ..key(number) }, &shared));
        }
        assert!(shared.profiles.len() < 500, "{} are left", shared.profiles.len());
    }

    #[test]
    fn a_cached_key_fits_two_cache_lines_with_its_counters() {
        assert!(size_of::<CachedKey>() + 2 * size_of::<usize>() <= 128, "{}", size_of::<CachedKey>());
    }
}
