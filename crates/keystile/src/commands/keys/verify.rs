//! `keystile keys verify`.

use std::net::IpAddr;

use clap::{Args, value_parser};
use keystile_core::limit::MAX_COUNT;
use keystile_core::{ApplicationId, Code, CustomerId, Environment, Grant, Secret};
use keystile_wire::{
    BudgetLeftView, CheckView, Estimate, LimitState, PermissionsAsked, TokensLeft, VerifyAnswer, VerifyRequest,
};

use super::Context;
use crate::commands::input::{Given, given, secret_or_line};
use crate::commands::output::{Form, Report};
use crate::commands::record::listed;
use crate::commands::table::fields;
use crate::commands::words::{dollars, environment};
use crate::failure::Failure;

/// Asks a server whether a key may do something, here and now.
///
/// Only what you name is checked. A token asks about keys of its own tenant, whatever --tenant says.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  echo \"$KEY\" | keystile keys verify --permission customers:read
  echo \"$KEY\" | keystile keys verify && echo good
  echo \"$KEY\" | keystile keys verify --explain --environment production

Exit status: 0 allowed, 1 refused (the code is printed), 2 the server could
not be asked, or not by you.")]
pub(super) struct Verify {
    /// The key. Shells keep it in their history; better leave it out, to read it from standard input.
    #[arg(value_parser = given, conflicts_with = "stdin")]
    key: Option<Given>,
    /// Read the key from the first line of standard input; so it is without KEY, too.
    #[arg(long)]
    stdin: bool,
    /// Environment of the request.
    #[arg(long, value_parser = environment())]
    environment: Option<Environment>,
    /// Application of the request.
    #[arg(long, value_name = "APPLICATION_ID")]
    application: Option<ApplicationId>,
    /// Permission that the request needs. May be repeated; all of them are needed.
    #[arg(long = "permission", value_name = "PERMISSION")]
    permissions: Vec<String>,
    /// Customer of the request.
    #[arg(long, value_name = "CUSTOMER_ID")]
    customer: Option<CustomerId>,
    /// Address that the request came from.
    #[arg(long, value_name = "ADDRESS")]
    ip: Option<IpAddr>,
    /// Model that the request wants to use.
    #[arg(long)]
    model: Option<String>,
    /// How many requests it counts as against limits; 1 if nothing is said, and 0 asks without counting.
    #[arg(long, value_name = "COUNT", value_parser = value_parser!(u64).range(0..=MAX_COUNT))]
    cost: Option<u64>,
    /// Tokens that the request will use at most; they are held until the hold is settled, or charged in full.
    #[arg(long, value_name = "COUNT", value_parser = value_parser!(u64).range(0..=MAX_COUNT))]
    estimate_tokens: Option<u64>,
    /// What the request will cost at most, in US dollars; it is held likewise.
    #[arg(long, value_name = "DOLLARS", value_parser = dollars)]
    estimate_usd: Option<f64>,
    /// Show every check that was made, also after the first that failed. Nothing is counted.
    #[arg(long)]
    explain: bool,
}

impl Verify {
    pub(super) async fn run(self, context: &Context) -> Result<Report, Failure> {
        let key = secret_or_line(self.key.as_ref(), "the key")?;
        let answer = context.session.client.verify(&self.request(key)).await?;
        report(&answer, context.form)
    }

    fn request(self, key: Secret) -> VerifyRequest {
        let permissions =
            if self.permissions.is_empty() { None } else { Some(PermissionsAsked::List(self.permissions)) };
        let is_estimated = self.estimate_tokens.is_some() || self.estimate_usd.is_some();
        let estimate = Estimate { tokens: self.estimate_tokens, cost_usd: self.estimate_usd };
        let estimate = is_estimated.then_some(estimate);
        VerifyRequest {
            key,
            environment: self.environment,
            application_id: self.application,
            permissions,
            customer_id: self.customer,
            ip: self.ip,
            model: self.model,
            cost: self.cost,
            estimate,
            explain: self.explain,
        }
    }
}

fn report(answer: &VerifyAnswer<'_>, form: Form) -> Result<Report, Failure> {
    let report = match form {
        Form::Json => Report::json(answer)?,
        Form::Text => {
            let report = Report::default().data(answer.code.as_str()).data(&facts(answer));
            let report = if answer.checks.is_empty() { report } else { report.data(&checks(answer)) };
            match advice(answer.code) {
                Some(advice) => report.note(advice),
                None => report,
            }
        }
    };
    Ok(if answer.valid { report } else { report.refused() })
}

