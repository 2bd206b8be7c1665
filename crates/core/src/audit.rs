//! Who changed what, and the chain that shows whether somebody changed what was told of it.

pub mod chain;
pub mod check;
pub mod export;

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::invalid::text_enum;
use crate::{AuditId, Invalid, KeyId, PersonId, TenantId, Timestamp};

/// Who acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Actor {
    /// A signed-in person.
    Person(PersonId),
    /// Automation that holds an API key.
    Key(KeyId),
    /// Keystile itself, such as the first start.
    System,
}

impl Actor {
    /// The person, when it is one.
    pub const fn person(self) -> Option<PersonId> {
        match self {
            Self::Person(id) => Some(id),
            Self::Key(_) | Self::System => None,
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Person(id) => id.fmt(f),
            Self::Key(id) => id.fmt(f),
            Self::System => f.write_str("system"),
        }
    }
}

impl FromStr for Actor {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "system" {
            return Ok(Self::System);
        }
        let person = text.parse().map(Self::Person);
        person
            .or_else(|_| text.parse().map(Self::Key))
            .map_err(|_: Invalid| Invalid::rule("must be a person, a key or `system`"))
    }
}

impl serde::Serialize for Actor {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Actor {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::text::deserialize_parsed(deserializer)
    }
}

text_enum!(
    /// What was done.
    Action {
        /// A tenant was made.
        TenantCreate = "tenant.create",
        /// A person signed in.
        SessionStart = "session.start",
        /// The right password was shown, and a second factor is awaited.
        SessionChallenge = "session.challenge",
        /// Somebody tried to sign in as a person, in vain.
        SessionRefuse = "session.refuse",
        /// A session was ended by its person.
        SessionEnd = "session.end",
        /// A used refresh token was shown again, which ended its session.
        SessionReuse = "session.reuse",
        /// A person changed their password.
        PasswordChange = "password.change",
        /// Somebody made a token to set a person's password anew.
        PasswordOffer = "password.offer",
        /// A password was set anew with such a token.
        PasswordReset = "password.reset",
        /// A person has a second factor from now on.
        TotpConfirm = "totp.confirm",
        /// A person has no second factor any more.
        TotpRemove = "totp.remove",
        /// A person may not sign in any more.
        PersonDisable = "person.disable",
        /// A person may sign in again.
        PersonEnable = "person.enable",
        /// Name or settings of a tenant were changed.
        TenantUpdate = "tenant.update",
        /// Somebody was invited into a tenant.
        InvitationCreate = "invitation.create",
        /// An invitation was taken back.
        InvitationRevoke = "invitation.revoke",
        /// Somebody became a member.
        MembershipCreate = "membership.create",
        /// A member got another role.
        MembershipUpdate = "membership.update",
        /// A member left or was removed.
        MembershipDelete = "membership.delete",
        /// An application was made.
        ApplicationCreate = "application.create",
        /// An application was changed or archived.
        ApplicationUpdate = "application.update",
        /// What an application needs of keys, by method and path, was changed.
        RoutingUpdate = "routing.update",
        /// A permission was put into an application's catalogue, or described anew.
        PermissionSet = "permission.set",
        /// A permission was taken out of an application's catalogue.
        PermissionDelete = "permission.delete",
        /// A customer was made.
        CustomerCreate = "customer.create",
        /// A customer was changed or archived.
        CustomerUpdate = "customer.update",
        /// A key was made.
        KeyCreate = "key.create",
        /// A key was taken over from another system, by its hash.
        KeyImport = "key.import",
        /// Keys were taken over from another system, together.
        KeysImport = "keys.import",
        /// Settings of a key were changed.
        KeyUpdate = "key.update",
        /// A key was switched off for a while.
        KeyDisable = "key.disable",
        /// A key was switched on again.
        KeyEnable = "key.enable",
        /// A key was barred for abuse, a leak or billing.
        KeyBlock = "key.block",
        /// A key was unbarred.
        KeyUnblock = "key.unblock",
        /// A key got a new secret.
        KeyRegenerate = "key.regenerate",
        /// A key was given a successor and an end.
        KeyRotate = "key.rotate",
        /// A key was reported as leaked.
        KeyLeak = "key.leak",
        /// A key was exchanged for a token.
        KeyExchange = "key.exchange",
        /// A key was ended for good.
        KeyRevoke = "key.revoke",
        /// A key was taken out of the lists.
        KeyDelete = "key.delete",
        /// A background job was asked for.
        JobCreate = "job.create",
        /// A background job was ended before all was done.
        JobCancel = "job.cancel",
        /// A background job that had failed goes on.
        JobRetry = "job.retry",
        /// The secrets that a background job made were handed out.
        JobTake = "job.take",
        /// A provider of models was made.
        ProviderCreate = "provider.create",
        /// A provider of models was changed, switched off or switched on.
        ProviderUpdate = "provider.update",
        /// A provider of models was taken away.
        ProviderDelete = "provider.delete",
        /// A model was made.
        ModelCreate = "model.create",
        /// A model was changed, or got another price.
        ModelUpdate = "model.update",
        /// A model was taken away.
        ModelDelete = "model.delete",
        /// A hold was settled by hand.
        HoldSettle = "hold.settle",
        /// What was charged was corrected.
        LedgerCorrect = "ledger.correct",
        /// A webhook was made.
        WebhookCreate = "webhook.create",
        /// A webhook was changed, switched off or switched on.
        WebhookUpdate = "webhook.update",
        /// A webhook got a new secret.
        WebhookRotate = "webhook.rotate_secret",
        /// A webhook was switched off because nothing could be delivered.
        WebhookDisable = "webhook.disable",
        /// A webhook was taken away.
        WebhookDelete = "webhook.delete",
    }
);

/// One line of the audit log. It commits together with the change it tells of, and never holds a secret.
/// What was changed is a value while an entry is made, and once it is recorded the text that was written.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditEntry<Changes = serde_json::Value> {
    /// Which one.
    pub id: AuditId,
    /// The tenant whose log it stands in.
    pub tenant_id: TenantId,
    /// When the change was made.
    pub at: Timestamp,
    /// Who made it.
    pub actor: Actor,
    /// What was done.
    pub action: Action,
    /// Id of what it was done to.
    pub target: String,
    /// Where the request came from.
    pub ip: Option<IpAddr>,
    /// The request that asked for it.
    pub request_id: Option<String>,
    /// What was changed: field by field, the value before and after.
    pub changes: Changes,
}
