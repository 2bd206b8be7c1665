//! Taking models and prices over from a table: first it is shown what would be taken, and then it is.

use std::collections::HashSet;

use askama::Template;
use axum::extract::State;
use keystile_core::llm::{ImportOutcome, ModelSource};
use keystile_core::{Invalid, Model};
use keystile_manage::{Caller, ImportedModel, ImportedModels, Right};
use keystile_wire::{ImportModels, ModelListQuery};
use serde_json::{Map, Value};

use super::super::{Choice, price, providers};
use super::for_provider;
use crate::form::{Fields, LongForm, Wrong};
use crate::page::{go_to, page, unprocessable};
use crate::shell::Shell;
use crate::sought::Sought;
use crate::visitor::Inside;
use crate::{assets, parts};
use keystile_web::App;
use keystile_web::api::Answer;
use keystile_web::api::models::asked;
use keystile_web::problem::ApiProblem;

/// What the form shows a rule for.
const SHOWN: &[&str] = &["provider_id", "source", "table", "litellm_provider", "names"];

#[derive(Template)]
#[template(path = "llm/import.html")]
struct Import {
    shell: Shell,
    providers: Vec<Choice>,
    typed: Fields,
    wrong: Wrong,
}

#[derive(Template)]
#[template(path = "llm/import_preview.html")]
struct Preview {
    shell: Shell,
    /// Whose models they become.
    provider: String,
    typed: Fields,
    /// Of the table, what is meant; empty for the one that comes with Keystile.
    table: String,
    as_of: Option<String>,
    rows: Vec<Row>,
}

/// A model of the table.
struct Row {
    model: Model,
    outcome: ImportOutcome,
    /// What the table says of its price.
    listed: Option<String>,
    /// What it costs now, where that is something else and stays.
    kept: Option<String>,
}

impl Row {
    fn of(imported: ImportedModel) -> Self {
        let ImportedModel { model, outcome, listed } = imported;
        let kept = if outcome == ImportOutcome::Kept { model.price.as_ref().map(price::brief) } else { None };
        Self { listed: listed.as_ref().map(price::brief), outcome, kept, model }
    }

    /// Whether there is anything to take over.
    fn is_taken(&self) -> bool {
        match self.outcome {
            ImportOutcome::Made | ImportOutcome::Changed => true,
            ImportOutcome::Unchanged | ImportOutcome::Kept => false,
        }
    }
}

impl Preview {
    fn has_any(&self) -> bool {
        self.rows.iter().any(Row::is_taken)
    }

    /// What would come of it, in a sentence.
    fn told(&self) -> String {
        let count = |outcome: ImportOutcome| self.rows.iter().filter(|row| row.outcome == outcome).count();
        let (made, changed) = (count(ImportOutcome::Made), count(ImportOutcome::Changed));
        let (same, kept) = (count(ImportOutcome::Unchanged), count(ImportOutcome::Kept));
        format!(
            "{made} new, {changed} to be changed, {same} the same already, {kept} something else and left as they are."
        )
    }

    /// Back to the form.
    fn back(&self) -> String {
        self.shell.path(&format!("models/import?provider_id={}", self.typed.text("provider_id")))
    }
}

impl Import {
    async fn new(app: &App, (caller, shell): (&Caller, Shell), typed: Fields, wrong: Wrong) -> Answer<Self> {
        let providers = providers::choices(app, caller).await?;
        Ok(Self { shell, providers, typed, wrong })
    }

    fn is_from_file(&self) -> bool {
        is_from_file(&self.typed)
    }
}

/// The form, for the provider that the query names.
pub(super) async fn ask(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    Sought { query, .. }: Sought<ModelListQuery>,
) -> Answer {
    caller.require(Right::ManageModels)?;
    page(&Import::new(&app, (&caller, shell), for_provider(&query), Wrong::default()).await?)
}

/// Shows what would be taken over, or takes it.
pub(super) async fn import(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    LongForm(typed): LongForm,
) -> Answer {
    caller.require(Right::ManageModels)?;
    let takes = typed.text("act") == "take";
    let done =
        if takes { taken(&app, &caller, &typed).await } else { previewed(&app, &caller, &typed).await };
    match done {
        Ok(Done::Taken) => {
            let path = format!("models?provider_id={}&told=models-imported", typed.text("provider_id"));
            go_to(&shell.path(&path), shell.surroundings)
        }
        Ok(Done::Previewed { provider, table, imported }) => {
            let (rows, as_of) = (imported.models.into_iter().map(Row::of).collect(), imported.as_of);
            page(&Preview { shell, provider, typed, table, as_of, rows })
        }
        Err(problem) => {
            let wrong = Wrong::mendable(problem)?;
            unprocessable(&Import::new(&app, (&caller, shell), typed, wrong).await?)
        }
    }
}

