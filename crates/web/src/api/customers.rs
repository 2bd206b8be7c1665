//! Customers of a tenant.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use keystile_core::{Customer, CustomerId};
use keystile_manage::{CustomerDraft, CustomerQuery, Right};
use keystile_wire::{CreateCustomer, CustomerListQuery, CustomerView, Listing, PatchCustomer, Problem};

use super::{Answer, json, listing, page_of, sought, with_location, with_version};
use crate::extract::{IfMatch, Json, Member, PathId, Query};
use crate::once::{Making, once};
use crate::problem::ApiProblem;
use crate::state::App;

fn record(status: StatusCode, customer: Customer) -> Response {
    let version = customer.version;
    with_version(json(status, &CustomerView::from(customer)), version)
}

/// Make a customer. Also for an API key that holds `keystile.customers:write`.
#[utoipa::path(post, path = "/customers", tag = "customers", params(("tenant_id" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body = CreateCustomer, responses(
    (status = 201, body = CustomerView, description = "The customer."),
    (status = 409, body = Problem, content_type = "application/problem+json", description = "`external_id_taken`; nothing was made."),
))]
pub(crate) async fn create_customer(
    State(app): State<App>,
    Member(caller): Member,
    Making(request, asked): Making<CreateCustomer>,
) -> Answer {
    let (name, settings) = request.parse().map_err(ApiProblem::invalid)?;
    once(&app, caller.asker(Right::ManageCustomers)?, asked, move |app| async move {
        let customer = app.control.create_customer(&caller, CustomerDraft { name, settings }).await?;
        let path = format!("/api/v1/tenants/{}/customers/{}", customer.tenant_id, customer.id);
        Ok(with_location(record(StatusCode::CREATED, customer), path))
    })
    .await
}

/// List customers, newest first. Also for an API key that holds `keystile.customers:read`.
#[utoipa::path(get, path = "/customers", tag = "customers", params(("tenant_id" = String, Path), CustomerListQuery), responses(
    (status = 200, body = Listing<CustomerView>, description = "A page of them."),
))]
pub(crate) async fn list_customers(
    State(app): State<App>,
    Member(caller): Member,
    Query(query): Query<CustomerListQuery>,
) -> Answer {
    let (page, limit) = page_of::<CustomerId>(query.limit, query.cursor.as_deref())?;
    let wanted = CustomerQuery {
        name_contains: sought("q", query.q)?,
        external_id: sought("external_id", query.external_id)?,
        id: None,
        include_archived: query.include_archived.unwrap_or_default(),
    };
    let customers = app.control.customers(&caller, &wanted, page).await?;
    Ok(json(
        StatusCode::OK,
        &listing(customers, limit, |customer| customer.id.to_string(), CustomerView::from),
    ))
}

/// One customer. Also for an API key that holds `keystile.customers:read`.
#[utoipa::path(get, path = "/customers/{customer_id}", tag = "customers",
    params(("tenant_id" = String, Path), ("customer_id" = String, Path)), responses(
    (status = 200, body = CustomerView, description = "The customer."),
))]
pub(crate) async fn show_customer(
    State(app): State<App>,
    Member(caller): Member,
    PathId(id): PathId<CustomerId>,
) -> Answer {
    Ok(record(StatusCode::OK, app.control.customer(&caller, id).await?))
}

/// Change settings of a customer (JSON merge patch). Also for an API key that holds `keystile.customers:write`.
#[utoipa::path(patch, path = "/customers/{customer_id}", tag = "customers",
    params(("tenant_id" = String, Path), ("customer_id" = String, Path), ("If-Match" = Option<String>, Header)),
    request_body = PatchCustomer, responses(
    (status = 200, body = CustomerView, description = "The customer as it is now."),
))]
pub(crate) async fn patch_customer(
    State(app): State<App>,
    Member(caller): Member,
    PathId(id): PathId<CustomerId>,
    if_match: IfMatch,
    Json(request): Json<PatchCustomer>,
) -> Answer {
    let guard = if_match.or_body(request.version)?;
    let patch = request.parse().map_err(ApiProblem::invalid)?;
    let change = move |app: App| async move { app.control.patch_customer(&caller, id, patch, guard).await };
    Ok(record(StatusCode::OK, app.commit(change).await?))
}
