//! Keys that leaked, as their tenant sees them.

use axum::extract::State;
use axum::response::IntoResponse;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use keystile_core::LeakId;
use keystile_core::key::{RuleFormat, scan_rules};
use keystile_manage::KnownSecret;
use keystile_wire::{
    LeakListQuery, LeakLookup, LeakLookupAnswer, LeakView, Listing, ScanRulesQuery, SecretView,
};

use super::{Answer, json, listing, page_of};
use crate::extract::{Json, Member, Query};
use crate::state::App;

/// List reports that keys of the tenant leaked, newest first. Also for an API key that holds `keystile.audit:read`.
#[utoipa::path(get, path = "/leaks", tag = "leaks", params(("tenant_id" = String, Path), LeakListQuery), responses(
    (status = 200, body = Listing<LeakView>, description = "A page of them."),
))]
pub(crate) async fn list_leaks(
    State(app): State<App>,
    Member(caller): Member,
    Query(query): Query<LeakListQuery>,
) -> Answer {
    let (page, limit) = page_of::<LeakId>(query.limit, query.cursor.as_deref())?;
    let reports = app.control.leaks(&caller, query.key_id, page).await?;
    Ok(json(StatusCode::OK, &listing(reports, limit, |report| report.id.to_string(), LeakView::from)))
}

/// Tell what secrets open in the tenant that were found somewhere, by their digests: the secrets stay where they are. For whoever
/// may ask whether keys are good.
#[utoipa::path(post, path = "/leaks/lookup", tag = "leaks", params(("tenant_id" = String, Path)), request_body = LeakLookup, responses(
    (status = 200, body = LeakLookupAnswer, description = "An answer for each digest, in their order."),
))]
pub(crate) async fn look_up_secrets(
    State(app): State<App>,
    Member(caller): Member,
    Json(request): Json<LeakLookup>,
) -> Answer {
    let secrets = app.control.look_up_secrets(&caller, request.parse()?).await?;
    Ok(json(StatusCode::OK, &LeakLookupAnswer { secrets: secrets.iter().map(view).collect() }))
}

fn view(secret: &KnownSecret) -> SecretView {
    let KnownSecret { digest, state, key_id, application_id, environment } = *secret;
    SecretView { digest: digest.to_hex(), state, key_id, application_id, environment }
}

/// The rules by which a scanner of another maker finds the tenant's keys, for the key label that the tenant has now.
#[utoipa::path(get, path = "/scan-rules", tag = "leaks", params(("tenant_id" = String, Path), ScanRulesQuery), responses(
    (status = 200, body = String, content_type = "text/plain", description = "A file of the scanner's own form."),
))]
pub(crate) async fn show_scan_rules(
    State(app): State<App>,
    Member(caller): Member,
    Query(query): Query<ScanRulesQuery>,
) -> Answer {
    let tenant = app.control.tenant(&caller).await?;
    let rules = scan_rules(query.format.unwrap_or(RuleFormat::Gitleaks), &tenant.key_label);
    Ok(([(CONTENT_TYPE, "text/plain; charset=utf-8")], rules).into_response())
}
