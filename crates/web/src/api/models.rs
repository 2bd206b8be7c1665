//! Models that a tenant offers, and what they cost.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use keystile_core::{Invalid, Model, ModelId};
use keystile_manage::{ImportedModel, ImportedModels, ModelImport, ModelQuery, Right, TableSource};
use keystile_wire::{
    CreateModel, ImportModels, ImportedModelView, ImportedModelsView, Listing, ModelImportAsked,
    ModelListQuery, ModelView, PageQuery, PatchModel, PriceBody, PriceVersionView, Problem,
};

use super::{Answer, json, listing, page_of, page_size, sought, with_location, with_version};
use crate::body::MAX_BODY;
use crate::extract::{IfMatch, Json, Member, PathId, Query};
use crate::once::{Making, once};
use crate::problem::ApiProblem;
use crate::state::App;

/// Longest table that is read: LiteLLM's has some 1.5 MB, and grows.
const MAX_TABLE: usize = 4 * MAX_BODY;

fn record(status: StatusCode, model: Model) -> Response {
    let version = model.version;
    with_version(json(status, &ModelView::from(model)), version)
}

/// Offer a model of a provider. For admins.
#[utoipa::path(post, path = "/models", tag = "models", params(("tenant_id" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body = CreateModel, responses(
    (status = 201, body = ModelView, description = "The model."),
    (status = 409, body = Problem, content_type = "application/problem+json", description = "`name_taken` or `too_many_models`; nothing was made."),
))]
pub(crate) async fn create_model(
    State(app): State<App>,
    Member(caller): Member,
    Making(request, asked): Making<CreateModel>,
) -> Answer {
    let draft = request.parse().map_err(ApiProblem::invalid)?;
    once(&app, caller.asker(Right::ManageModels)?, asked, move |app| async move {
        let model = app.commit(|app| async move { app.control.create_model(&caller, draft).await }).await?;
        let path = format!("/api/v1/tenants/{}/models/{}", model.tenant_id, model.id);
        Ok(with_location(record(StatusCode::CREATED, model), path))
    })
    .await
}

/// List models, newest first.
#[utoipa::path(get, path = "/models", tag = "models", params(("tenant_id" = String, Path), ModelListQuery), responses(
    (status = 200, body = Listing<ModelView>, description = "A page of them."),
))]
pub(crate) async fn list_models(
    State(app): State<App>,
    Member(caller): Member,
    Query(query): Query<ModelListQuery>,
) -> Answer {
    let (page, limit) = page_of::<ModelId>(query.limit, query.cursor.as_deref())?;
    let wanted = ModelQuery { provider_id: query.provider_id, name_contains: sought("q", query.q)? };
    let models = app.control.models(&caller, &wanted, page).await?;
    Ok(json(StatusCode::OK, &listing(models, limit, |model| model.id.to_string(), ModelView::from)))
}

/// One model.
#[utoipa::path(get, path = "/models/{model_id}", tag = "models",
    params(("tenant_id" = String, Path), ("model_id" = String, Path)), responses(
    (status = 200, body = ModelView, description = "The model."),
))]
pub(crate) async fn show_model(
    State(app): State<App>,
    Member(caller): Member,
    PathId(id): PathId<ModelId>,
) -> Answer {
    Ok(record(StatusCode::OK, app.control.model(&caller, id).await?))
}

/// Change settings of a model, or its price (JSON merge patch; a price is replaced as a whole). Another price is a new version of it,
/// which holds from the next request on. For admins.
#[utoipa::path(patch, path = "/models/{model_id}", tag = "models",
    params(("tenant_id" = String, Path), ("model_id" = String, Path), ("If-Match" = Option<String>, Header)),
    request_body = PatchModel, responses(
    (status = 200, body = ModelView, description = "The model as it is now."),
))]
pub(crate) async fn patch_model(
    State(app): State<App>,
    Member(caller): Member,
    PathId(id): PathId<ModelId>,
    if_match: IfMatch,
    Json(request): Json<PatchModel>,
) -> Answer {
    let guard = if_match.or_body(request.version)?;
    let patch = request.parse().map_err(ApiProblem::invalid)?;
    let change = move |app: App| async move { app.control.patch_model(&caller, id, patch, guard).await };
    Ok(record(StatusCode::OK, app.commit(change).await?))
}

/// Take a model away. Its prices are kept, as spending is told by them. For admins.
#[utoipa::path(delete, path = "/models/{model_id}", tag = "models",
    params(("tenant_id" = String, Path), ("model_id" = String, Path)), responses(
    (status = 204, description = "It is gone."),
))]
pub(crate) async fn delete_model(
    State(app): State<App>,
    Member(caller): Member,
    PathId(id): PathId<ModelId>,
) -> Answer {
    app.commit(move |app| async move { app.control.delete_model(&caller, id).await }).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// List every price that a model has had at its provider, the last first.
#[utoipa::path(get, path = "/models/{model_id}/prices", tag = "models",
    params(("tenant_id" = String, Path), ("model_id" = String, Path), PageQuery), responses(
    (status = 200, body = Listing<PriceVersionView>, description = "A page of them."),
))]
pub(crate) async fn list_model_prices(
    State(app): State<App>,
    Member(caller): Member,
    PathId(id): PathId<ModelId>,
    Query(query): Query<PageQuery>,
) -> Answer {
    let limit = page_size(query.limit)?;
    let broken = |_| Invalid::new("cursor", "must be the `next_cursor` of a page");
    let before = query.cursor.map(|cursor| cursor.parse::<u32>().map_err(broken)).transpose()?;
    let prices = app.control.model_prices(&caller, id, before, u32::from(limit) + 1).await?;
    let page = listing(prices, usize::from(limit), |price| price.version.to_string(), PriceVersionView::from);
    Ok(json(StatusCode::OK, &page))
}

/// Take models and their prices over from a table, all or none: from LiteLLM's, or from the small one that comes with Keystile. At most 500
/// at a time. For admins.
#[utoipa::path(post, path = "/models/import", tag = "models", params(("tenant_id" = String, Path)),
    request_body = ImportModels, responses(
    (status = 200, body = ImportedModelsView, description = "What was taken over, or would be."),
    (status = 409, body = Problem, content_type = "application/problem+json", description = "`too_many_models`; nothing was changed."),
))]
pub(crate) async fn import_models(
    State(app): State<App>,
    Member(caller): Member,
    Json(request): Json<ImportModels, MAX_TABLE>,
) -> Answer {
    caller.require(Right::ManageModels)?;
    let import = asked(request.parse().map_err(ApiProblem::invalid)?);
    let dry_run = import.dry_run;
    let taken =
        app.commit(move |app| async move { app.control.import_models(&caller, import).await }).await?;
    Ok(json(StatusCode::OK, &imported(dry_run, taken)))
}

/// The import that was asked for.
pub fn asked(request: ModelImportAsked) -> ModelImport {
    let ModelImportAsked { provider_id, table, supplier, names, overwrite, dry_run } = request;
    let source = table.map_or(TableSource::Builtin, TableSource::Given);
    ModelImport { provider_id, source, supplier, names, overwrite, dry_run }
}

fn imported(dry_run: bool, taken: ImportedModels) -> ImportedModelsView {
    let view = |ImportedModel { model, outcome, listed }: ImportedModel| ImportedModelView {
        outcome,
        listed_price: listed.map(PriceBody::from),
        model: model.into(),
    };
    ImportedModelsView { dry_run, as_of: taken.as_of, models: taken.models.into_iter().map(view).collect() }
}
