//! Language models: who provides them, what a tenant offers of them under which names, and what they cost.

mod base_url;
mod builtin;
mod model;
mod name;
mod price;
mod provider;
mod table;
mod upstreams;

use crate::invalid::text_enum;

pub use base_url::BaseUrl;
pub use model::{MAX_ALIASES, MAX_TOKENS, MOST_MODELS, Model, ModelDraft, ModelPatch, PriceVersion};
pub use name::{ModelName, NAME_MAX};
pub use price::{Consumption, PicoUsd, Price};
pub use provider::{
    CREDENTIAL_MAX, MOST_PROVIDERS, Provider, ProviderDraft, ProviderPatch, check_credential, credential_hint,
};
pub use table::{ImportOutcome, MOST_LISTED, ModelSource, ModelTable, TableModel};
pub use upstreams::{Upstream, Upstreams};

text_enum!(
    /// What a provider speaks.
    Protocol {
        /// OpenAI's API, as most others do.
        OpenAi = "openai",
        /// Anthropic's API.
        Anthropic = "anthropic",
    }
);

text_enum!(
    /// How a model's texts become tokens, where that is public.
    Encoding {
        /// Of GPT-3.5, GPT-4 and the embeddings beside them.
        Cl100kBase = "cl100k_base",
        /// Of GPT-4o and what came after it.
        O200kBase = "o200k_base",
    }
);

impl Encoding {
    /// That of a model of OpenAI's with this name, if it is known. Nothing is guessed of names that may come.
    pub fn of_openai(name: &str) -> Option<Self> {
        const O200K: [&str; 7] = ["gpt-4o", "gpt-4.1", "gpt-5", "chatgpt-4o", "o1", "o3", "o4-mini"];
        const CL100K: [&str; 4] = ["gpt-4", "gpt-3.5-turbo", "text-embedding-3", "text-embedding-ada-002"];
        let is_of = |family: &&str| name.strip_prefix(*family).is_some_and(is_variant);
        if O200K.iter().any(is_of) {
            Some(Self::O200kBase)
        } else {
            CL100K.iter().any(is_of).then_some(Self::Cl100kBase)
        }
    }
}

/// Whether a name that goes on so is still of the family: `gpt-4-turbo` is, `gpt-45` is not.
fn is_variant(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_encoding_of_a_known_family_is_known() {
        for (name, encoding) in [
            ("gpt-4o-mini-2024-07-18", Some(Encoding::O200kBase)),
            ("gpt-4.1-nano", Some(Encoding::O200kBase)),
            ("o3-mini", Some(Encoding::O200kBase)),
            ("gpt-5", Some(Encoding::O200kBase)),
            ("gpt-4-turbo", Some(Encoding::Cl100kBase)),
            ("gpt-4", Some(Encoding::Cl100kBase)),
            ("gpt-3.5-turbo-0125", Some(Encoding::Cl100kBase)),
            ("text-embedding-3-small", Some(Encoding::Cl100kBase)),
            ("gpt-45", None),
            ("o11", None),
            ("claude-sonnet-4", None),
        ] {
            assert_eq!(Encoding::of_openai(name), encoding, "{name}");
        }
    }
}
