//! Language models: who provides them, what is offered, and what was spent on it.

use serde_json::{Value, json};

use super::keys::SceneKey;
use super::{Asker, text};

/// What there is.
pub(super) struct Llm {
    pub(super) providers: Vec<String>,
    pub(super) models: Vec<String>,
    /// A row of the ledger that was corrected.
    pub(super) charge: String,
    /// A hold that is open.
    pub(super) hold: String,
}

/// What a key has asked: which, what for, how many tokens that took, and what it did cost, in dollars.
type Asked = (&'static str, &'static str, u32, f64);

const ASKED: [Asked; 9] = [
    ("Support assistant", "gpt-4o-mini", 18_400, 0.007),
    ("Support assistant", "claude-sonnet-4-20250514", 9_120, 0.0612),
    ("Support assistant", "gpt-4o-mini", 31_050, 0.0113),
    ("Support assistant", "claude-sonnet-4-20250514", 22_700, 0.1541),
    ("Support assistant (staging)", "gpt-4o-mini", 4_800, 0.0019),
    ("Support assistant (staging)", "claude-sonnet-4-20250514", 2_310, 0.0158),
    ("Contract summaries (staging)", "claude-sonnet-4-20250514", 41_900, 0.2874),
    ("Contract summaries (staging)", "gpt-4o-mini", 12_600, 0.0047),
    ("Contract summaries (staging)", "claude-sonnet-4-20250514", 38_200, 0.2491),
];

/// Makes two providers and four models, and lets three keys spend.
pub(super) async fn make(owner: &Asker, keys: &[SceneKey]) -> Llm {
    let providers = providers(owner).await;
    let models = models(owner, &providers).await;
    for asked in ASKED {
        let hold = owner.hold(keys, asked).await;
        let actual = json!({ "actual": { "tokens": asked.2, "cost_usd": asked.3 } });
        owner.act(&format!("/api/v1/holds/{hold}/settle"), &actual).await;
    }
    let charge = text(&owner.list("/ledger?limit=1").await[0], "id");
    let correction = json!({ "amount_usd": 0.2012, "reason": "the provider gave some of it back" });
    owner.make(&format!("/ledger/{charge}/correct"), &correction).await;
    let hold = owner.hold(keys, ("Support assistant", "claude-sonnet-4-20250514", 9_000, 0.14)).await;
    Llm { providers, models, charge, hold }
}

async fn providers(owner: &Asker) -> Vec<String> {
    let openai = json!({
        "name": "OpenAI", "protocol": "openai", "base_url": "https://api.openai.com/v1",
        "credential": "sk-proj-of-the-scene-and-of-nobody-else",
    });
    let anthropic = json!({
        "name": "Anthropic", "protocol": "anthropic", "base_url": "https://api.anthropic.com",
        "credential": "sk-ant-of-the-scene-and-of-nobody-else", "environment": "production",
    });
    let mut ids = Vec::new();
    for body in [openai, anthropic] {
        ids.push(text(&owner.make("/providers", &body).await, "id"));
    }
    ids
}

async fn models(owner: &Asker, providers: &[String]) -> Vec<String> {
    let price = |input: f64, cached: f64, output: f64| {
        json!({
            "input_usd_per_million": input, "cached_input_usd_per_million": cached, "output_usd_per_million": output,
        })
    };
    let all = [
        json!({ "provider_id": providers[0], "name": "text-embedding-3-small", "context_window": 8_191 }),
        json!({
            "provider_id": providers[0], "name": "gpt-4o", "context_window": 128_000, "max_output_tokens": 16_384,
            "encoding": "o200k_base", "price": price(5.0, 2.5, 15.0),
        }),
        json!({
            "provider_id": providers[1], "name": "claude-sonnet-4-20250514", "aliases": ["claude-sonnet-4"],
            "context_window": 200_000, "max_output_tokens": 64_000, "price": price(3.0, 0.3, 15.0),
        }),
        json!({
            "provider_id": providers[0], "name": "gpt-4o-mini", "aliases": ["small", "fast"],
            "context_window": 128_000, "max_output_tokens": 16_384, "encoding": "o200k_base",
            "price": price(0.15, 0.075, 0.6),
        }),
    ];
    let mut ids = Vec::new();
    for body in all {
        ids.push(text(&owner.make("/models", &body).await, "id"));
    }
    // It was dearer once.
    owner.tell("PATCH", &format!("/models/{}", ids[1]), &json!({ "price": price(2.5, 1.25, 10.0) })).await;
    ids
}

impl Asker {
    /// Asks about a key with an estimate, and gives the hold.
    async fn hold(&self, keys: &[SceneKey], (name, model, tokens, cost): Asked) -> String {
        let key =
            keys.iter().find(|key| key.name == name).unwrap_or_else(|| panic!("no key is called {name}"));
        let question = json!({
            "key": key.secret,
            "environment": key.environment,
            "model": model,
            "estimate": { "tokens": tokens, "cost_usd": cost },
        });
        text(&self.act("/api/v1/keys/verify", &question).await, "hold_id")
    }

    /// What is answered outside of the tenant's own paths.
    async fn act(&self, path: &str, body: &Value) -> Value {
        self.http.json("POST", path, &self.credential, body).await.expect(200)
    }
}
