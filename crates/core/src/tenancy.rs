//! Tenants, the people in them, and the applications keys are issued to.

use std::time::Duration;

use crate::key::write;
use crate::{
    ApplicationId, Email, Invalid, KeyLabel, LogRequests, Name, OnLeak, Overwriting, PersonId, RequestLimits,
    RequestLimitsPatch, Role, TenantId, Timestamp, TrustLevel,
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Longest until a change of what is logged holds for every request.
const LOG_SETTLES: Duration = Duration::from_secs(60);

/// A workspace. Everything but persons belongs to exactly one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    /// Which one.
    pub id: TenantId,
    /// What people call it.
    pub name: Name,
    /// The part of its keys' text that tells whose they are.
    pub key_label: KeyLabel,
    /// What holds for all its people and keys.
    pub settings: TenantSettings,
    /// How often all its keys together may be used.
    pub limits: RequestLimits,
    /// From when on its log has what its settings ask for. Earlier requests may be missing in it, as the settings were others.
    pub log_whole_from: Timestamp,
    /// When it was made.
    pub created_at: Timestamp,
    /// Counts the writes, from 1.
    pub version: i64,
}

impl Tenant {
    /// [`Self::log_whole_from`] of a tenant whose settings of the log were never changed.
    pub const LOG_WHOLE: Timestamp = Timestamp::from_millis(0);

    /// Whoever owns so many tenants makes no more. What concerns a person is written to the logs of all their tenants, in
    /// one transaction, which must not grow without end; few people own ten.
    pub const MOST_OWNED: u64 = 100;

    /// Notes, if its settings of the log are not what they were `before`, from when on the log has what they ask for: what was not
    /// logged then, or has grown old, does not come back.
    pub fn note_log_settings(&mut self, before: &TenantSettings, now: Timestamp) {
        let of_log = |settings: &TenantSettings| (settings.log_requests, settings.log_days);
        if of_log(before) == of_log(&self.settings) {
            return;
        }
        self.log_whole_from = match before.log_requests {
            LogRequests::All => self.log_whole_from.max(before.log_kept_from(now)),
            LogRequests::Refused | LogRequests::Nothing => now.plus(LOG_SETTLES),
        };
    }
}

/// What holds for all people and keys of a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantSettings {
    /// Days after which the rotation of a secret is due.
    pub rotation_days: u16,
    /// Whether its people need a second factor.
    pub mfa_required: bool,
    /// How sources are treated whose key does not say.
    pub default_trust_level: TrustLevel,
    /// Days for which events are kept, counted from when they happened; as long after its last one an entity is forgotten.
    pub event_days: u16,
    /// Whether what a trusted source said of an entity gives way to what a less trusted one says later.
    pub less_trusted_overwrites: bool,
    /// What becomes of keys that are reported as leaked.
    pub on_leak: OnLeak,
    /// Which requests are logged.
    pub log_requests: LogRequests,
    /// Days for which the request log is kept.
    pub log_days: u16,
}

impl Default for TenantSettings {
    fn default() -> Self {
        Self {
            rotation_days: 90,
            mfa_required: false,
            default_trust_level: TrustLevel::External,
            event_days: 90,
            less_trusted_overwrites: false,
            on_leak: OnLeak::Notify,
            log_requests: LogRequests::All,
            log_days: 30,
        }
    }
}

impl TenantSettings {
    /// Fewest and most days after which a rotation can be due.
    pub const ROTATION_DAYS: std::ops::RangeInclusive<u16> = 1..=3650;
    /// Fewest and most days for which events can be kept.
    pub const EVENT_DAYS: std::ops::RangeInclusive<u16> = 1..=3650;
    /// Fewest and most days for which the request log can be kept: addresses are personal, so no more than two years.
    pub const LOG_DAYS: std::ops::RangeInclusive<u16> = 1..=730;

    /// Requests before this moment are too old for the log.
    pub fn log_kept_from(&self, now: Timestamp) -> Timestamp {
        now.minus(DAY * u32::from(self.log_days))
    }

    /// What of an entity gives way to what.
    pub const fn overwriting(&self) -> Overwriting {
        if self.less_trusted_overwrites { Overwriting::ByTime } else { Overwriting::ByTrust }
    }
}

/// What to write of a tenant; `None` leaves it as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each field is the field of `Tenant` or its settings with the same name")]
pub struct TenantPatch {
    pub name: Option<Name>,
    pub key_label: Option<KeyLabel>,
    pub rotation_days: Option<u16>,
    pub mfa_required: Option<bool>,
    pub default_trust_level: Option<TrustLevel>,
    pub event_days: Option<u16>,
    pub less_trusted_overwrites: Option<bool>,
    pub on_leak: Option<OnLeak>,
    pub log_requests: Option<LogRequests>,
    pub log_days: Option<u16>,
    pub limits: RequestLimitsPatch,
}

