//! The audit log.

use axum::extract::State;
use http::StatusCode;
use keystile_core::{AuditId, Seq};
use keystile_manage::{AuditExport, AuditQuery, Caller, Refused};
use keystile_wire::{AuditEntryView, AuditExportQuery, AuditListQuery, AuditProofView, Listing};

use super::saved::{NDJSON, Pieces, saved};
use super::{Answer, json, listing, page_of};
use crate::extract::{Member, PathId, Query};
use crate::state::App;

/// List what was done in the tenant, newest first.
#[utoipa::path(get, path = "/audit", tag = "audit", params(("tenant_id" = String, Path), AuditListQuery), responses(
    (status = 200, body = Listing<AuditEntryView>, description = "A page of the log."),
))]
pub(crate) async fn list_audit(
    State(app): State<App>,
    Member(caller): Member,
    Query(query): Query<AuditListQuery>,
) -> Answer {
    query.check()?;
    let (page, limit) = page_of::<Seq>(query.limit, query.cursor.as_deref())?;
    let AuditListQuery { actor, action, target, from, to, .. } = query;
    let query = AuditQuery { actor, action, target, from, to };
    let entries = app.control.audit(&caller, &query, page).await?;
    let page = listing(entries, limit, |entry| entry.seq.to_string(), AuditEntryView::from);
    Ok(json(StatusCode::OK, &page))
}

/// Show one entry of the audit log.
#[utoipa::path(get, path = "/audit/{audit_id}", tag = "audit",
    params(("tenant_id" = String, Path), ("audit_id" = String, Path)), responses(
    (status = 200, body = AuditEntryView, description = "The entry."),
))]
pub(crate) async fn show_audit_entry(
    State(app): State<App>,
    Member(caller): Member,
    PathId(id): PathId<AuditId>,
) -> Answer {
    Ok(json(StatusCode::OK, &AuditEntryView::from(app.control.audit_entry(&caller, id).await?)))
}

/// Show where the audit log ends, to be noted elsewhere and given to `keystile audit verify --head`.
#[utoipa::path(get, path = "/audit/proof", tag = "audit", params(("tenant_id" = String, Path)), responses(
    (status = 200, body = AuditProofView, description = "The end of the log."),
))]
pub(crate) async fn show_audit_proof(State(app): State<App>, Member(caller): Member) -> Answer {
    let proof = app.control.audit_proof(&caller).await?;
    let view = AuditProofView {
        tenant_id: proof.tenant_id,
        seq: proof.head.seq.as_u64(),
        hash: proof.head.hash.to_hex(),
        at: proof.at,
    };
    Ok(json(StatusCode::OK, &view))
}

/// Export the audit log, oldest first: one JSON object a line, with a first line that says what it is and a last one that
/// says where it ends. An export that breaks off lacks its last line.
#[utoipa::path(get, path = "/audit/export", tag = "audit", params(("tenant_id" = String, Path), AuditExportQuery), responses(
    (status = 200, body = String, content_type = "application/x-ndjson", description = "The log; `keystile audit verify` checks it."),
))]
pub(crate) async fn export_audit(
    State(app): State<App>,
    Member(caller): Member,
    Query(query): Query<AuditExportQuery>,
) -> Answer {
    export(&app, &caller, query.first()).await
}

/// The export from `first` on, as a file to save.
pub async fn export(app: &App, caller: &Caller, first: Seq) -> Answer {
    let export = app.control.audit_export(caller, first).await?;
    let (first, last) = export.places();
    let name = format!("keystile-audit-{}-{first}-{last}.ndjson", caller.tenant_id());
    Ok(saved(&name, NDJSON, export))
}

impl Pieces for AuditExport {
    const WHAT: &'static str = "an export of the audit log";

    async fn next(&mut self) -> Result<Option<String>, Refused> {
        self.piece().await
    }
}
