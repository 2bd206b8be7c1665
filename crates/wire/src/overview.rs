//! What a tenant has, in figures.

use std::collections::BTreeMap;

use keystile_core::event::IngestPosture;
use keystile_core::overview::{Attention, NearBudget, NearBudgets, Overview, StatusCounts};
use keystile_core::{BudgetPeriod, Environment, KeyId, Name, Timestamp, TrustLevel};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{IngestPostureView, schema};

/// Of which environment to tell how events come in.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct OverviewQuery {
    /// `ingest` tells of this environment, `production` by default; the other figures are of all of them.
    #[param(schema_with = schema::environment)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<Environment>,
}

/// What a tenant has, and what of it needs attention.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OverviewView {
    /// When this was counted: now, or in a tenant with more than 5,000 keys and customers up to a minute ago.
    #[schema(schema_with = schema::time)]
    pub counted_at: Timestamp,
    /// The keys that are not deleted.
    pub keys: KeyFiguresView,
    /// How many active keys somebody should look at; a key may be counted in several places.
    pub attention: AttentionView,
    /// Budgets of which 80 % or more are spent in their present period.
    pub budgets: NearBudgetsView,
    /// Applications that are not archived.
    pub applications: u64,
    /// Customers that are not archived.
    pub customers: u64,
    /// Members, those who are disabled, too.
    pub members: u64,
    /// Invitations that are open.
    pub invitations: u64,
    /// How events come into one environment, and what is refused there. It is as it is now.
    pub ingest: IngestPostureView,
}

/// The same keys, counted in four ways.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeyFiguresView {
    /// All of them.
    pub total: u64,
    /// By their status.
    pub by_status: StatusCountsView,
    /// By their environment, and their status in each.
    #[schema(value_type = BTreeMap<String, StatusCountsView>)]
    pub by_environment: BTreeMap<Environment, StatusCountsView>,
    /// By their trust level, and their status in each.
    #[schema(value_type = BTreeMap<String, StatusCountsView>)]
    pub by_trust_level: BTreeMap<TrustLevel, StatusCountsView>,
    /// By their kind, and their status in each.
    pub by_kind: BTreeMap<String, StatusCountsView>,
}

/// How many keys have each status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StatusCountsView {
    /// Can be used, unless they are blocked.
    pub active: u64,
    /// Are switched off.
    pub inactive: u64,
    /// Were ended for good.
    pub revoked: u64,
    /// Their time is over.
    pub expired: u64,
}

/// How many active keys somebody should look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AttentionView {
    /// Expire within 7 days.
    pub expiring_in_7_days: u64,
    /// Expire within 30 days, those of the 7 days, too.
    pub expiring_in_30_days: u64,
    /// Have a secret that is as old as the tenant lets it grow.
    pub rotation_due: u64,
    /// Were neither made nor used for 30 days.
    pub unused_for_30_days: u64,
    /// Were neither made nor used for 90 days.
    pub unused_for_90_days: u64,
    /// Are barred.
    pub blocked: u64,
    /// Are active no more, as they expired within the last 30 days.
    pub expired_in_30_days: u64,
}

/// Budgets of which 80 % or more are spent in their present period.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NearBudgetsView {
    /// How many there are, of keys that can be used; keys that were rotated share one.
    pub near_end: u64,
    /// The first five of them, that of which the greatest part is spent first.
    pub first: Vec<NearBudgetView>,
}

/// A budget of which 80 % or more are spent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NearBudgetView {
    /// The key that has it; of those that were rotated the last.
    #[schema(schema_with = schema::key_id)]
    pub key_id: KeyId,
    /// What that key is called.
    #[schema(schema_with = schema::name)]
    pub name: Name,
    /// Spent in the present period, in US dollars.
    #[schema(schema_with = schema::dollars)]
    pub spent_usd: f64,
    /// Most that may be spent in a period, in US dollars.
    #[schema(schema_with = schema::dollars)]
    pub max_budget_usd: f64,
    /// How long the budget lasts.
    #[schema(schema_with = schema::budget_period)]
    pub budget_period: BudgetPeriod,
}

impl OverviewView {
    /// The figures of a tenant.
    pub fn new(overview: &Overview, ingest: IngestPosture) -> Self {
        let Overview { counted_at, keys, applications, customers, members, invitations, budgets } = overview;
        Self {
            counted_at: *counted_at,
            keys: KeyFiguresView {
                total: keys.by_status.total(),
                by_status: keys.by_status.into(),
                by_environment: viewed(&keys.by_environment),
                by_trust_level: viewed(&keys.by_trust_level),
                by_kind: keys
                    .by_kind
                    .iter()
                    .map(|(kind, counts)| ((*kind).to_owned(), (*counts).into()))
                    .collect(),
            },
            attention: keys.attention.into(),
            budgets: budgets.into(),
            applications: *applications,
            customers: *customers,
            members: *members,
            invitations: *invitations,
            ingest: ingest.into(),
        }
    }
}

fn viewed<K: Copy + Ord>(counts: &BTreeMap<K, StatusCounts>) -> BTreeMap<K, StatusCountsView> {
    counts.iter().map(|(of, counts)| (*of, (*counts).into())).collect()
}

impl From<StatusCounts> for StatusCountsView {
    fn from(StatusCounts { active, inactive, revoked, expired }: StatusCounts) -> Self {
        Self { active, inactive, revoked, expired }
    }
}

impl From<&NearBudgets> for NearBudgetsView {
    fn from(near: &NearBudgets) -> Self {
        Self { near_end: near.count, first: near.first.iter().map(NearBudgetView::from).collect() }
    }
}

impl From<&NearBudget> for NearBudgetView {
    fn from(NearBudget { key_id, name, spent, budget }: &NearBudget) -> Self {
        Self {
            key_id: *key_id,
            name: name.clone(),
            spent_usd: spent.to_dollars(),
            max_budget_usd: budget.max.to_dollars(),
            budget_period: budget.period,
        }
    }
}

impl From<Attention> for AttentionView {
    fn from(attention: Attention) -> Self {
        let Attention {
            expiring_in_7_days,
            expiring_in_30_days,
            rotation_due,
            unused_for_30_days,
            unused_for_90_days,
            blocked,
            expired_in_30_days,
        } = attention;
        Self {
            expiring_in_7_days,
            expiring_in_30_days,
            rotation_due,
            unused_for_30_days,
            unused_for_90_days,
            blocked,
            expired_in_30_days,
        }
    }
}
