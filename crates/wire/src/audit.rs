//! The audit log.

use std::net::IpAddr;

use keystile_core::{Action, Actor, AuditId, Invalid, RecordedEntry, SealedEntry, Seq, TenantId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use crate::schema;

/// Longest id that can be asked for, in characters.
const TARGET_MAX_CHARS: usize = 200;

/// Which entries to list.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct AuditListQuery {
    /// Items on the page, 1 to 200.
    #[param(minimum = 1, maximum = 200, default = 50)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u16>,
    /// `next_cursor` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Only what this person or key did, or `system`.
    #[param(schema_with = schema::actor)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<Actor>,
    /// Only this kind of change.
    #[param(schema_with = schema::action)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<Action>,
    /// Only what was done to the thing with this id.
    #[param(max_length = 200)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Only what was done then or later.
    #[param(schema_with = schema::time)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// Only what was done before.
    #[param(schema_with = schema::time)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
}

impl AuditListQuery {
    /// Checks what the types leave open.
    ///
    /// # Errors
    /// The broken rule.
    pub fn check(&self) -> Result<(), Invalid> {
        let is_target = |text: &str| {
            (1..=TARGET_MAX_CHARS).contains(&text.chars().count()) && !text.contains(char::is_control)
        };
        if self.target.as_deref().is_some_and(|target| !is_target(target)) {
            return Err(Invalid::new("target", "must be an id of 1 to 200 characters"));
        }
        match (self.from, self.to) {
            (Some(from), Some(to)) if from >= to => Err(Invalid::new("to", "must be later than `from`")),
            _ => Ok(()),
        }
    }
}

/// What to export.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct AuditExportQuery {
    /// The first entry; 1 by default.
    #[param(minimum = 1, default = 1)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from_seq: Option<u64>,
}

/// An entry of the audit log. Its JSON text is the line of the export, to the byte.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct AuditEntryView {
    /// Whose log it stands in.
    #[schema(schema_with = schema::tenant_id)]
    pub tenant_id: TenantId,
    /// Its place in the log: 1, 2, … without a gap.
    #[schema(minimum = 1)]
    pub seq: u64,
    /// Which one.
    #[schema(schema_with = schema::audit_id)]
    pub id: AuditId,
    /// When the change was made.
    #[schema(schema_with = schema::time)]
    pub at: Timestamp,
    /// Who made it: a person, a key or `system`.
    #[schema(schema_with = schema::actor)]
    pub actor: Actor,
    /// What was done.
    #[schema(schema_with = schema::action)]
    pub action: String,
    /// Id of what it was done to.
    pub target: String,
    /// Where the request came from.
    #[schema(schema_with = schema::maybe_ip, required)]
    pub ip: Option<IpAddr>,
    /// The request that asked for it.
    #[schema(required)]
    pub request_id: Option<String>,
    /// What was changed: the fields of what is new, else field by field the value before and after. Never a secret.
    #[schema(schema_with = schema::object)]
    pub changes: Box<RawValue>,
    /// Hash of the entry before it.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    pub previous: String,
    /// Hash of this entry, which stands for all before it, too.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    pub hash: String,
}

impl From<SealedEntry> for AuditEntryView {
    fn from(sealed: SealedEntry) -> Self {
        let SealedEntry { seq, entry, previous, hash } = sealed;
        let RecordedEntry { id, tenant_id, at, actor, action, target, ip, request_id, changes } = entry;
        Self {
            tenant_id,
            seq: seq.as_u64(),
            id,
            at,
            actor,
            action: action.as_str().to_owned(),
            target,
            ip,
            request_id,
            changes,
            previous: previous.to_hex(),
            hash: hash.to_hex(),
        }
    }
}

/// Where a log ends. Note it where whoever runs the database cannot reach it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AuditProofView {
    /// Whose log.
    #[schema(schema_with = schema::tenant_id)]
    pub tenant_id: TenantId,
    /// Place of the last entry; 0 while there is none.
    pub seq: u64,
    /// Its hash, which stands for all entries up to it.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    pub hash: String,
    /// When the log ended there.
    #[schema(schema_with = schema::time)]
    pub at: Timestamp,
}

impl AuditExportQuery {
    /// The first entry that is wanted.
    pub fn first(&self) -> Seq {
        self.from_seq.map_or(Seq::FIRST, Seq::new)
    }
}

#[cfg(test)]
mod tests {
    use keystile_core::ChainHead;

    use super::*;

    #[test]
    fn an_entry_is_answered_as_its_line_in_the_export() {
        let entry = RecordedEntry {
            id: "aud_01HF7YAT000000000000000007".parse().unwrap(),
            tenant_id: "ten_01HF7YAT000000000000000001".parse().unwrap(),
            at: Timestamp::from_millis(1_700_000_000_000),
            actor: Actor::System,
            action: Action::KeyUpdate,
            target: "a \"b\" ü \u{7f}".to_owned(),
            ip: Some([192, 0, 2, 7].into()),
            request_id: None,
            changes: RawValue::from_string(r#"{"n":1.10}"#.to_owned()).unwrap(),
        };
        let sealed = ChainHead::empty(entry.tenant_id).seal(entry);
        let view = AuditEntryView::from(sealed.clone());
        assert_eq!(serde_json::to_string(&view).unwrap(), sealed.line());
    }

    #[test]
    fn a_filter_that_can_find_nothing_is_refused() {
        let at = Timestamp::from_millis;
        let refused = |query: AuditListQuery| query.check().unwrap_err().field;
        let span = AuditListQuery { from: Some(at(5)), to: Some(at(5)), ..AuditListQuery::default() };
        assert_eq!(refused(span), "to");
        for bad in [String::new(), "a\0".to_owned(), "a".repeat(201)] {
            assert_eq!(refused(AuditListQuery { target: Some(bad), ..AuditListQuery::default() }), "target");
        }
        assert!(AuditListQuery::default().check().is_ok());
    }
}
