//! A server whose gateway leads to a mock of providers, and what is asked of it.

use keystile_mock::{Billed, MockLlm, MockSettings, Usage};
use keystile_testkit::http::Answer;
use keystile_testkit::server::Plan;
use keystile_testkit::virtual_key::VirtualKey;
use keystile_testkit::wait::eventually;
use serde_json::{Value, json};

use crate::world::{KEYSTILE, World, text};

/// The credential that the mock takes; no client has it.
pub(crate) const CREDENTIAL: &str = "sk-of-the-upstream-and-of-nobody-else";
/// A dollar.
pub(crate) const DOLLAR: u64 = 1_000_000_000;

/// A price of tokens, in dollars per million.
fn of_tokens(input: f64, output: f64) -> Value {
    json!({
        "input_usd_per_million": input, "cached_input_usd_per_million": input / 2.0,
        "cache_write_usd_per_million": input * 1.25, "output_usd_per_million": output,
    })
}

/// What models cost here, unless a test says otherwise; see [`cost`].
fn price() -> Value {
    let mut price = of_tokens(1.0, 2.0);
    price["image_usd"] = 0.04.into();
    price["character_usd_per_million"] = 15.0.into();
    price["second_usd"] = 0.0001.into();
    price
}

/// A price at which a dollar is some thousand tokens of output; see [`dear_cost`].
pub(crate) fn dear() -> Value {
    of_tokens(100.0, 1_000.0)
}

/// Ten times the usual price of tokens.
pub(crate) fn tenfold() -> Value {
    of_tokens(10.0, 20.0)
}

/// What a request costs at the usual price, in nano-dollars, rounded up over the sum.
pub(crate) fn cost(used: &Usage) -> u64 {
    let picos = used.input * 1_000_000
        + used.cached_input * 500_000
        + used.cache_write * 1_250_000
        + used.output * 2_000_000
        + used.images * 40_000_000_000
        + used.characters * 15_000_000
        + used.audio_millis * 100_000;
    picos.div_ceil(1_000)
}

/// What a request costs at the price of [`dear`], in nano-dollars.
pub(crate) fn dear_cost(used: &Usage) -> u64 {
    used.input * 100_000 + used.cached_input * 50_000 + used.cache_write * 125_000 + used.output * 1_000_000
}

/// Nano-dollars, as the API writes them in dollars.
#[track_caller]
pub(crate) fn nanos(dollars: &Value) -> u64 {
    let dollars = dollars.as_f64().unwrap_or_else(|| panic!("{dollars} is no amount of dollars"));
    (dollars * 1e9).round() as u64
}

/// A server, and the mock that its gateway leads to.
pub(crate) struct Llm {
    pub(crate) world: World,
    pub(crate) mock: MockLlm,
    /// The ids of the providers by protocol: both are the mock.
    pub(crate) open_ai: String,
    pub(crate) anthropic: String,
}

impl Llm {
    /// On the engine that is chosen, or on SQLite.
    pub(crate) async fn start() -> Self {
        Self::of(World::start().await).await
    }

    /// The same with further flags of the server.
    pub(crate) async fn with(flags: &[(&str, &str)]) -> Self {
        let plan = flags.iter().fold(Plan::dev(KEYSTILE), |plan, (name, value)| plan.flag(name, value));
        Self::of(World::of(plan.start()).await).await
    }

    pub(crate) async fn of(world: World) -> Self {
        let settings = MockSettings { credential: Some(CREDENTIAL.to_owned()), ..MockSettings::default() };
        let mock = MockLlm::start(settings).unwrap();
        let url = mock.url();
        let mut llm = Self { world, mock, open_ai: String::new(), anthropic: String::new() };
        llm.open_ai = llm.provider("Open mock", "openai", &format!("{url}/v1")).await;
        llm.anthropic = llm.provider("Other mock", "anthropic", &url).await;
        llm
    }

    /// Makes a provider, and gives its id.
    pub(crate) async fn provider(&self, name: &str, protocol: &str, base_url: &str) -> String {
        let body =
            json!({ "name": name, "protocol": protocol, "base_url": base_url, "credential": CREDENTIAL });
        let path = format!("{}/providers", self.world.tenant());
        text(&self.world.ask("POST", &path, &body).await.expect(201), "id").to_owned()
    }

    /// Makes a model of OpenAI's protocol: the name by which it is asked for, and that at the upstream, which says how the mock behaves.
    pub(crate) async fn model(&self, name: &str, upstream: &str) -> Value {
        self.model_of(&self.open_ai, name, upstream, &json!({})).await
    }

    /// Makes a model of Anthropic's protocol.
    pub(crate) async fn anthropic_model(&self, name: &str, upstream: &str) -> Value {
        self.model_of(&self.anthropic, name, upstream, &json!({})).await
    }

    /// Makes a model of a provider; `more` are further members, and may replace the others.
    pub(crate) async fn model_of(&self, provider: &str, name: &str, upstream: &str, more: &Value) -> Value {
        let mut body = json!({
            "provider_id": provider, "name": name, "upstream_name": upstream, "price": price(),
            "context_window": 100_000, "max_output_tokens": 4_096,
        });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let path = format!("{}/models", self.world.tenant());
        self.world.ask("POST", &path, &body).await.expect(201)
    }

