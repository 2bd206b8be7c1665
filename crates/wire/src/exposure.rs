//! What was done with a key that leaked.

use std::collections::BTreeMap;

use keystile_core::request_log::Used;
use keystile_core::{KeyId, LogBreak, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{LoggedRequestView, schema};

/// Since when to tell.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ExposureQuery {
    /// Tells of what was done then or later. Without it: since the key was first reported as leaked; else since a day before it was
    /// revoked, or before now.
    #[param(schema_with = schema::time)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
}

/// Every request that was made with a key since a moment, refused ones included, and what of it is new.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExposureView {
    /// The key.
    #[schema(schema_with = schema::key_id)]
    pub key_id: KeyId,
    /// Since when.
    #[schema(schema_with = schema::time)]
    pub since: Timestamp,
    /// Until when.
    #[schema(schema_with = schema::time)]
    pub until: Timestamp,
    /// Whether every request with the key in that time is counted here. It is not if the log does not reach back so far, if some are missing
    /// in it or cannot be written now, if a server was ended by force meanwhile, if the tenant does not log all requests, or did not then,
    /// or if there are more than 100,000.
    pub complete: bool,
    /// Requests of the tenant in that time that found no room in the log, those of other keys included; by whole minutes.
    pub missing: u64,
    /// In each of these spans a server was ended by force: requests that it had not written yet are missing in the log. The latest first; at
    /// most 20.
    pub breaks: Vec<ExposureBreak>,
    /// The log has what it is to have of that key from this moment on.
    #[schema(schema_with = schema::time)]
    pub log_from: Timestamp,
    /// Earlier requests with the key were compared with from this moment on.
    #[schema(schema_with = schema::time)]
    pub compared_from: Timestamp,
    /// Of more than 100,000 requests those up to this moment are counted: ask for those since then.
    #[schema(schema_with = schema::maybe_time, required)]
    pub counted_to: Option<Timestamp>,
    /// How many requests there were.
    pub total: u64,
    /// How many of them were allowed.
    pub allowed: u64,
    /// How many of them were refused, or went wrong.
    pub refused: u64,
    /// These by their code; codes without any are left out.
    pub refused_by_code: BTreeMap<String, u64>,
    /// The first request.
    #[schema(schema_with = schema::maybe_time, required)]
    pub first_at: Option<Timestamp>,
    /// The last request.
    #[schema(schema_with = schema::maybe_time, required)]
    pub last_at: Option<Timestamp>,
    /// By address.
    pub addresses: ExposureGroups,
    /// By user agent.
    pub user_agents: ExposureGroups,
    /// By path.
    pub paths: ExposureGroups,
    /// The latest 50 requests; `GET …/logs?key_id=…&from=…` lists all of them.
    pub requests: Vec<LoggedRequestView>,
}

/// A span of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExposureBreak {
    /// Everything before it was written.
    #[schema(schema_with = schema::time)]
    pub from: Timestamp,
    /// From then on the next server has written.
    #[schema(schema_with = schema::time)]
    pub to: Timestamp,
}

/// Requests by what they have in common: new ones first, then by their number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExposureGroups {
    /// At most 100 of them.
    pub data: Vec<ExposureGroup>,
    /// Whether there are more.
    pub more: bool,
}

/// Requests that have something in common.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExposureGroup {
    /// The address, user agent or path; null for those of which it is not known.
    #[schema(required)]
    pub value: Option<String>,
    /// How many.
    pub count: u64,
    /// The first of them.
    #[schema(schema_with = schema::time)]
    pub first_at: Timestamp,
    /// The last of them.
    #[schema(schema_with = schema::time)]
    pub last_at: Timestamp,
    /// Whether no earlier request with the key had it, as far back as was compared.
    pub is_new: bool,
}

impl ExposureGroups {
    /// Most groups that are told of each kind.
    pub const MOST: usize = 100;
}

impl From<LogBreak> for ExposureBreak {
    fn from(LogBreak { since, until }: LogBreak) -> Self {
        Self { from: since, to: until }
    }
}

impl From<(Vec<Used>, bool)> for ExposureGroups {
    fn from((used, more): (Vec<Used>, bool)) -> Self {
        let group = |Used { name, count, first, last, is_new }| ExposureGroup {
            value: name,
            count,
            first_at: first,
            last_at: last,
            is_new,
        };
        Self { data: used.into_iter().map(group).collect(), more }
    }
}
