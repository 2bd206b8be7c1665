//! What is held for a request under way, until it is known what it used.

use crate::invalid::text_enum;
use crate::quota::Day;
use crate::{
    ApplicationId, BudgetPeriod, CustomerId, Environment, HoldId, KeyId, NanoUsd, TenantId, Timestamp,
};

text_enum!(
    /// What has become of a hold.
    HoldState {
        /// The request is under way.
        Open = "open",
        /// It was charged what it used, and the rest was given back.
        Settled = "settled",
        /// Nothing was used, and all of it was given back.
        Released = "released",
        /// Nobody said in time what it used, so it was charged in full.
        Charged = "charged",
    }
);

text_enum!(
    /// What a charge rests on.
    Basis {
        /// Whoever did the work told what was used.
        Upstream = "upstream",
        /// What was used was counted, here or by the caller.
        Counted = "counted",
        /// What was used is not known, so all that was held is charged.
        Hold = "hold",
    }
);

text_enum!(
    /// Who has to settle a hold.
    Origin {
        /// The gateway that the request goes through. Nobody can settle its holds once its process has ended.
        Gateway = "gateway",
        /// Whoever asked for it with an estimate, and was told its id.
        Caller = "caller",
    }
);

/// Whose request it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Whose {
    /// The tenant.
    pub tenant_id: TenantId,
    /// The key.
    pub key_id: KeyId,
    /// The first key of its lineage, if that is known without looking it up.
    pub lineage_id: Option<KeyId>,
    /// The application it was issued to.
    pub application_id: ApplicationId,
    /// The customer it is restricted to.
    pub customer_id: Option<CustomerId>,
    /// Where it works.
    pub environment: Environment,
}

/// Names one period of one lineage's budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BudgetTime {
    /// How long it lasts.
    pub period: BudgetPeriod,
    /// The day it begins with.
    pub first_day: Day,
}

/// A hold that is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenHold {
    /// Names it.
    pub id: HoldId,
    /// Whose request it is for.
    pub whose: Whose,
    /// Who has to settle it.
    pub origin: Origin,
    /// When the request began. It is charged to the period in which that is, whenever it is settled.
    pub opened_at: Timestamp,
    /// When it is charged in full if nobody has settled it.
    pub deadline_at: Timestamp,
    /// Tokens held.
    pub tokens: u64,
    /// The most that the request can cost.
    pub cost: NanoUsd,
    /// The budget that this was leased from; `None` if the key has none.
    pub budget: Option<BudgetTime>,
    /// The model that was asked for; empty if none was.
    pub model: Box<str>,
    /// The request.
    pub request_id: Box<str>,
}
