//! What one node asks another, in the texts that are notified. A node that does not understand a text does not answer it.

use keystile_core::quota::{Actual, HoldState, Ruling, SettledHold};
use keystile_core::{
    Action, Actor, AuditEntry, AuditId, HoldId, KeyId, NanoUsd, NodeId, TenantId, Timestamp,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Told;

/// PostgreSQL takes less than 8,000 bytes.
const LONGEST: usize = 7_900;

/// What a node is asked.
#[derive(Debug, Clone, PartialEq)]
pub enum Question {
    /// To settle a hold that it has, and to write that.
    Settle {
        /// Whose hold.
        tenant_id: TenantId,
        /// Which one.
        id: HoldId,
        /// With what.
        actual: Actual,
    },
    /// To write what it has charged, and which holds are open.
    Write,
}

/// What a node answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// The hold is settled so, by this or by an earlier question that came to the same, and the ledger has it.
    Settled(SettledHold),
    /// It was settled otherwise, or charged.
    Over,
    /// It has no such hold.
    Unknown,
    /// It cannot say now what becomes of it.
    Unable,
    /// All is written.
    Written,
}

/// A text for a node.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    /// Somebody asks, and numbers its questions.
    Asks {
        /// Who.
        from: NodeId,
        /// The number of the question.
        number: u64,
        /// What.
        question: Question,
    },
    /// The answer to a question.
    Replies {
        /// The number of the question.
        number: u64,
        /// What.
        reply: Reply,
    },
}

/// The channel on which a node is told what concerns nobody else.
pub(super) fn channel(node: NodeId) -> String {
    format!("keystile_node_{:032x}", node.as_u128())
}

impl Message {
    /// The text; `None` if it is longer than a notification may be.
    pub(super) fn write(&self) -> Option<String> {
        let text = match self {
            Self::Asks { from, number, question } => {
                Text::Asks { from: *from, number: *number, question: question.into() }
            }
            Self::Replies { number, reply } => Text::Replies { number: *number, reply: reply.into() },
        };
        serde_json::to_string(&text).ok().filter(|text| text.len() <= LONGEST)
    }
}

