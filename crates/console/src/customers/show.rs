//! The page of a customer, its end and its return.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use keystile_core::{ApiKey, Customer, CustomerId};
use keystile_manage::{Caller, Right, VersionGuard};
use keystile_wire::{KeyListQuery, PatchCustomer};

use super::super::form::Form;
use super::super::newest::{FEW, few_keys};
use super::super::page::{go_to, page};
use super::super::shell::Shell;
use super::super::visitor::Inside;
use super::super::{assets, parts, request_limits};
use keystile_web::App;
use keystile_web::api::Answer;
use keystile_web::extract::PathId;
use keystile_web::problem::ApiProblem;

#[derive(Template)]
#[template(path = "customers/show.html")]
struct Show {
    shell: Shell,
    customer: Customer,
    metadata: String,
    keys: Vec<ApiKey>,
    keys_path: String,
    teaches: &'static str,
}

/// The page of a customer.
pub(super) async fn show(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathId(id): PathId<CustomerId>,
) -> Answer {
    let customer = app.control.customer(&caller, id).await?;
    let query = KeyListQuery { customer_id: Some(id), ..KeyListQuery::default() };
    let keys = few_keys(&app, &caller, &shell, query).await?;
    let metadata = serde_json::to_string_pretty(&customer.metadata).unwrap_or_default();
    let keys_path = shell.path(&format!("keys?customer_id={id}"));
    let teaches = "No key is restricted to this customer. Choose it when you make a key: whoever holds that key can then act for this customer only.";
    page(&Show { shell, customer, metadata, keys, keys_path, teaches })
}

#[derive(Template)]
#[template(path = "customers/archive.html")]
struct Archive {
    shell: Shell,
    customer: Customer,
}

impl Archive {
    fn path(&self) -> String {
        self.shell.path(&format!("customers/{}/archive", self.customer.id))
    }

    fn back(&self) -> String {
        self.shell.path(&format!("customers/{}", self.customer.id))
    }
}

/// Says what archiving does, and asks.
pub(super) async fn ask_archive(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathId(id): PathId<CustomerId>,
) -> Answer {
    caller.require(Right::ManageCustomers)?;
    let customer = app.control.customer(&caller, id).await?;
    page(&Archive { shell, customer })
}

/// Archives a customer.
pub(super) async fn archive(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathId(id): PathId<CustomerId>,
    Form(_): Form,
) -> Answer {
    let request = PatchCustomer { archived: Some(true), ..PatchCustomer::default() };
    patched(&app, caller, id, request).await?;
    back(&shell, id, "customer-archived")
}

/// Brings an archived customer back.
pub(super) async fn restore(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathId(id): PathId<CustomerId>,
    Form(_): Form,
) -> Answer {
    let request = PatchCustomer { archived: Some(false), ..PatchCustomer::default() };
    patched(&app, caller, id, request).await?;
    back(&shell, id, "customer-restored")
}

async fn patched(app: &App, caller: Caller, id: CustomerId, request: PatchCustomer) -> Answer<()> {
    let patch = request.parse().map_err(ApiProblem::invalid)?;
    let change = move |app: App| async move {
        app.control.patch_customer(&caller, id, patch, VersionGuard(None)).await
    };
    app.commit(change).await?;
    Ok(())
}

fn back(shell: &Shell, id: CustomerId, told: &str) -> Answer<Response> {
    go_to(&shell.path(&format!("customers/{id}?told={told}")), shell.surroundings)
}
