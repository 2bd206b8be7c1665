//! Typed identifiers: a ULID behind a prefix that says what it names.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use ulid::Ulid;

use crate::{Append, Invalid, Timestamp, text::deserialize_parsed};

macro_rules! typed_id {
    ($(#[$outer:meta])* $name:ident, $prefix:literal) => {
        $(#[$outer])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Ulid);

        impl $name {
            /// What the text form begins with.
            pub const PREFIX: &'static str = $prefix;

            /// An identifier made at `at`; the low 80 bits of `random` make it unique.
            /// Identifiers sort by the millisecond they were made in.
            pub fn from_parts(at: Timestamp, random: u128) -> Self {
                let millis = u64::try_from(at.as_millis()).unwrap_or(0);
                Self(Ulid::from_parts(millis, random))
            }

            /// The identifier with these bits, as [`Self::as_u128`] gave them.
            pub const fn from_u128(bits: u128) -> Self {
                Self(Ulid(bits))
            }

            /// The millisecond it was made in.
            pub fn made_at(self) -> Timestamp {
                Timestamp::from_millis(i64::try_from(self.0.timestamp_ms()).unwrap_or(0))
            }

            /// The 128 bits without the prefix.
            pub const fn as_u128(self) -> u128 {
                self.0.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut text = [0_u8; ulid::ULID_LEN];
                f.write_str($prefix)?;
                f.write_str(self.0.array_to_str(&mut text))
            }
        }

        impl Append for $name {
            fn append_to(&self, text: &mut String) {
                let mut body = [0_u8; ulid::ULID_LEN];
                text.push_str($prefix);
                text.push_str(self.0.array_to_str(&mut body));
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = Invalid;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                parse_body(text, $prefix)
                    .map(Self)
                    .ok_or_else(|| Invalid::rule(concat!("must be an id such as `", $prefix, "01J8Z3V5N0QK7Y2M4T6B8D9FGH`")))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserialize_parsed(deserializer)
            }
        }
    };
}

typed_id!(
    /// Names a tenant.
    TenantId, "ten_"
);
typed_id!(
    /// Names a person.
    PersonId, "per_"
);
typed_id!(
    /// Names an application.
    ApplicationId, "app_"
);
typed_id!(
    /// Names a customer of a tenant.
    CustomerId, "cus_"
);
typed_id!(
    /// Names an invitation into a tenant.
    InvitationId, "inv_"
);
typed_id!(
    /// Names an API key record, and the lineage that began with it.
    KeyId, "key_"
);
typed_id!(
    /// Names what is held for a request. It is made of the moment at which the request began.
    HoldId, "hld_"
);
typed_id!(
    /// Names a row of the ledger. It is made of the moment at which something was charged.
    LedgerId, "led_"
);
typed_id!(
    /// Names a report that a key leaked.
    LeakId, "leak_"
);
typed_id!(
    /// Names a background job.
    JobId, "job_"
);
typed_id!(
    /// Names one run of a server that serves together with others.
    NodeId, "node_"
);
typed_id!(
    /// Names a provider of language models.
    ProviderId, "prv_"
);
typed_id!(
    /// Names a model of a provider, as a tenant offers it.
    ModelId, "mdl_"
);
typed_id!(
    /// Names a session of a person.
    SessionId, "ses_"
);
typed_id!(
    /// Names an audit entry.
    AuditId, "aud_"
);
typed_id!(
    /// Names a webhook.
    WebhookId, "hook_"
);
typed_id!(
    /// Names a message to a webhook.
    DeliveryId, "msg_"
);
typed_id!(
    /// Names an event. It is made of the moment at which the event happened.
    EventId, "evt_"
);
typed_id!(
    /// Names a revocation journal.
    JournalId, "jrn_"
);
typed_id!(
    /// Names a request in the log. It is made of the moment at which the request was answered.
    LogId, "log_"
);

/// Only the canonical form is an identifier, so that one thing never has two names.
fn parse_body(text: &str, prefix: &str) -> Option<Ulid> {
    let body = text.strip_prefix(prefix)?;
    let ulid = Ulid::from_string(body).ok()?;
    let mut canonical = [0_u8; ulid::ULID_LEN];
    (ulid.array_to_str(&mut canonical) == body).then_some(ulid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_its_prefix_and_a_canonical_ulid() {
        let id = KeyId::from_parts(Timestamp::from_millis(1_700_000_000_000), 7);
        let text = id.to_string();
        assert_eq!(text, "key_01HF7YAT000000000000000007");
        assert_eq!(id.to_text(), text);
        assert_eq!(text.parse::<KeyId>().unwrap(), id);
        assert!(text.to_lowercase().parse::<KeyId>().is_err());
        assert!(text.replace("key_", "ten_").parse::<KeyId>().is_err());
        assert!("key_8ZZZZZZZZZZZZZZZZZZZZZZZZZ".parse::<KeyId>().is_err());
    }

    #[test]
    fn ids_sort_by_the_moment_they_were_made() {
        let earlier = KeyId::from_parts(Timestamp::from_millis(1), u128::MAX);
        let later = KeyId::from_parts(Timestamp::from_millis(2), 0);
        assert!(earlier < later);
        assert!(earlier.to_string() < later.to_string());
    }
}
