//! Who is in a tenant.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use keystile_core::PersonId;
use keystile_wire::{Listing, MemberListQuery, MemberView, MembershipView, PatchMembership, Problem};

use super::{Answer, json, listing, page_of};
use crate::extract::{Json, Member, PathId, Query};
use crate::state::App;

/// List members, the latest to sign up first; with `email`, the one with that address, if there is one who was not disabled.
#[utoipa::path(get, path = "/memberships", tag = "members", params(("tenant_id" = String, Path), MemberListQuery), responses(
    (status = 200, body = Listing<MemberView>, description = "A page of them."),
))]
pub(crate) async fn list_members(
    State(app): State<App>,
    Member(caller): Member,
    Query(query): Query<MemberListQuery>,
) -> Answer {
    let (page, limit) = page_of::<PersonId>(query.limit, query.cursor.as_deref())?;
    let members = app.control.members(&caller, query.email()?.as_ref(), page).await?;
    let page = listing(members, limit, |member| member.membership.person_id.to_string(), MemberView::from);
    Ok(json(StatusCode::OK, &page))
}

/// Is this person a member, and as what? Also for an API key that holds `keystile.memberships:read`.
#[utoipa::path(get, path = "/memberships/{person_id}", tag = "members",
    params(("tenant_id" = String, Path), ("person_id" = String, Path)), responses(
    (status = 200, body = MemberView, description = "Yes, as this."),
    (status = 404, body = Problem, content_type = "application/problem+json", description = "No, or not anybody who can sign in."),
))]
pub(crate) async fn show_member(
    State(app): State<App>,
    Member(caller): Member,
    PathId(id): PathId<PersonId>,
) -> Answer {
    Ok(json(StatusCode::OK, &MemberView::from(app.control.member(&caller, id).await?)))
}

/// Give a member another role, from the next request on. Only owners make or demote owners; the last one stays one.
#[utoipa::path(patch, path = "/memberships/{person_id}", tag = "members",
    params(("tenant_id" = String, Path), ("person_id" = String, Path)), request_body = PatchMembership, responses(
    (status = 200, body = MembershipView, description = "The membership as it is now."),
    (status = 409, body = Problem, content_type = "application/problem+json", description = "`last_owner`; nothing was changed."),
))]
pub(crate) async fn patch_member(
    State(app): State<App>,
    Member(caller): Member,
    PathId(id): PathId<PersonId>,
    Json(request): Json<PatchMembership>,
) -> Answer {
    let role = request.parse()?;
    let membership = app.control.set_role(&caller, id, role).await?;
    Ok(json(StatusCode::OK, &MembershipView::from(membership)))
}

/// Put a member out, or leave, from the next request on. Only owners put owners out; the last one stays.
#[utoipa::path(delete, path = "/memberships/{person_id}", tag = "members",
    params(("tenant_id" = String, Path), ("person_id" = String, Path)), responses(
    (status = 204, description = "They are none any more."),
    (status = 409, body = Problem, content_type = "application/problem+json", description = "`last_owner`; nothing was changed."),
))]
pub(crate) async fn delete_member(
    State(app): State<App>,
    Member(caller): Member,
    PathId(id): PathId<PersonId>,
) -> Answer<Response> {
    app.control.remove_member(&caller, id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
