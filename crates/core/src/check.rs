//! The checks that a decision is made of, and what came of each: a decision stops at the first that fails, an explanation
//! goes on to the last.

use crate::decision::{Ask, Code, KeyFacts, Refusal};
use crate::invalid::text_enum;
use crate::permission::Requirement;
use crate::{KeyStatus, Timestamp};

text_enum!(
    /// One thing that is looked at, in the order of decisions.
    Check {
        /// The text has the shape of a key and the right check digits.
        Form = "form",
        /// There is such a key, and it belongs to the tenant that asks.
        Known = "known",
        /// It is neither revoked nor expired nor switched off.
        Status = "status",
        /// It belongs to the environment.
        Environment = "environment",
        /// It is not barred.
        Block = "block",
        /// It was issued to the application.
        Application = "application",
        /// It may be used from the address.
        Address = "address",
        /// It may act for the customer.
        Customer = "customer",
        /// It has the permissions.
        Permissions = "permissions",
        /// It may use the model.
        Model = "model",
        /// The request fits all limits on requests.
        Limits = "limits",
        /// What it is estimated to use fits the limit on tokens.
        Tokens = "tokens",
        /// What it is estimated to cost fits the budget.
        Budget = "budget",
    }
);

/// What came of one check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// What was looked at.
    pub check: Check,
    /// What came of it.
    pub finding: Finding,
}

/// What a check can come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// Nothing speaks against the key.
    Passed,
    /// The question does not name what this looks at, or the key has nothing to look at.
    NotAsked,
    /// The key is refused.
    Failed(Refusal),
}

impl Checked {
    /// The refusal, if the check failed.
    pub const fn refusal(&self) -> Option<&Refusal> {
        match &self.finding {
            Finding::Failed(refusal) => Some(refusal),
            Finding::Passed | Finding::NotAsked => None,
        }
    }
}

/// Makes every check of [`crate::decide`] in the same order, and goes on after one that fails. Only a key of another tenant is not
/// looked at further, as there is no such key for the one that asks. The first that fails is the decision.
pub fn explain(facts: &KeyFacts, ask: &Ask<'_>, now: Timestamp) -> Vec<Checked> {
    let mut checks = Vec::with_capacity(Check::ALL.len());
    let hear = |check, outcome: Result<(), Refusal>| {
        let hidden = if check == Check::Known { outcome.clone() } else { Ok(()) };
        let finding = match outcome {
            Err(refusal) => Finding::Failed(refusal),
            Ok(()) if is_asked(check, facts, ask) => Finding::Passed,
            Ok(()) => Finding::NotAsked,
        };
        checks.push(Checked { check, finding });
        hidden
    };
    // What it stopped at is the last of the checks.
    let _hidden = go_through(facts, ask, now, hear);
    checks
}

/// The one order of all checks of a key that is known. Goes on for as long as `hear` says so.
pub(crate) fn go_through(
    facts: &KeyFacts,
    ask: &Ask<'_>,
    now: Timestamp,
    mut hear: impl FnMut(Check, Result<(), Refusal>) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    let unless = |code, holds: bool| if holds { Ok(()) } else { Err(Refusal::Plain(code)) };
    hear(Check::Known, unless(Code::KeyNotFound, agrees(ask.tenant_id, facts.tenant_id)))?;
    let status = match facts.status(now) {
        KeyStatus::Active => Ok(()),
        KeyStatus::Revoked => Err(Refusal::Plain(Code::KeyRevoked)),
        KeyStatus::Expired => Err(Refusal::Plain(Code::KeyExpired)),
        KeyStatus::Inactive => Err(Refusal::Plain(Code::KeyInactive)),
    };
    hear(Check::Status, status)?;
    hear(Check::Environment, unless(Code::WrongEnvironment, agrees(ask.environment, facts.environment)))?;
    hear(Check::Block, unless(Code::KeyBlocked, !facts.blocked))?;
    let same_application = agrees(ask.application_id, facts.application_id);
    hear(Check::Application, unless(Code::WrongApplication, same_application))?;
    hear(Check::Address, unless(Code::IpNotAllowed, facts.allowed_ips.allow(ask.ip)))?;
    let same_customer = facts.customer_id.is_none_or(|own| agrees(ask.customer_id, own));
    hear(Check::Customer, unless(Code::WrongCustomer, same_customer))?;
    let lacking = |missing: &str| Refusal::PermissionDenied { missing: missing.to_owned() };
    hear(Check::Permissions, ask.permissions.check(&facts.scopes).map_err(lacking))?;
    let same_model = ask.model.is_none_or(|model| facts.kind.allows_model(model));
    hear(Check::Model, unless(Code::ModelNotAllowed, same_model))
}

/// Whether the question and the key have anything for this to look at.
fn is_asked(check: Check, facts: &KeyFacts, ask: &Ask<'_>) -> bool {
    match check {
        Check::Form | Check::Known | Check::Status | Check::Block => true,
        Check::Environment => ask.environment.is_some(),
        Check::Application => ask.application_id.is_some(),
        Check::Address => !facts.allowed_ips.is_any(),
        Check::Customer => facts.customer_id.is_some() && ask.customer_id.is_some(),
        Check::Permissions => ask.permissions != Requirement::NONE,
        Check::Model => ask.model.is_some(),
        Check::Limits => facts.limits.as_ref().is_some_and(|limits| !limits.rates.is_empty()),
        Check::Tokens => facts.limits.as_ref().is_some_and(|limits| limits.tokens.is_some()),
        Check::Budget => facts.limits.as_ref().is_some_and(|limits| limits.budget.is_some()),
    }
}

fn agrees<T: Copy + PartialEq>(asked: Option<T>, own: T) -> bool {
    asked.is_none_or(|asked| asked == own)
}
