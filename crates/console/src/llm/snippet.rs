//! Lines that call the gateway with a key, to paste.

use keystile_core::key::ModelPattern;
use keystile_core::{ApiKey, KeyKind};
use keystile_manage::{Caller, ModelQuery};
use keystile_store::Page;

use keystile_web::App;
use keystile_web::api::Answer;

/// A model that many know, where nothing better can be said.
pub(super) const USUAL_MODEL: &str = "gpt-4o-mini";
/// Models that are looked through for one that a key may use.
const LOOKED_AT: u32 = 200;

/// For a shell. The secret is where the answer that showed it told to put it.
pub(super) fn curl(server: &str, model: &str) -> String {
    format!(
        "curl {server}/v1/chat/completions \\\n  \
        -H \"Authorization: Bearer $API_KEY\" -H 'Content-Type: application/json' \\\n  \
        -d '{{\"model\": \"{model}\", \"messages\": [{{\"role\": \"user\", \"content\": \"Hello\"}}]}}'"
    )
}

/// For Python, with OpenAI's own library.
pub(super) fn python(server: &str, model: &str) -> String {
    format!(
        "import os\n\
        from openai import OpenAI\n\n\
        client = OpenAI(base_url=\"{server}/v1\", api_key=os.environ[\"API_KEY\"])\n\
        answer = client.chat.completions.create(\n    \
            model=\"{model}\",\n    \
            messages=[{{\"role\": \"user\", \"content\": \"Hello\"}}],\n\
        )\n\
        print(answer.choices[0].message.content)"
    )
}

/// A model that the key may use: one that is offered, or else one that it names wholly. Nothing in it ends a text of the lines above.
pub(super) async fn model_for(app: &App, caller: &Caller, key: &ApiKey) -> Answer<String> {
    let page = Page { after: None, limit: LOOKED_AT };
    let offered = app.control.models(caller, &ModelQuery::default(), page).await?;
    let offered = offered.iter().filter(|model| model.enabled).map(|model| model.name.as_str());
    let mut usable = offered.filter(|name| key.kind.allows_model(name) && is_plain(name));
    Ok(usable.next().or_else(|| named(key)).unwrap_or(USUAL_MODEL).to_owned())
}

fn named(key: &ApiKey) -> Option<&str> {
    match &key.kind {
        KeyKind::VirtualLlm { allowed_models } => {
            let mut patterns = allowed_models.iter().map(ModelPattern::as_str);
            patterns.find(|pattern| !pattern.ends_with('*') && is_plain(pattern))
        }
        KeyKind::Service { .. } | KeyKind::User { .. } | KeyKind::Ingest => None,
    }
}

fn is_plain(name: &str) -> bool {
    name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._:/@".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_to_paste_are_whole() {
        let curl = curl("https://keys.example.com", "gpt-4o-mini");
        assert!(curl.starts_with("curl https://keys.example.com/v1/chat/completions \\\n  -H \""), "{curl}");
        let (_, body) = curl.split_once("-d '").unwrap();
        let body: serde_json::Value = serde_json::from_str(body.trim_end_matches('\'')).unwrap();
        assert_eq!(body["model"], "gpt-4o-mini");
        let python = python("https://keys.example.com", "m");
        assert!(python.contains("\n    model=\"m\",\n    messages=[{\"role\""), "{python}");
        assert!(python.contains("base_url=\"https://keys.example.com/v1\""), "{python}");
    }

    #[test]
    fn a_name_that_could_end_a_text_is_not_put_into_lines() {
        assert!(is_plain("meta-llama/Llama-3.1-8B") && is_plain("ft:gpt-4o:acme::1"));
        for odd in ["a'b", "a\"b", "a\\b", "$(x)", "{x}"] {
            assert!(!is_plain(odd), "{odd}");
        }
    }
}
