//! What was charged, row by row, and correcting it.

use keystile_core::quota::{Basis, LedgerEntry, LedgerKind};
use keystile_core::text::check_line;
use keystile_core::{
    Actor, ApplicationId, CustomerId, Environment, HoldId, Invalid, KeyId, LedgerId, NanoUsd, ProviderId,
    TenantId, Timestamp,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::broken::Broken;
use crate::quota::{REASON_MAX, filled};
use crate::schema;

/// One row of the ledger. Rows are added and never changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LedgerView {
    /// Which one.
    #[schema(schema_with = schema::ledger_id)]
    pub id: LedgerId,
    /// Whose.
    #[schema(schema_with = schema::tenant_id)]
    pub tenant_id: TenantId,
    /// `charge`: a request was charged. `lost`: a server ended without telling what became of this part of its lease, which counts as spent.
    /// `correction`: another row was corrected.
    #[schema(schema_with = schema::ledger_kind)]
    pub kind: LedgerKind,
    /// When it was charged.
    #[schema(schema_with = schema::time)]
    pub at: Timestamp,
    /// When the request began; the budget's period in which that is pays for it.
    #[schema(schema_with = schema::time)]
    pub opened_at: Timestamp,
    /// The key that is charged; of what was lost the first of its lineage.
    #[schema(schema_with = schema::key_id)]
    pub key_id: KeyId,
    /// The application the key was issued to.
    #[schema(schema_with = schema::application_id)]
    pub application_id: ApplicationId,
    /// The customer the key was restricted to.
    #[schema(schema_with = schema::maybe_customer_id)]
    pub customer_id: Option<CustomerId>,
    /// Where the key works.
    #[schema(schema_with = schema::environment)]
    pub environment: Environment,
    /// The hold that was settled.
    #[schema(schema_with = schema::hold_id)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_id: Option<HoldId>,
    /// The model that was used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Who served it.
    #[schema(value_type = Option<String>)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_id: Option<ProviderId>,
    /// Which version of the model's price was applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price_version: Option<u32>,
    /// What the charge rests on: the upstream's word, what was counted, or the hold.
    #[schema(schema_with = schema::basis)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basis: Option<Basis>,
    /// What was used.
    pub used: UsedView,
    /// What was held, in US dollars.
    #[schema(schema_with = schema::dollars)]
    pub held_usd: f64,
    /// What is charged, in US dollars; of a correction the difference, which may be below 0.
    pub cost_usd: f64,
    /// The request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The row that a correction refers to.
    #[schema(schema_with = schema::ledger_id)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub corrects: Option<LedgerId>,
    /// Why somebody corrected it, or settled it by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who that was.
    #[schema(schema_with = schema::actor)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Actor>,
}

/// Tokens and other things that were used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UsedView {
    /// Tokens of input that were neither read from nor written to a cache.
    pub input_tokens: u64,
    /// Tokens of input read from a cache.
    pub cached_input_tokens: u64,
    /// Tokens of input written to a cache.
    pub cache_write_tokens: u64,
    /// Tokens of output.
    pub output_tokens: u64,
    /// Images.
    pub images: u64,
    /// Characters, of text that was spoken.
    pub characters: u64,
    /// Milliseconds of audio.
    pub audio_millis: u64,
}

impl From<LedgerEntry> for LedgerView {
    fn from(entry: LedgerEntry) -> Self {
        let used = entry.used;
        Self {
            id: entry.id,
            tenant_id: entry.whose.tenant_id,
            kind: entry.kind,
            at: entry.at,
            opened_at: entry.opened_at,
            key_id: entry.whose.key_id,
            application_id: entry.whose.application_id,
            customer_id: entry.whose.customer_id,
            environment: entry.whose.environment,
            hold_id: entry.hold_id,
            model: filled(entry.model),
            provider_id: entry.provider_id,
            price_version: entry.price_version,
            basis: entry.basis,
            used: UsedView {
                input_tokens: used.input,
                cached_input_tokens: used.cached_input,
                cache_write_tokens: used.cache_write,
                output_tokens: used.output,
                images: used.images,
                characters: used.characters,
                audio_millis: used.audio_millis,
            },
            held_usd: entry.held.to_dollars(),
            cost_usd: entry.cost.to_dollars(),
            request_id: filled(entry.request_id),
            corrects: entry.corrects,
            reason: entry.reason.map(Into::into),
            by: entry.by,
        }
    }
}

/// Which rows of the ledger to list.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct LedgerListQuery {
    /// Items on the page, 1 to 200.
    #[param(minimum = 1, maximum = 200, default = 50)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u16>,
    /// `next_cursor` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Only what this key is charged.
    #[param(schema_with = schema::key_id)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_id: Option<KeyId>,
    /// Only what was charged for this model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Only rows of this kind.
    #[param(schema_with = schema::ledger_kind)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<LedgerKind>,
    /// Charged then or later.
    #[param(schema_with = schema::time)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// Charged before.
    #[param(schema_with = schema::time)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
}

/// What a row of the ledger should say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CorrectCharge {
    /// What should be charged altogether, in US dollars.
    #[schema(schema_with = schema::dollars)]
    pub amount_usd: f64,
    /// Why; 1–200 characters.
    #[schema(schema_with = schema::line)]
    pub reason: String,
}

impl CorrectCharge {
    /// The amount and the reason, checked.
    ///
    /// # Errors
    /// Every broken rule.
    pub fn parse(&self) -> Result<(NanoUsd, Box<str>), Vec<Invalid>> {
        let mut broken = Broken::default();
        let amount = broken.required("amount_usd", NanoUsd::from_dollars(self.amount_usd));
        let reason = broken.required("reason", check_line(&self.reason, REASON_MAX));
        broken.or(amount.zip(reason.map(Into::into)))
    }
}

/// A row of the ledger and how it was corrected.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CorrectedView {
    /// The row, which stays as it is.
    pub entry: LedgerView,
    /// What is charged for it now, with all its corrections, in US dollars.
    #[schema(schema_with = schema::dollars)]
    pub amount_usd: f64,
    /// The row that was added; left out if that was the amount already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correction: Option<LedgerView>,
}