impl Told {
    /// Reads a message; `None` for one that nobody of ours wrote, or a later version.
    pub(super) fn message(payload: &str) -> Option<Self> {
        Some(Self::Message(match serde_json::from_str(payload).ok()? {
            Text::Asks { from, number, question } => {
                Message::Asks { from, number, question: question.into() }
            }
            Text::Replies { number, reply } => Message::Replies { number, reply: reply.into() },
        }))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Text {
    Asks { from: NodeId, number: u64, question: QuestionText },
    Replies { number: u64, reply: ReplyText },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum QuestionText {
    Settle {
        tenant_id: TenantId,
        id: HoldId,
        tokens: Option<u64>,
        cost_nano: Option<i64>,
        ruling: Option<Box<RulingText>>,
    },
    Write,
}

/// What the audit log is told is of the same tenant and by the same actor.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RulingText {
    tenant_id: TenantId,
    by: Actor,
    reason: Option<Box<str>>,
    audit_id: AuditId,
    at_millis: i64,
    action: Action,
    target: String,
    ip: Option<std::net::IpAddr>,
    request_id: Option<String>,
    changes: Value,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum ReplyText {
    Settled {
        id: HoldId,
        key_id: KeyId,
        state: HoldState,
        held_nano: i64,
        charged_nano: i64,
        tokens_held: u64,
        tokens_used: u64,
    },
    Over,
    Unknown,
    Unable,
    Written,
}

impl From<&Question> for QuestionText {
    fn from(question: &Question) -> Self {
        match question {
            Question::Settle { tenant_id, id, actual } => Self::Settle {
                tenant_id: *tenant_id,
                id: *id,
                tokens: actual.tokens,
                cost_nano: actual.cost.map(NanoUsd::as_nanos),
                ruling: actual.ruling.as_ref().map(|ruling| Box::new(ruling.into())),
            },
            Question::Write => Self::Write,
        }
    }
}

impl From<QuestionText> for Question {
    fn from(text: QuestionText) -> Self {
        match text {
            QuestionText::Settle { tenant_id, id, tokens, cost_nano, ruling } => {
                let cost = cost_nano.map(NanoUsd::from_nanos);
                let actual = Actual { tokens, cost, ruling: ruling.map(|ruling| Ruling::from(*ruling)) };
                Self::Settle { tenant_id, id, actual }
            }
            QuestionText::Write => Self::Write,
        }
    }
}

impl From<&Ruling> for RulingText {
    fn from(ruling: &Ruling) -> Self {
        let audit = &*ruling.audit;
        Self {
            tenant_id: audit.tenant_id,
            by: ruling.by,
            reason: ruling.reason.clone(),
            audit_id: audit.id,
            at_millis: audit.at.as_millis(),
            action: audit.action,
            target: audit.target.clone(),
            ip: audit.ip,
            request_id: audit.request_id.clone(),
            changes: audit.changes.clone(),
        }
    }
}

impl From<RulingText> for Ruling {
    fn from(text: RulingText) -> Self {
        let audit = AuditEntry {
            id: text.audit_id,
            tenant_id: text.tenant_id,
            at: Timestamp::from_millis(text.at_millis),
            actor: text.by,
            action: text.action,
            target: text.target,
            ip: text.ip,
            request_id: text.request_id,
            changes: text.changes,
        };
        Self { by: text.by, reason: text.reason, audit: Box::new(audit) }
    }
}

impl From<&Reply> for ReplyText {
    fn from(reply: &Reply) -> Self {
        match reply {
            Reply::Settled(settled) => Self::Settled {
                id: settled.id,
                key_id: settled.key_id,
                state: settled.state,
                held_nano: settled.held.as_nanos(),
                charged_nano: settled.charged.as_nanos(),
                tokens_held: settled.tokens_held,
                tokens_used: settled.tokens_used,
            },
            Reply::Over => Self::Over,
            Reply::Unknown => Self::Unknown,
            Reply::Unable => Self::Unable,
            Reply::Written => Self::Written,
        }
    }
}

impl From<ReplyText> for Reply {
    fn from(text: ReplyText) -> Self {
        match text {
            ReplyText::Settled { id, key_id, state, held_nano, charged_nano, tokens_held, tokens_used } => {
                let (held, charged) = (NanoUsd::from_nanos(held_nano), NanoUsd::from_nanos(charged_nano));
                Self::Settled(SettledHold { id, key_id, state, held, charged, tokens_held, tokens_used })
            }
            ReplyText::Over => Self::Over,
            ReplyText::Unknown => Self::Unknown,
            ReplyText::Unable => Self::Unable,
            ReplyText::Written => Self::Written,
        }
    }
}

#[cfg(test)]
mod tests {
    use keystile_core::PersonId;
    use serde_json::json;

    use super::*;

    fn at() -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000)
    }

    fn settle(reason: &str) -> Question {
        let by = Actor::Person(PersonId::from_parts(at(), 1));
        let audit = AuditEntry {
            id: AuditId::from_parts(at(), 2),
            tenant_id: TenantId::from_parts(at(), 3),
            at: at(),
            actor: by,
            action: Action::HoldSettle,
            target: "hld_1".to_owned(),
            ip: Some([192, 0, 2, 1].into()),
            request_id: Some("r".to_owned()),
            changes: json!({ "reason": reason }),
        };
        let ruling = Ruling { by, reason: Some(reason.into()), audit: Box::new(audit) };
        let actual =
            Actual { tokens: Some(7), cost: Some(NanoUsd::from_nanos(i64::MAX)), ruling: Some(ruling) };
        Question::Settle { tenant_id: TenantId::from_parts(at(), 3), id: HoldId::from_parts(at(), 4), actual }
    }

    #[test]
    fn a_message_is_read_as_it_was_written() {
        let from = NodeId::from_parts(at(), 5);
        let asks = |question| Message::Asks { from, number: u64::MAX, question };
        let replies = |reply| Message::Replies { number: 3, reply };
        let settled = SettledHold {
            id: HoldId::from_parts(at(), 4),
            key_id: KeyId::from_parts(at(), 6),
            state: HoldState::Settled,
            held: NanoUsd::from_nanos(9),
            charged: NanoUsd::from_nanos(8),
            tokens_held: 7,
            tokens_used: 6,
        };
        for message in [
            asks(settle("it's \\ \"done\" \u{7} ü")),
            asks(Question::Write),
            replies(Reply::Settled(settled)),
            replies(Reply::Over),
            replies(Reply::Unknown),
            replies(Reply::Unable),
            replies(Reply::Written),
        ] {
            let text = message.write().unwrap();
            assert_eq!(Told::message(&text), Some(Told::Message(message)), "{text}");
        }
    }

    #[test]
    fn the_longest_reason_fits_and_what_does_not_is_not_written() {
        let asks = |reason: &str| Message::Asks {
            from: NodeId::from_parts(at(), 5),
            number: 1,
            question: settle(reason),
        };
        for letter in ["\u{1}", "ü", "🦀", "\\"] {
            assert!(asks(&letter.repeat(200)).write().is_some(), "{letter:?}");
        }
        assert_eq!(asks(&"x".repeat(LONGEST)).write(), None);
    }

    #[test]
    fn what_is_not_ours_or_of_a_later_version_is_nothing() {
        for text in
            ["", "{}", "[1]", r#"{"asks":{"from":"x","number":1,"question":"write"}}"#, r#"{"sings":{}}"#]
        {
            assert_eq!(Told::message(text), None, "{text}");
        }
    }
}
