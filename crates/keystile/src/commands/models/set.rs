//! `keystile models create` and `update`.

use clap::{Args, value_parser};
use keystile_core::{Encoding, ModelName, ProviderId};
use keystile_wire::{CreateModel, Patch, PatchModel};

use super::price::PriceFlags;
use super::{Which, sheet};
use crate::commands::context::Context;
use crate::commands::output::Report;
use crate::commands::words::encoding;
use crate::failure::Failure;

const NOTHING: &str = "nothing is to be changed: name a setting, such as --input with --output, or --disable";

/// Offers a model of a provider. For admins.
#[derive(Debug, Args)]
pub(super) struct Create {
    /// Who provides it, as `keystile providers list` shows it.
    #[arg(value_name = "PROVIDER_ID")]
    provider: ProviderId,
    /// What requests call it; unique at its provider.
    name: ModelName,
    /// What requests may call it, too. May be given more than once.
    #[arg(long = "alias", value_name = "NAME")]
    aliases: Vec<ModelName>,
    /// What the provider calls it [default: its name].
    #[arg(long, value_name = "NAME")]
    upstream_name: Option<ModelName>,
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    price: PriceFlags,
}

/// Changes a model, its price, or switches it off or on. What you do not name stays as it is, but a price is given as a whole. For
/// admins.
#[derive(Debug, Args)]
pub(super) struct Update {
    #[command(flatten)]
    which: Which,
    /// What requests may call it, too, instead of what they could. May be given more than once.
    #[arg(long = "alias", value_name = "NAME")]
    aliases: Vec<ModelName>,
    /// Take its further names away.
    #[arg(long, conflicts_with = "aliases")]
    clear_aliases: bool,
    /// What the provider calls it.
    #[arg(long, value_name = "NAME")]
    upstream_name: Option<ModelName>,
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    price: PriceFlags,
    /// Take its price away: it serves no key with a budget any more.
    #[arg(long, conflicts_with = "input")]
    clear_price: bool,
    /// Offer it no more.
    #[arg(long)]
    disable: bool,
    /// Offer it again.
    #[arg(long, conflicts_with = "disable")]
    enable: bool,
    /// Change it only if the record still has this version.
    #[arg(long, value_name = "VERSION")]
    if_version: Option<i64>,
}

/// What a model is made and changed with alike.
#[derive(Debug, Args)]
struct Settings {
    /// Among models of one name those of lower rank are tried first.
    #[arg(long, value_name = "N")]
    rank: Option<u16>,
    /// Size of its context window, in tokens.
    #[arg(long, value_name = "TOKENS", value_parser = value_parser!(u64).range(1..=1_000_000_000))]
    context_window: Option<u64>,
    /// Most tokens of output.
    #[arg(long, value_name = "TOKENS", value_parser = value_parser!(u64).range(1..=1_000_000_000))]
    max_output_tokens: Option<u64>,
    /// How texts become tokens, where that is public.
    #[arg(long, value_parser = encoding())]
    encoding: Option<Encoding>,
}

impl Create {
    pub(super) async fn run(self, context: &Context) -> Result<Report, Failure> {
        let tenant = context.session.tenant().await?;
        let Settings { rank, context_window, max_output_tokens, encoding } = self.settings;
        let request = CreateModel {
            provider_id: self.provider.to_string(),
            name: self.name.to_string(),
            aliases: Some(texts(&self.aliases)),
            upstream_name: self.upstream_name.map(|name| name.to_string()),
            rank,
            context_window,
            max_output_tokens,
            encoding: encoding.map(|encoding| encoding.to_string()),
            price: self.price.given(),
            enabled: None,
        };
        let model = context.session.client.create_model(tenant, &request).await?;
        context.record(&model, sheet, Some("It is made."))
    }
}

impl Update {
    pub(super) async fn run(self, context: &Context) -> Result<Report, Failure> {
        let id = self.which.id;
        let request = self.request().ok_or_else(|| Failure::new(NOTHING))?;
        let tenant = context.session.tenant().await?;
        let model = context.session.client.patch_model(tenant, id, &request).await?;
        context.record(&model, sheet, Some("It is changed."))
    }

    fn request(self) -> Option<PatchModel> {
        let Settings { rank, context_window, max_output_tokens, encoding } = self.settings;
        let aliases = (self.clear_aliases || !self.aliases.is_empty()).then(|| texts(&self.aliases));
        let price = if self.clear_price { Patch::Clear } else { Patch::from(self.price.given()) };
        let enabled = (self.enable || self.disable).then_some(self.enable);
        let named = aliases.is_some() || self.upstream_name.is_some() || rank.is_some();
        let sized = context_window.is_some() || max_output_tokens.is_some() || encoding.is_some();
        let changes = named || sized || price != Patch::Keep || enabled.is_some();
        changes.then_some(PatchModel {
            aliases,
            upstream_name: self.upstream_name.map(|name| name.to_string()),
            rank,
            context_window: context_window.into(),
            max_output_tokens: max_output_tokens.into(),
            encoding: encoding.map(|encoding| encoding.to_string()).into(),
            price,
            enabled,
            version: self.if_version,
        })
    }
}

fn texts(names: &[ModelName]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}
