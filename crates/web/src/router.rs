//! The table of everything that is served.

use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{OpenApi as Described, SecurityRequirement};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::{
    addresses, applications, audit, batch, catalogue, customers, entities, events, health, holds, ingest,
    integration, invitations, issuing, jobs, keys, leak_intake, leaks, ledger, logs, members, models, oauth,
    overview, passwords, providers, routing, second_factor, sessions, setup, sign_in, tenants, usage,
    verification, webhooks, whoami,
};
use crate::authz;
use crate::document::Document;
use crate::problem::ApiProblem;
use crate::refusals;
use crate::service::VERIFY_PATH;
use crate::state::App;

/// Where the OpenAPI document is.
pub(crate) const DOCUMENT_PATH: &str = "/openapi.json";

/// Everything but the hot paths, which the service serves itself.
pub(crate) fn router(app: App) -> Router {
    let (router, document) = api().split_for_parts();
    let document = Document::new(&document);
    let (aliases, _) = aliases().split_for_parts();
    router
        .merge(aliases)
        .route(DOCUMENT_PATH, axum::routing::get(async move |headers: HeaderMap| document.answer(&headers)))
        // The service answers what is sent there with POST; here it is only told apart from other methods.
        .route(VERIFY_PATH, axum::routing::post(no_such_path))
        .merge(app.site.clone())
        .route_layer(from_fn(tell_route))
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .with_state(app)
}

/// The OpenAPI 3.1 document of everything that is served.
pub fn openapi() -> Described {
    api().into_openapi()
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Keystile",
        description = "Issues API keys and guards APIs with them.",
        license(name = "MIT OR Apache-2.0")
    ),
    paths(verification::verify_key, authz::forward::authorize),
    modifiers(&Credentials),
    tags(
        (name = "sessions", description = "Signing in, and what a person does for themselves."),
        (name = "tenants", description = "Workspaces; everything belongs to exactly one."),
        (name = "applications", description = "Products and services that keys are issued to."),
        (name = "members", description = "Who is in a tenant, and who is invited."),
        (name = "customers", description = "Customers of a tenant, to whom keys can be restricted."),
        (name = "keys", description = "API keys and their life. Also mounted without `/api/v1`."),
        (name = "jobs", description = "Work on many keys in the background."),
        (name = "integration", description = "API keys under the names that integrations know, in the caller's own tenant."),
        (name = "verification", description = "May this key do this, here, now?"),
        (name = "events", description = "What sources say, and what is known of the entities that it is about."),
        (name = "leaks", description = "Keys that leaked: finding them, telling of them, and what is done about it."),
        (name = "logs", description = "Which requests were made, with which key, from where, and what they were answered."),
        (name = "models", description = "Who provides language models, what a tenant offers of them, and what that costs."),
        (name = "spending", description = "What keys have spent, what is held for requests under way, and correcting both."),
        (name = "webhooks", description = "Whom a tenant wants told of its keys, and how that goes."),
        (name = "audit", description = "Who changed what, chained so that tampering is found."),
        (name = "operations", description = "For whoever runs the server."),
    )
)]
struct ApiDocument;

fn api() -> OpenApiRouter<App> {
    let mut api = operations();
    refusals::describe(api.get_openapi_mut());
    api
}

fn operations() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(ApiDocument::openapi())
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .routes(routes!(setup::set_up))
        .routes(routes!(sign_in::create_token))
        .routes(routes!(sign_in::refresh_token))
        .routes(routes!(sign_in::public_keys))
        .routes(routes!(sessions::logout))
        .routes(routes!(sessions::show_me))
        .routes(routes!(sessions::list_sessions))
        .routes(routes!(sessions::end_session))
        .routes(routes!(passwords::change_password))
        .routes(routes!(passwords::reset_password))
        .routes(routes!(second_factor::enrol_totp, second_factor::remove_totp))
        .routes(routes!(second_factor::confirm_totp))
        .routes(routes!(invitations::accept_invitation))
        .routes(routes!(batch::verify_keys))
        .routes(routes!(whoami::whoami))
        .routes(routes!(holds::settle_hold))
        .routes(routes!(events::send_events))
        .routes(routes!(oauth::introspect))
        .routes(routes!(oauth::revoke_token))
        .routes(routes!(leak_intake::report_leak))
        .routes(routes!(leak_intake::take_github_alerts))
        .routes(routes!(tenants::list_tenants, tenants::create_tenant))
        .nest("/api/v1/tenants/{tenant_id}", in_tenant())
        .nest("/api/v1/integration", in_own_tenant())
}

/// What belongs to one tenant, where it is mounted once more.
fn aliases() -> OpenApiRouter<App> {
    OpenApiRouter::new().nest("/tenants/{tenant_id}", in_tenant())
}

/// What names no tenant, because it is the caller's.
fn in_own_tenant() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(integration::list_integration_keys, integration::create_integration_key))
        .routes(routes!(integration::show_integration_key, integration::patch_integration_key))
        .routes(routes!(integration::revoke_integration_key))
}

