//! `keystile models import`.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use clap::Args;
use keystile_core::llm::{ModelSource, ModelTable};
use keystile_core::{Invalid, ModelName, ProviderId};
use keystile_wire::{ImportModels, ImportedModelView, ImportedModelsView};
use serde_json::{Map, Value};

use super::price::in_short;
use crate::commands::context::Context;
use crate::commands::output::{Form, Report, plain};
use crate::commands::table::table;
use crate::failure::Failure;

/// Takes models and their prices over from a table, all or none. Models that are there already are left as they are, unless you say
/// otherwise. For admins.
#[derive(Debug, Args)]
#[command(after_help = "\
LiteLLM publishes its table, model_prices_and_context_window.json, in its repository on GitHub (BerriAI/litellm).

Prices change: compare them with what your provider asks. Where the table has several prices for one kind of token, as for long
contexts, the highest is taken.")]
pub(super) struct Import {
    /// Whose models they become, as `keystile providers list` shows it.
    #[arg(value_name = "PROVIDER_ID")]
    provider: ProviderId,
    /// File in the form of LiteLLM's `model_prices_and_context_window.json`; `-` is standard input.
    #[arg(required_unless_present = "builtin")]
    file: Option<PathBuf>,
    /// Take the small table that comes with Keystile: common models of OpenAI and Anthropic.
    #[arg(long, conflicts_with = "file")]
    builtin: bool,
    /// Only this model of the table. May be given more than once.
    #[arg(long = "name", value_name = "NAME")]
    names: Vec<ModelName>,
    /// Which entries of the table are meant, by their `litellm_provider` [default: openai or anthropic, as the provider speaks].
    #[arg(long, value_name = "NAME")]
    litellm_provider: Option<String>,
    /// Change models that are there already to what the table says.
    #[arg(long)]
    overwrite: bool,
    /// Write nothing, and tell what would be.
    #[arg(long)]
    dry_run: bool,
}

impl Import {
    pub(super) async fn run(self, context: &Context) -> Result<Report, Failure> {
        let table = self.file.as_deref().map(read).transpose()?;
        if let (Some(table), Some(supplier)) = (&table, &self.litellm_provider) {
            ModelTable::read(table, supplier).map_err(|broken| malformed(&broken))?;
        }
        let names: Vec<_> = self.names.iter().map(ToString::to_string).collect();
        let request = ImportModels {
            provider_id: self.provider.to_string(),
            source: if self.builtin { ModelSource::Builtin } else { ModelSource::Litellm },
            table,
            litellm_provider: self.litellm_provider,
            names: (!names.is_empty()).then_some(names),
            overwrite: self.overwrite.then_some(true),
            dry_run: self.dry_run.then_some(true),
        };
        let tenant = context.session.tenant().await?;
        let imported = context.session.client.import_models(tenant, &request).await?;
        match context.form() {
            Form::Json => Report::json(&imported),
            Form::Text => Ok(told(&imported)),
        }
    }
}

fn read(path: &Path) -> Result<Map<String, Value>, Failure> {
    let unreadable =
        |error: io::Error| Failure::because(format!("{} cannot be read", path.display()), &error);
    let text = if path == Path::new("-") {
        let mut text = String::new();
        io::stdin().lock().read_to_string(&mut text).map(|_| text).map_err(unreadable)?
    } else {
        fs::read_to_string(path).map_err(unreadable)?
    };
    serde_json::from_str(&text)
        .map_err(|error| Failure::because(format!("{} is no table of models", path.display()), &error))
}

/// What the server would tell without the names of entries, which it does not repeat.
fn malformed(broken: &[Invalid]) -> Failure {
    let lines: Vec<_> = broken.iter().map(|invalid| format!("\n  {}", plain(&invalid.to_string()))).collect();
    Failure::new(format!("the table is malformed, and nothing was taken over:{}", lines.concat()))
}

fn told(imported: &ImportedModelsView) -> Report {
    if imported.models.is_empty() {
        return Report::default().note("The table has no model for this provider; see --litellm-provider.");
    }
    let rows: Vec<_> = imported.models.iter().map(row).collect();
    let report = Report::default().data(&table(["NAME", "OUTCOME", "INPUT $/M", "OUTPUT $/M", "ID"], &rows));
    let report = match &imported.as_of {
        Some(day) => report.note(format!(
            "The prices were compared with public lists on {day}: compare them with your provider's."
        )),
        None => report,
    };
    if imported.dry_run { report.note("Nothing was written, as you asked.") } else { report }
}

fn row(imported: &ImportedModelView) -> [String; 5] {
    let model = &imported.model;
    let [input, output] = in_short(model.price.as_ref());
    [model.name.to_string(), imported.outcome.as_str().to_owned(), input, output, model.id.to_string()]
}