fn facts(answer: &VerifyAnswer<'_>) -> String {
    let mut pairs = Vec::new();
    let mut push = |name, value: Option<String>| pairs.extend(value.map(|value| (name, value)));
    push("missing", answer.missing_permission.as_deref().map(str::to_owned));
    push("limited by", answer.limited_by.as_ref().map(limited_by));
    push("key", answer.key_id.map(|id| id.to_string()));
    push("environment", answer.environment.map(|environment| environment.to_string()));
    push("application", answer.application_id.map(|id| id.to_string()));
    push("customer", answer.customer_id.map(|id| id.to_string()));
    push("kind", answer.kind.as_deref().map(str::to_owned));
    push("source", answer.source_id.as_deref().map(str::to_owned));
    push("trust level", answer.trust_level.map(|level| level.to_string()));
    let scopes = answer.scopes.as_deref();
    push("permissions", scopes.map(|scopes| listed(scopes.iter().map(Grant::as_str), "none")));
    push("expires", answer.expires_at.map(|at| at.to_string()));
    push("hold", answer.hold_id.map(|id| id.to_string()));
    push("settle by", answer.hold_deadline_at.map(|at| at.to_string()));
    pairs.extend(answer.limits.iter().map(|limit| ("left", left(limit))));
    let tokens = |left: TokensLeft| format!("{} of {} tokens a minute", left.remaining, left.limit);
    pairs.extend(answer.tokens.map(|left| ("left", tokens(left))));
    let money = |left: BudgetLeftView| format!("${} of ${}", left.remaining_usd, left.max_usd);
    pairs.extend(answer.budget.map(|left| ("left", money(left))));
    fields(&pairs)
}

/// A line for each check, in the order of the decision, below an empty one.
fn checks(answer: &VerifyAnswer<'_>) -> String {
    let line = |made: &CheckView| {
        let result = made.result.as_str().replace('_', " ");
        let result = made.detail.as_ref().map_or_else(|| result.clone(), |why| format!("{result}: {why}"));
        (made.check.as_str(), result)
    };
    format!("\n{}", fields(&answer.checks.iter().map(line).collect::<Vec<_>>()))
}

fn limited_by(limit: &LimitState) -> String {
    let again = limit.retry_after_seconds.map_or_else(
        || "it costs more than may ever come at once".to_owned(),
        |seconds| format!("fits again in {seconds} s"),
    );
    format!("{} of the {}: {again}", named(limit), limit.owner)
}

fn left(limit: &LimitState) -> String {
    format!("{} of {} requests, {} of the {}", limit.remaining, limit.limit, named(limit), limit.owner)
}

fn named(limit: &LimitState) -> String {
    format!("limit `{}` ({} in {} s)", limit.name, limit.limit, limit.window_seconds)
}

/// What whoever asked can do about a refusal.
fn advice(code: Code) -> Option<&'static str> {
    match code {
        Code::KeyMalformed => Some("This is no key: it was mistyped, cut or invented. Copy it again."),
        Code::KeyNotFound => Some("No key of this tenant has this text. Another tenant's? --tenant chooses."),
        Code::KeyInactive => Some("The key is switched off: `keystile keys enable` switches it on."),
        Code::KeyRevoked | Code::KeyExpired => {
            Some("It cannot be used again: `keystile keys create` makes a new one.")
        }
        Code::WrongEnvironment => Some("The key belongs to another environment than --environment names."),
        Code::WrongApplication => Some("The key was issued to another application than --application names."),
        Code::WrongCustomer => Some("The key is restricted to another customer than --customer names."),
        Code::IpNotAllowed => {
            Some("The key lists the addresses it may be used from; --ip names the one of the request.")
        }
        Code::KeyBlocked => Some("The key is blocked: `keystile keys show` tells why."),
        Code::PermissionDenied => Some("The key lacks a permission that --permission names."),
        Code::ModelNotAllowed => Some("The key may not use the model that --model names."),
        Code::KeyMissing
        | Code::AmbiguousCredentials
        | Code::RateLimited
        | Code::TokensLimited
        | Code::BudgetExhausted
        | Code::EnforcementUnavailable
        | Code::Allowed => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(json: &str) -> VerifyAnswer<'static> {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn an_allowed_key_is_told_with_its_facts() {
        let answer = answer(
            r#"{"valid":true,"code":"allowed","key_id":"key_01HF7YAT000000000000000001","environment":"staging","scopes":["a:read"]}"#,
        );
        let report = report(&answer, Form::Text).unwrap();
        assert!(!report.is_refused());
        let expected = "\
allowed
key          key_01HF7YAT000000000000000001
environment  staging
permissions  a:read
";
        assert_eq!(report.printed(), (expected.to_owned(), String::new()));
    }

    #[test]
    fn a_refused_key_is_told_by_its_code() {
        let answer = answer(r#"{"valid":false,"code":"permission_denied","missing_permission":"b:read"}"#);
        let refused = report(&answer, Form::Text).unwrap();
        assert!(refused.is_refused());
        let (data, notes) = refused.printed();
        assert_eq!(data, "permission_denied\nmissing  b:read\n");
        assert!(notes.contains("--permission"), "{notes}");
        assert!(report(&answer, Form::Json).unwrap().is_refused());
    }

    #[test]
    fn an_explanation_has_a_line_for_each_check() {
        let answer = answer(
            r#"{"valid":false,"code":"wrong_environment","checks":[{"check":"form","result":"passed"},
                {"check":"environment","result":"failed","code":"wrong_environment","detail":"it belongs to `staging`"},
                {"check":"model","result":"not_asked"}]}"#,
        );
        let (data, _) = report(&answer, Form::Text).unwrap().printed();
        let expected = "\
wrong_environment

form         passed
environment  failed: it belongs to `staging`
model        not asked
";
        assert_eq!(data, expected);
    }

    #[test]
    fn an_unknown_key_has_no_facts() {
        let (data, _) = report(&VerifyAnswer::unknown(Code::KeyNotFound), Form::Text).unwrap().printed();
        assert_eq!(data, "key_not_found\n");
    }
}
