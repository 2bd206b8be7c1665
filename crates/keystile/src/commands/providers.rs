//! `keystile providers`: who provides language models.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use keystile_core::{BaseUrl, Clock, Environment, Name, Protocol, ProviderId, Secret};
use keystile_wire::{CreateProvider, Patch, PatchProvider, ProviderView};

use super::context::{Common, Context};
use super::input::{secret_in_file, secret_line};
use super::output::Report;
use super::table::{fields, table};
use super::words::{environment, protocol};
use crate::failure::Failure;

const NOTHING: &str = "nothing is to be changed: name a setting, such as --base-url or --disable";
/// What is asked for on standard input.
const CREDENTIAL: &str = "the provider's key";

/// Manages providers of language models, whose keys stay with the server, through its API. For admins.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  keystile providers create OpenAI --key-file openai.key
  keystile providers create Anthropic --protocol anthropic < anthropic.key
  keystile providers create Ollama --base-url http://10.1.2.3:11434/v1 --environment development < ollama.key
  keystile models import prv_01J8Z3V5N0QK7Y2M4T6B8D9FGH --builtin

The provider's key is kept encrypted, goes to its host alone, and is never shown again.")]
pub(crate) struct ProvidersCommand {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Subcommand)]
enum Action {
    List(List),
    Show(Show),
    Create(Create),
    #[command(visible_alias = "edit")]
    Update(Box<Update>),
    Delete(Delete),
}

/// Lists providers, oldest first.
#[derive(Debug, Args)]
struct List {}

/// Which provider a command is about.
#[derive(Debug, Args)]
struct Which {
    /// Its id, as `keystile providers list` shows it.
    #[arg(value_name = "PROVIDER_ID")]
    id: ProviderId,
}

/// Shows a provider.
#[derive(Debug, Args)]
struct Show {
    #[command(flatten)]
    which: Which,
}

/// Makes a provider. Its key is read from a file, or from the first line of standard input.
#[derive(Debug, Args)]
struct Create {
    /// What people call it; unique in the tenant.
    name: Name,
    /// What it speaks: `openai`, as most do, or `anthropic`.
    #[arg(long, value_name = "PROTOCOL", value_parser = protocol(), default_value = "openai")]
    protocol: Protocol,
    /// What the URLs of its API begin with [default: that of whoever made the protocol].
    #[arg(long, value_name = "URL")]
    base_url: Option<BaseUrl>,
    /// File whose first line is the key that the provider gave you; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Serve only keys of this environment.
    #[arg(long, value_parser = environment())]
    environment: Option<Environment>,
}

/// Changes a provider, or switches it off or on. What you do not name stays as it is.
#[derive(Debug, Args)]
struct Update {
    #[command(flatten)]
    which: Which,
    /// What people call it.
    #[arg(long)]
    name: Option<Name>,
    /// What the URLs of its API begin with; with another host its key is needed again.
    #[arg(long, value_name = "URL")]
    base_url: Option<BaseUrl>,
    /// File whose first line is another key of the provider's; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Serve only keys of this environment.
    #[arg(long, value_parser = environment())]
    environment: Option<Environment>,
    /// Serve keys of all environments.
    #[arg(long, conflicts_with = "environment")]
    all_environments: bool,
    /// Send nothing to it.
    #[arg(long)]
    disable: bool,
    /// Send to it again.
    #[arg(long, conflicts_with = "disable")]
    enable: bool,
    /// Change it only if the record still has this version.
    #[arg(long, value_name = "VERSION")]
    if_version: Option<i64>,
}

/// Takes a provider away that has no models any more.
#[derive(Debug, Args)]
struct Delete {
    #[command(flatten)]
    which: Which,
}

/// Runs `keystile providers …`.
pub(crate) async fn run(command: ProvidersCommand, clock: &dyn Clock) -> Result<ExitCode, Failure> {
    let context = command.common.open(clock).await?;
    let report = match command.action {
        Action::List(_) => list(&context).await,
        Action::Show(show) => show.run(&context).await,
        Action::Create(create) => create.run(&context).await,
        Action::Update(update) => update.run(&context).await,
        Action::Delete(delete) => delete.run(&context).await,
    };
    context.print(report).await
}