/// What came of the form.
enum Done {
    Taken,
    Previewed { provider: String, table: String, imported: ImportedModels },
}

async fn previewed(app: &App, caller: &Caller, typed: &Fields) -> Answer<Done> {
    let table = table(typed)?;
    let request = ImportModels { dry_run: Some(true), names: None, ..request(typed, table.clone()) };
    let imported = carry_out(app, caller, request).await?;
    let choices = providers::choices(app, caller).await?;
    let chosen = choices.into_iter().find(|choice| choice.id == typed.text("provider_id"));
    let provider = chosen.map(|choice| choice.name).unwrap_or_default();
    let table = table.map(|table| narrowed(table, &imported)).transpose()?.unwrap_or_default();
    Ok(Done::Previewed { provider, table, imported })
}

async fn taken(app: &App, caller: &Caller, typed: &Fields) -> Answer<Done> {
    let names = typed.all("names");
    if names.is_empty() {
        return Err(Invalid::new("names", "were none: tick what is to be taken over").into());
    }
    let request = ImportModels { names: Some(names), ..request(typed, table(typed)?) };
    carry_out(app, caller, request).await?;
    Ok(Done::Taken)
}

async fn carry_out(app: &App, caller: &Caller, request: ImportModels) -> Answer<ImportedModels> {
    let import = asked(request.parse().map_err(ApiProblem::invalid)?);
    let caller = caller.clone();
    let work = move |app: App| async move { app.control.import_models(&caller, import).await };
    Ok(app.commit(work).await?)
}

fn request(typed: &Fields, table: Option<Map<String, Value>>) -> ImportModels {
    let source = if is_from_file(typed) { ModelSource::Litellm } else { ModelSource::Builtin };
    ImportModels {
        provider_id: typed.text("provider_id").to_owned(),
        source,
        table,
        litellm_provider: typed.filled("litellm_provider").filter(|_| is_from_file(typed)),
        names: None,
        overwrite: Some(typed.is_ticked("overwrite")),
        dry_run: None,
    }
}

fn is_from_file(typed: &Fields) -> bool {
    typed.text("source") == ModelSource::Litellm.as_str()
}

/// The table that was pasted; none if that which comes with Keystile is meant.
fn table(typed: &Fields) -> Result<Option<Map<String, Value>>, Invalid> {
    if !is_from_file(typed) {
        return Ok(None);
    }
    let read = serde_json::from_str(typed.text("table"));
    let broken = |error: serde_json::Error| format!("must be the JSON object of that file: {error}");
    read.map(Some).map_err(|error| Invalid::new("table", broken(error)))
}

/// What the table says of these models alone: all that has to be sent again.
fn narrowed(mut table: Map<String, Value>, imported: &ImportedModels) -> Answer<String> {
    let names: HashSet<&str> = imported.models.iter().map(|one| one.model.name.as_str()).collect();
    // A name may stand there behind that of its supplier.
    let is_behind = |key: &str| key.match_indices('/').any(|(at, _)| names.contains(&key[at + 1..]));
    table.retain(|key, _| names.contains(key.as_str()) || is_behind(key));
    serde_json::to_string(&table).map_err(|_| ApiProblem::internal())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LITELLM: &str = ModelSource::Litellm.as_str();

    #[test]
    fn what_comes_with_keystile_needs_no_table_and_a_file_does() {
        assert_eq!(table(&Fields::from([("source", "builtin"), ("table", "{")])), Ok(None));
        let broken = table(&Fields::from([("source", LITELLM), ("table", "[1]")])).unwrap_err();
        assert_eq!(broken.field, "table");
        let read = table(&Fields::from([("source", LITELLM), ("table", "{\"m\": {}}")])).unwrap();
        assert!(read.unwrap().contains_key("m"));
    }

    #[test]
    fn a_request_says_what_the_form_does() {
        let fields = [("provider_id", "p"), ("source", "builtin"), ("litellm_provider", "azure")];
        let said = request(&Fields::from(fields), None);
        assert_eq!((said.source, said.litellm_provider), (ModelSource::Builtin, None));
        assert_eq!((said.overwrite, said.dry_run), (Some(false), None));
        let fields = [("source", LITELLM), ("litellm_provider", "azure"), ("overwrite", "yes")];
        let said = request(&Fields::from(fields), Some(Map::new()));
        assert_eq!((said.litellm_provider.as_deref(), said.overwrite), (Some("azure"), Some(true)));
    }
}