impl TenantPatch {
    /// Writes it into `tenant`.
    ///
    /// # Errors
    /// For days outside [`TenantSettings::ROTATION_DAYS`], [`TenantSettings::EVENT_DAYS`] or [`TenantSettings::LOG_DAYS`],
    /// or a limit that breaks a rule; nothing is written then.
    pub fn apply(self, tenant: &mut Tenant) -> Result<(), Invalid> {
        for (field, days, bounds) in [
            ("rotation_days", self.rotation_days, TenantSettings::ROTATION_DAYS),
            ("event_days", self.event_days, TenantSettings::EVENT_DAYS),
            ("log_days", self.log_days, TenantSettings::LOG_DAYS),
        ] {
            if days.is_some_and(|days| !bounds.contains(&days)) {
                let (least, most) = bounds.into_inner();
                return Err(Invalid::new(field, format!("must be from {least} to {most}")));
            }
        }
        self.limits.apply(&mut tenant.limits)?;
        write(&mut tenant.name, self.name);
        write(&mut tenant.key_label, self.key_label);
        write(&mut tenant.settings.rotation_days, self.rotation_days);
        write(&mut tenant.settings.mfa_required, self.mfa_required);
        write(&mut tenant.settings.default_trust_level, self.default_trust_level);
        write(&mut tenant.settings.event_days, self.event_days);
        write(&mut tenant.settings.less_trusted_overwrites, self.less_trusted_overwrites);
        write(&mut tenant.settings.on_leak, self.on_leak);
        write(&mut tenant.settings.log_requests, self.log_requests);
        write(&mut tenant.settings.log_days, self.log_days);
        Ok(())
    }
}

/// A human with an email address and a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Person {
    /// Which one.
    pub id: PersonId,
    /// Unique over the installation.
    pub email: Email,
    /// Argon2id in PHC string form.
    pub password_hash: String,
    /// When the person was made.
    pub created_at: Timestamp,
    /// Since when signing in is refused.
    pub disabled_at: Option<Timestamp>,
}

/// Says who, never the password hash.
impl std::fmt::Debug for Person {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Person").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A person's place in a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// The tenant.
    pub tenant_id: TenantId,
    /// The member.
    pub person_id: PersonId,
    /// What the member may do.
    pub role: Role,
    /// When it began.
    pub created_at: Timestamp,
}

/// A member of a tenant, as its other members see them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The place.
    pub membership: Membership,
    /// The person's address.
    pub email: Email,
    /// Whether the person was disabled, and so can do nothing here.
    pub disabled: bool,
}

/// A product or service of a tenant, to which keys are issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Application {
    /// Which one.
    pub id: ApplicationId,
    /// The tenant it belongs to.
    pub tenant_id: TenantId,
    /// Unique within the tenant.
    pub name: Name,
    /// What it is, in the tenant's own words.
    pub description: Option<String>,
    /// How often all its keys together may be used.
    pub limits: RequestLimits,
    /// When it was made.
    pub created_at: Timestamp,
    /// Since when it takes no new keys; those it has stay good.
    pub archived_at: Option<Timestamp>,
    /// Counts the writes, from 1.
    pub version: i64,
}

impl Application {
    /// A new application.
    pub fn new(id: ApplicationId, tenant_id: TenantId, name: Name, created_at: Timestamp) -> Self {
        let limits = RequestLimits::default();
        Self { id, tenant_id, name, description: None, limits, created_at, archived_at: None, version: 1 }
    }
}

/// What to write of an application; `None` leaves it as it is, `Some(None)` clears it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApplicationPatch {
    /// What people call it.
    pub name: Option<Name>,
    /// What it is.
    pub description: Option<Option<String>>,
    /// How often all its keys together may be used.
    pub limits: RequestLimitsPatch,
    /// Whether it takes no new keys.
    pub archived: Option<bool>,
}

impl ApplicationPatch {
    /// Writes it into `application`, at `now`.
    ///
    /// # Errors
    /// For a limit that breaks a rule; nothing is written then.
    pub fn apply(self, application: &mut Application, now: Timestamp) -> Result<(), Invalid> {
        self.limits.apply(&mut application.limits)?;
        write(&mut application.name, self.name);
        write(&mut application.description, self.description);
        archive(&mut application.archived_at, self.archived, now);
        Ok(())
    }
}

/// Archives at `now`, or brings back. What is archived already keeps its moment.
pub(crate) fn archive(since: &mut Option<Timestamp>, archived: Option<bool>, now: Timestamp) {
    match archived {
        Some(true) => drop(since.get_or_insert(now)),
        Some(false) => *since = None,
        None => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(number: i64) -> Timestamp {
        Timestamp::from_millis(number * 86_400_000)
    }

    #[test]
    fn a_log_is_whole_from_the_last_moment_for_which_less_was_asked_for() {
        let mut tenant = Tenant {
            id: TenantId::from_u128(1),
            name: "Acme".parse().unwrap(),
            key_label: KeyLabel::default(),
            settings: TenantSettings::default(),
            limits: RequestLimits::default(),
            log_whole_from: Tenant::LOG_WHOLE,
            created_at: day(0),
            version: 1,
        };
        for (at, log_requests, log_days, whole_from) in [
            (90, LogRequests::All, 30, Tenant::LOG_WHOLE),
            (100, LogRequests::All, 7, day(70)),
            (110, LogRequests::All, 30, day(103)),
            (120, LogRequests::Refused, 30, day(103)),
            (130, LogRequests::All, 30, day(130).plus(LOG_SETTLES)),
            (131, LogRequests::All, 90, day(130).plus(LOG_SETTLES)),
        ] {
            let before = tenant.settings.clone();
            tenant.settings = TenantSettings { log_requests, log_days, ..before.clone() };
            tenant.note_log_settings(&before, day(at));
            assert_eq!(tenant.log_whole_from, whole_from, "on day {at}");
        }
    }
}