async fn list(context: &Context) -> Result<Report, Failure> {
    let tenant = context.session.tenant().await?;
    let listing = context.session.client.providers(tenant).await?;
    context.list(&listing, rows, "There is none. Make one: keystile providers create NAME")
}

impl Show {
    async fn run(self, context: &Context) -> Result<Report, Failure> {
        let tenant = context.session.tenant().await?;
        context.record(&context.session.client.provider(tenant, self.which.id).await?, sheet, None)
    }
}

impl Create {
    async fn run(self, context: &Context) -> Result<Report, Failure> {
        let credential = match &self.key_file {
            Some(file) => secret_in_file(file, CREDENTIAL)?,
            None => secret_line(CREDENTIAL)?,
        };
        let tenant = context.session.tenant().await?;
        let usual = || usual_base_url(self.protocol).to_owned();
        let request = CreateProvider {
            name: self.name.to_string(),
            protocol: self.protocol.to_string(),
            base_url: self.base_url.as_ref().map_or_else(usual, ToString::to_string),
            credential,
            environment: self.environment.map(|environment| environment.to_string()),
            enabled: None,
        };
        let provider = context.session.client.create_provider(tenant, &request).await?;
        let next = format!("It is made. Offer its models: keystile models import {} --builtin", provider.id);
        context.record(&provider, sheet, Some(&next))
    }
}

/// Where whoever made a protocol has its API.
const fn usual_base_url(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::OpenAi => "https://api.openai.com/v1",
        Protocol::Anthropic => "https://api.anthropic.com",
    }
}

impl Update {
    async fn run(self, context: &Context) -> Result<Report, Failure> {
        let id = self.which.id;
        let credential = self.key_file.as_deref().map(|file| secret_in_file(file, CREDENTIAL));
        let request = self.request(credential.transpose()?).ok_or_else(|| Failure::new(NOTHING))?;
        let tenant = context.session.tenant().await?;
        let provider = context.session.client.patch_provider(tenant, id, &request).await?;
        context.record(&provider, sheet, Some("It is changed."))
    }

    fn request(self, credential: Option<Secret>) -> Option<PatchProvider> {
        let name = self.name.map(|name| name.to_string());
        let base_url = self.base_url.map(|url| url.to_string());
        let environment = self.environment.map(|environment| environment.to_string());
        let environment = if self.all_environments { Patch::Clear } else { Patch::from(environment) };
        let enabled = (self.enable || self.disable).then_some(self.enable);
        let nothing = name.is_none()
            && base_url.is_none()
            && credential.is_none()
            && environment == Patch::Keep
            && enabled.is_none();
        let version = self.if_version;
        let request = PatchProvider { name, base_url, credential, environment, enabled, version };
        (!nothing).then_some(request)
    }
}

impl Delete {
    async fn run(self, context: &Context) -> Result<Report, Failure> {
        let id = self.which.id;
        let tenant = context.session.tenant().await?;
        context.session.client.delete_provider(tenant, id).await?;
        let document = serde_json::json!({ "id": id, "is_deleted": true });
        Report::done(context.form(), &document, &format!("{id} is deleted."))
    }
}

fn rows(providers: &[ProviderView]) -> String {
    let row = |provider: &ProviderView| {
        let ProviderView { id, name, protocol, base_url, .. } = provider;
        let state = if provider.enabled { "on" } else { "off" };
        [id.to_string(), name.to_string(), protocol.to_string(), state.to_owned(), base_url.to_string()]
    };
    let rows: Vec<_> = providers.iter().map(row).collect();
    table(["ID", "NAME", "PROTOCOL", "STATE", "BASE URL"], &rows)
}

fn sheet(provider: &ProviderView) -> String {
    let environment =
        provider.environment.map_or_else(|| "all".to_owned(), |environment| environment.to_string());
    let hint = provider.credential_hint.as_ref();
    fields(&[
        ("id", provider.id.to_string()),
        ("name", provider.name.to_string()),
        ("protocol", provider.protocol.to_string()),
        ("base url", provider.base_url.to_string()),
        ("key", hint.map_or_else(|| "kept".to_owned(), |hint| format!("…{hint}"))),
        ("environments", environment),
        ("state", if provider.enabled { "on" } else { "off" }.to_owned()),
        ("made", provider.created_at.to_string()),
        ("changed", provider.updated_at.to_string()),
        ("version", provider.version.to_string()),
    ])
}