/// What belongs to one tenant.
fn in_tenant() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(tenants::show_tenant, tenants::patch_tenant))
        .routes(routes!(passwords::offer_reset))
        .routes(routes!(members::list_members))
        .routes(routes!(members::show_member, members::patch_member, members::delete_member))
        .routes(routes!(invitations::list_invitations, invitations::create_invitation))
        .routes(routes!(invitations::delete_invitation))
        .routes(routes!(customers::list_customers, customers::create_customer))
        .routes(routes!(customers::show_customer, customers::patch_customer))
        .routes(routes!(applications::list_applications, applications::create_application))
        .routes(routes!(applications::show_application, applications::patch_application))
        .routes(routes!(routing::show_routing, routing::set_routing))
        .routes(routes!(catalogue::list_permissions))
        .routes(routes!(catalogue::list_application_permissions))
        .routes(routes!(catalogue::show_permission, catalogue::set_permission, catalogue::delete_permission))
        .routes(routes!(keys::list_keys, issuing::create_key))
        .routes(routes!(issuing::import_keys))
        .routes(routes!(keys::show_key, keys::patch_key, keys::delete_key))
        .routes(routes!(issuing::regenerate_key))
        .routes(routes!(issuing::rotate_key))
        .routes(routes!(keys::revoke_key))
        .routes(routes!(keys::disable_key))
        .routes(routes!(keys::enable_key))
        .routes(routes!(keys::block_key))
        .routes(routes!(keys::unblock_key))
        .routes(routes!(jobs::list_jobs, jobs::create_job))
        .routes(routes!(jobs::show_job))
        .routes(routes!(jobs::cancel_job))
        .routes(routes!(jobs::retry_job))
        .routes(routes!(jobs::show_job_result, jobs::take_job_result))
        .routes(routes!(usage::show_key_usage))
        .routes(routes!(addresses::list_key_addresses))
        .routes(routes!(usage::show_usage))
        .routes(routes!(overview::show_overview))
        .routes(routes!(events::list_events))
        .routes(routes!(events::show_event))
        .routes(routes!(entities::list_entities))
        .routes(routes!(entities::show_entity))
        .routes(routes!(ingest::list_sources))
        .routes(routes!(ingest::show_ingest))
        .routes(routes!(leaks::list_leaks))
        .routes(routes!(leaks::look_up_secrets))
        .routes(routes!(leaks::show_scan_rules))
        .routes(routes!(logs::show_exposure))
        .routes(routes!(logs::list_logs))
        .routes(routes!(logs::export_logs))
        .routes(routes!(logs::stream_logs))
        .routes(routes!(logs::show_log))
        .routes(routes!(webhooks::list_webhooks, webhooks::create_webhook))
        .routes(routes!(webhooks::show_webhook, webhooks::patch_webhook, webhooks::delete_webhook))
        .routes(routes!(webhooks::rotate_webhook_secret))
        .routes(routes!(webhooks::test_webhook))
        .routes(routes!(webhooks::redeliver))
        .routes(routes!(webhooks::list_deliveries))
        .merge(of_language_models())
        .routes(routes!(audit::list_audit))
        .routes(routes!(audit::show_audit_entry))
        .routes(routes!(audit::show_audit_proof))
        .routes(routes!(audit::export_audit))
}

/// What serves the keys of language models, and what they spend.
fn of_language_models() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(providers::list_providers, providers::create_provider))
        .routes(routes!(providers::show_provider, providers::patch_provider, providers::delete_provider))
        .routes(routes!(models::list_models, models::create_model))
        .routes(routes!(models::import_models))
        .routes(routes!(models::show_model, models::patch_model, models::delete_model))
        .routes(routes!(models::list_model_prices))
        .routes(routes!(holds::list_holds))
        .routes(routes!(holds::settle_hold_by_hand))
        .routes(routes!(ledger::list_ledger))
        .routes(routes!(ledger::correct_charge))
        .routes(routes!(ledger::show_spend))
}

/// The template of the path travels beside the answer, for the metrics.
async fn tell_route(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let mut response = next.run(request).await;
    if let Some(route) = route {
        response.extensions_mut().insert(route);
    }
    response
}

/// There is nothing at the path.
pub async fn no_such_path() -> Response {
    ApiProblem::new(StatusCode::NOT_FOUND, "not_found", "there is nothing at this path").into_response()
}

pub(crate) async fn no_such_method() -> Response {
    let detail = "this path does not take this method; see the `Allow` header";
    ApiProblem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail).into_response()
}

/// The two ways to send a credential.
struct Credentials;

impl Modify for Credentials {
    fn modify(&self, document: &mut Described) {
        let components = document.components.get_or_insert_with(Default::default);
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("A token or an API key."))
            .build();
        let header = ApiKeyValue::with_description("X-API-Key", "An API key.");
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
        components.add_security_scheme("api_key", SecurityScheme::ApiKey(ApiKey::Header(header)));
        let nothing: [&str; 0] = [];
        document.security =
            Some(["bearer", "api_key"].map(|name| SecurityRequirement::new(name, nothing)).to_vec());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The operations of all paths below `prefix`, each as the path behind it, the method and the name.
    fn operations_below(prefix: &str, document: &Described) -> Vec<(String, String, String)> {
        let paths = serde_json::to_value(&document.paths).unwrap();
        let mut all = Vec::new();
        for (path, methods) in paths.as_object().unwrap() {
            let Some(behind) = path.strip_prefix(prefix) else { continue };
            for (method, operation) in methods.as_object().unwrap() {
                let name = operation["operationId"].as_str().unwrap().to_owned();
                all.push((behind.to_owned(), method.clone(), name));
            }
        }
        all
    }

    #[test]
    fn the_alias_of_a_tenant_serves_what_the_api_serves_there() {
        let (documented, alias) = (openapi(), aliases().into_openapi());
        let below_api = operations_below("/api/v1/tenants/{tenant_id}", &documented);
        assert!(below_api.len() >= 40, "{}", below_api.len());
        assert_eq!(operations_below("/tenants/{tenant_id}", &alias), below_api);
    }
}
