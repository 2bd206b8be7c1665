//! What one node tells the others, in the texts that are notified.

use keystile_core::{ApplicationId, Change, CustomerId, Digest, KeyId, LimitedId, NodeId, TenantId};

use super::Message;

/// Digests in one text, as in those of the triggers: a notification takes 8,000 bytes.
const DIGESTS_AT_ONCE: usize = 100;

/// What verification has to forget because of a change that somebody has committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// This.
    Change(Change),
    /// Nothing, but there are persons now.
    People,
    /// All that it knows: much was changed, or something of which this version knows nothing.
    Everything,
}

/// A transaction, and the last revision of it that was heard: those before it were heard as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Written {
    /// PostgreSQL's number of the transaction.
    pub transaction: u64,
    /// The number of the change. Transactions are not committed in their order.
    pub revision: i64,
}

/// A message of another node, or of this one.
#[derive(Debug, Clone, PartialEq)]
pub enum Told {
    /// Something was changed.
    Changed(Written, Heard),
    /// A node has forgotten what these changes made untrue.
    Applied(NodeId, Vec<Written>),
    /// A node asks this one, or answers it.
    Message(Message),
}

impl Heard {
    /// Reads a text as the triggers write it.
    pub(super) fn read(text: &str) -> Self {
        Self::known(text).unwrap_or(Self::Everything)
    }

    /// The texts that triggers would write of a change, a hundred digests in each.
    pub(super) fn texts(change: &Change) -> Vec<String> {
        let hex =
            |digest: &Digest| digest.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let digests = change.digests().chunks(DIGESTS_AT_ONCE);
        let digests =
            digests.map(|some| format!("digests {}", some.iter().map(hex).collect::<Vec<_>>().join(",")));
        let limits = change.limited().iter().map(|limited| match limited {
            LimitedId::Customer(id) => format!("limits {id}"),
            LimitedId::Application(id) => format!("limits {id}"),
            LimitedId::Tenant(id) => format!("limits {id}"),
        });
        let routes = change.routed().iter().map(|id| format!("routes {id}"));
        let upstreams = change.supplied().iter().map(|id| format!("upstreams {id}"));
        let budgets = change.budgeted().iter().map(|id| format!("budget {id}"));
        digests.chain(limits).chain(routes).chain(upstreams).chain(budgets).collect()
    }

    fn known(text: &str) -> Option<Self> {
        let (word, about) = text.split_once(' ').unwrap_or((text, ""));
        Some(Self::Change(match word {
            "digests" => Change::of(about.split(',').map(digest).collect::<Option<Vec<_>>>()?),
            "limits" => Change::of_limits(limited(about)?),
            "routes" => Change::of_routing(about.parse().ok()?),
            "upstreams" => Change::of_upstreams(about.parse().ok()?),
            "budget" => Change::of_budget(about.parse::<KeyId>().ok()?),
            "people" => return Some(Self::People),
            _ => return None,
        }))
    }
}

impl Told {
    /// Reads a change: transaction, revision and text. `None` for what nobody of ours wrote.
    pub(super) fn change(payload: &str) -> Option<Self> {
        let mut parts = payload.splitn(3, ' ');
        let (transaction, revision) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        Some(Self::Changed(Written { transaction, revision }, Heard::read(parts.next()?)))
    }

    /// Reads an acknowledgement, as [`acknowledgement`] writes it. `None` for what nobody of ours wrote.
    pub(super) fn applied(payload: &str) -> Option<Self> {
        let mut parts = payload.split(' ');
        let node = parts.next()?.parse().ok()?;
        let written = |part: &str| {
            let (transaction, revision) = part.split_once(':')?;
            Some(Written { transaction: transaction.parse().ok()?, revision: revision.parse().ok()? })
        };
        Some(Self::Applied(node, parts.map(written).collect::<Option<_>>()?))
    }
}

/// What a node says when it has forgotten what these changes made untrue.
pub(super) fn acknowledgement(node: NodeId, written: &[Written]) -> String {
    use std::fmt::Write as _;
    let mut text = node.to_string();
    for Written { transaction, revision } in written {
        // Writing to a text cannot fail.
        let _written = write!(text, " {transaction}:{revision}");
    }
    text
}

fn limited(id: &str) -> Option<LimitedId> {
    let customer = id.parse::<CustomerId>().map(LimitedId::Customer);
    let application = |_| id.parse::<ApplicationId>().map(LimitedId::Application);
    let tenant = |_| id.parse::<TenantId>().map(LimitedId::Tenant);
    customer.or_else(application).or_else(tenant).ok()
}

fn digest(hex: &str) -> Option<Digest> {
    let mut bytes = [0; 32];
    if hex.len() != 2 * bytes.len() || !hex.is_ascii() {
        return None;
    }
    for (place, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(hex.get(2 * place..2 * place + 2)?, 16).ok()?;
    }
    Some(Digest::from_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use keystile_core::Timestamp;

    use super::*;

    #[test]
    fn what_a_trigger_says_is_what_manage_would_have_said() {
        let at = Timestamp::from_millis(7);
        let (one, other) = (Digest::of(b"one"), Digest::of(b"other"));
        let hex =
            |digest: Digest| digest.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let (key, tenant) = (KeyId::from_parts(at, 1), TenantId::from_parts(at, 2));
        let (application, customer) = (ApplicationId::from_parts(at, 3), CustomerId::from_parts(at, 4));
        for (text, change) in [
            (format!("digests {}", hex(one)), Change::of([one])),
            (format!("digests {},{}", hex(one), hex(other)), Change::of([one, other])),
            (format!("limits {tenant}"), Change::of_limits(LimitedId::Tenant(tenant))),
            (format!("limits {customer}"), Change::of_limits(LimitedId::Customer(customer))),
            (format!("limits {application}"), Change::of_limits(LimitedId::Application(application))),
            (format!("routes {application}"), Change::of_routing(application)),
            (format!("upstreams {tenant}"), Change::of_upstreams(tenant)),
            (format!("budget {key}"), Change::of_budget(key)),
        ] {
            assert_eq!(Heard::texts(&change), std::slice::from_ref(&text));
            assert_eq!(Heard::read(&text), Heard::Change(change), "{text}");
        }
        let many = Change::of((0..101_u32).map(|number| Digest::of(&number.to_le_bytes())));
        assert_eq!(Heard::texts(&many).len(), 2);
        assert_eq!(Heard::read("people"), Heard::People);
    }

    #[test]
    fn what_is_not_understood_is_everything() {
        for text in ["everything", "", "digests", "digests 00ff", "digests €", "limits key_1", "weather fine"]
        {
            assert_eq!(Heard::read(text), Heard::Everything, "{text}");
        }
    }

    #[test]
    fn messages_are_read_as_they_are_written_and_others_are_not_ours() {
        let written = |transaction, revision| Written { transaction, revision };
        let told = Told::change("18446744073709551615 12 people");
        assert_eq!(told, Some(Told::Changed(written(u64::MAX, 12), Heard::People)));
        let node = NodeId::from_parts(Timestamp::from_millis(7), 1);
        let all = vec![written(1, 2), written(u64::MAX, i64::MAX)];
        assert_eq!(Told::applied(&acknowledgement(node, &all)), Some(Told::Applied(node, all)));
        for other in ["", "12 people", "x 1 people", "1 x people"] {
            assert_eq!(Told::change(other), None, "{other}");
        }
        assert_eq!(Told::applied("somebody 1:2"), None);
        assert_eq!(Told::applied(&format!("{node} 1")), None);
    }
}