    /// Makes a key that may use every model here; `more` are its limits and whatever else.
    pub(crate) async fn key(&self, more: &Value) -> VirtualKey {
        let mut body = json!({ "name": "llm", "kind": "virtual_llm", "allowed_models": ["mock*"] });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let made = self.world.create(&body).await;
        VirtualKey::new(&self.world.http, text(&made, "id"), text(&made, "secret"))
    }

    /// Changes a key.
    pub(crate) async fn change(&self, key: &VirtualKey, patch: &Value) {
        self.world.change("PATCH", &key.id, "", patch).await.expect(200);
    }

    /// The key's record.
    pub(crate) async fn record(&self, key: &VirtualKey) -> Value {
        self.world.read(&format!("{}/{}", self.world.keys(), key.id)).await
    }

    /// All rows of the ledger for a key, the last first.
    pub(crate) async fn ledger(&self, key: &VirtualKey) -> Vec<Value> {
        self.all(&format!("{}/ledger?key_id={}", self.world.tenant(), key.id)).await
    }

    /// The holds of a key that are open.
    pub(crate) async fn open_holds(&self, key: &VirtualKey) -> Vec<Value> {
        self.all(&format!("{}/holds?key_id={}", self.world.tenant(), key.id)).await
    }

    /// What was spent, by `key`, `model`, `customer`, `application` or `day`.
    pub(crate) async fn spend(&self, by: &str) -> Vec<Value> {
        let path = format!("{}/spend?by={by}", self.world.tenant());
        self.world.read(&path).await["data"].as_array().unwrap().clone()
    }

    /// All pages of a list.
    async fn all(&self, path: &str) -> Vec<Value> {
        let (mut all, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = self.world.read(&format!("{path}&limit=200{cursor}")).await;
            all.extend(page["data"].as_array().unwrap().clone());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return all,
            }
        }
    }

    /// Waits until nothing of a key is held any more and the ledger has so many rows for it; they come, the last first.
    pub(crate) async fn settled(&self, key: &VirtualKey, rows: usize) -> Vec<Value> {
        let look = async || {
            let ledger = self.ledger(key).await;
            (ledger.len() >= rows && self.open_holds(key).await.is_empty()).then_some(ledger)
        };
        let ledger = eventually("all to be settled", look).await;
        assert_eq!(ledger.len(), rows, "{ledger:?}");
        ledger
    }

    /// The only bill of the mock, and the only row of the ledger for it.
    pub(crate) async fn only_charge(&self, key: &VirtualKey) -> (Billed, Value) {
        let ledger = self.settled(key, 1).await;
        let billed = async || self.mock.billed().pop();
        (eventually("the bill", billed).await, ledger[0].clone())
    }

    /// Waits until each request that the mock got is billed, and gives the bills.
    pub(crate) async fn bills(&self) -> Vec<Billed> {
        let look = async || Some(self.mock.billed()).filter(|bills| bills.len() == self.mock.asked().len());
        eventually("the mock to bill all", look).await
    }
}

/// Asks for a chat again and again until it is refused: how often it was served, and the refusal. What is served may be clamped, so that
/// the last ones are short.
pub(crate) async fn until_refused(key: &VirtualKey, model: &str, more: &Value) -> (usize, Answer) {
    const MOST: usize = 200;
    for served in 0..MOST {
        let answer = key.chat(model, more).await;
        if answer.status != 200 {
            return (served, answer);
        }
    }
    panic!("{MOST} requests were served, and none refused");
}

/// What a row of the ledger charges, in nano-dollars.
#[track_caller]
pub(crate) fn charged(row: &Value) -> u64 {
    nanos(&row["cost_usd"])
}

/// What was held for a row of the ledger, in nano-dollars.
#[track_caller]
pub(crate) fn held(row: &Value) -> u64 {
    nanos(&row["held_usd"])
}

/// What all rows of the ledger charge, in nano-dollars.
pub(crate) fn sum(ledger: &[Value]) -> u64 {
    ledger.iter().map(charged).sum()
}

/// Checks an error in OpenAI's shape.
#[track_caller]
pub(crate) fn assert_error(answer: &Answer, status: u16, kind: &str, code: &str) {
    let error = &answer.json["error"];
    let told = (answer.status, error["type"].as_str(), error["code"].as_str());
    assert_eq!(told, (status, Some(kind), Some(code)), "{}", answer.text);
    assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{}", answer.text);
    assert!(!answer.header("x-request-id").is_empty(), "{:?}", answer.headers);
}

/// Checks an error in Anthropic's shape.
#[track_caller]
pub(crate) fn assert_anthropic(answer: &Answer, status: u16, kind: &str) {
    let (own, error) = (answer.json["type"].as_str(), &answer.json["error"]);
    let told = (answer.status, own, error["type"].as_str());
    assert_eq!(told, (status, Some("error"), Some(kind)), "{}", answer.text);
    assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{}", answer.text);
    // Where the SDKs of Anthropic look for it.
    assert_eq!(answer.json["request_id"], answer.header("request-id"), "{:?}", answer.headers);
    assert!(!answer.header("request-id").is_empty(), "{:?}", answer.headers);
}

/// Checks that a budget is exhausted, and that clients are told not to try again.
#[track_caller]
pub(crate) fn assert_exhausted(answer: &Answer) {
    assert_error(answer, 429, "insufficient_quota", "insufficient_quota");
    assert_eq!(answer.header("x-should-retry"), "false", "{:?}", answer.headers);
}
