//! Inviting people into a tenant.

use axum::extract::{FromRequest, Request, State};
use axum::response::IntoResponse;
use http::StatusCode;
use keystile_bearer::Credential;
use keystile_core::InvitationId;
use keystile_manage::{Acceptance, Right};
use keystile_wire::{
    AcceptInvitation, AcceptedInvitation, CreateInvitation, CreatedInvitation, InvitationView, Listing,
    PageQuery, Problem,
};

use super::{Answer, json, listing, page_of, secret_json};
use crate::extract::{EarlyJson, Json, Member, PathId, Query, find_credential, origin};
use crate::once::{Making, once};
use crate::problem::ApiProblem;
use crate::state::App;

/// Invite somebody. The token is in this answer and nowhere else; it is good once, for 7 days.
#[utoipa::path(post, path = "/invitations", tag = "members", params(("tenant_id" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body = CreateInvitation, responses(
    (status = 201, body = CreatedInvitation, description = "The invitation and its token, shown this once."),
    (status = 409, body = Problem, content_type = "application/problem+json", description = "`already_member` or `already_invited`; nothing was made."),
))]
pub(crate) async fn create_invitation(
    State(app): State<App>,
    Member(caller): Member,
    Making(request, asked): Making<CreateInvitation>,
) -> Answer {
    let (email, role) = request.parse().map_err(ApiProblem::invalid)?;
    once(&app, caller.asker(Right::ManageMembers)?, asked, move |app| async move {
        let invited = app.control.invite(&caller, email, role).await?;
        Ok(secret_json(StatusCode::CREATED, &CreatedInvitation::of(invited.invitation, invited.token)))
    })
    .await
}

/// List open invitations, newest first.
#[utoipa::path(get, path = "/invitations", tag = "members", params(("tenant_id" = String, Path), PageQuery), responses(
    (status = 200, body = Listing<InvitationView>, description = "A page of them."),
))]
pub(crate) async fn list_invitations(
    State(app): State<App>,
    Member(caller): Member,
    Query(query): Query<PageQuery>,
) -> Answer {
    let (page, limit) = page_of::<InvitationId>(query.limit, query.cursor.as_deref())?;
    let invitations = app.control.invitations(&caller, page).await?;
    let page = listing(invitations, limit, |invitation| invitation.id.to_string(), InvitationView::from);
    Ok(json(StatusCode::OK, &page))
}

/// Take an invitation back. Its token is dead at once.
#[utoipa::path(delete, path = "/invitations/{invitation_id}", tag = "members",
    params(("tenant_id" = String, Path), ("invitation_id" = String, Path)), responses(
    (status = 204, description = "It is."),
    (status = 404, body = Problem, content_type = "application/problem+json", description = "There is none, or it was accepted."),
))]
pub(crate) async fn delete_invitation(
    State(app): State<App>,
    Member(caller): Member,
    PathId(id): PathId<InvitationId>,
) -> Answer {
    app.control.revoke_invitation(&caller, id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Accept an invitation. Somebody new chooses a password; somebody who is known signs in before, or gives theirs.
#[utoipa::path(post, path = "/api/v1/auth/invitations/accept", tag = "members", security((), ("bearer" = [])),
    request_body = AcceptInvitation, responses(
    (status = 200, body = AcceptedInvitation, description = "The place in the tenant. Sign in to use it."),
    (status = 401, body = Problem, content_type = "application/problem+json", description = "`wrong_credentials`, or a token that is not good any more."),
    (status = 404, body = Problem, content_type = "application/problem+json", description = "The invitation is unknown, used or expired."),
    (status = 409, body = Problem, content_type = "application/problem+json", description = "`already_member`."),
))]
pub(crate) async fn accept_invitation(State(app): State<App>, request: Request) -> Answer {
    let (parts, body) = request.into_parts();
    let bearer = match find_credential(&parts.headers, &app)? {
        Some(Credential::Token(token)) => Some(app.control.check_token(token)?),
        // A key is nobody who could have been invited.
        Some(Credential::Key(_)) | None => None,
    };
    let origin = origin(&parts);
    let Json(request) =
        EarlyJson::<AcceptInvitation>::from_request(Request::from_parts(parts, body), &app).await?;
    let acceptance = Acceptance { token: request.token, password: request.password, bearer };
    let accept = |app: App| async move { app.control.accept_invitation(acceptance, &origin).await };
    let (membership, email) = app.finish(accept).await?;
    let name = app.control.tenant_name(membership.tenant_id).await?;
    Ok(json(StatusCode::OK, &AcceptedInvitation::of(membership, email, name)))
}
