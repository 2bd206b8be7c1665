//! Customers: the list, and the ways to the pages of one.

mod edit;
mod show;

use askama::Template;
use axum::extract::State;
use keystile_core::{Customer, CustomerId};
use keystile_manage::CustomerQuery;
use keystile_wire::CustomerListQuery;

use super::page::page;
use super::shell::Shell;
use super::sought::{Asked, Sought};
use super::table::{Pages, get, post};
use super::visitor::Inside;
use super::{assets, parts, request_limits};
use keystile_web::App;
use keystile_web::api::{Answer, listing, page_of, sought};

pub(super) fn routes() -> Pages {
    Pages::new()
        .route("/customers", get(list))
        .route("/customers/new", get(edit::new).post(edit::create))
        .route("/customers/{customer_id}", get(show::show))
        .route("/customers/{customer_id}/edit", get(edit::edit).post(edit::change))
        .route("/customers/{customer_id}/archive", get(show::ask_archive).post(show::archive))
        .route("/customers/{customer_id}/restore", post(show::restore))
}

#[derive(Template)]
#[template(path = "customers/list.html")]
struct List {
    shell: Shell,
    customers: Vec<Customer>,
    asked: Asked,
    next: Option<String>,
}

/// A page of the tenant's customers.
async fn list(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    Sought { query, asked }: Sought<CustomerListQuery>,
) -> Answer {
    let (which, limit) = page_of::<CustomerId>(query.limit, query.cursor.as_deref())?;
    let wanted = CustomerQuery {
        name_contains: sought("q", query.q)?,
        external_id: sought("external_id", query.external_id)?,
        id: None,
        include_archived: query.include_archived.unwrap_or_default(),
    };
    let customers = app.control.customers(&caller, &wanted, which).await?;
    let listed = listing(customers, limit, |customer| customer.id.to_string(), |customer| customer);
    let next = listed.next_cursor.map(|cursor| asked.with("cursor", &cursor));
    page(&List { shell, customers: listed.data, asked, next })
}
