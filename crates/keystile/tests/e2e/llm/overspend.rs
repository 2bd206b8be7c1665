//! 200 concurrent calls on a $1 key: whatever they cost and however they end, the sum charged is at most a dollar, and at least what
//! the upstream billed.

use keystile_testkit::virtual_key::{VirtualKey, chat};
use keystile_testkit::wait::eventually;
use serde_json::{Value, json};

use super::random::Random;
use super::world::{DOLLAR, Llm, dear, dear_cost, nanos, sum};

const CALLS: u64 = 200;
/// Rounds, each with a key of its own; `KEYSTILE_LLM_ROUNDS` makes them a thousand.
const ROUNDS: u64 = 4;
/// The most that a server leases at once of a budget of a dollar, in nano-dollars: some seconds of spending, and never less than a
/// request needs. The charges may be so far below the bills when an upstream breaks off after it has made more than it sent.
const LEASE: u64 = DOLLAR / 4;
/// How the mock behaves: random costs, usage of every sort, streams that are cut and upstreams that fail.
const BEHAVIOURS: &[&str] = &[
    "",
    "+tokens=3",
    "+tokens=90",
    "+tokens=200",
    "+slow=5",
    "+cached",
    "+reasoning",
    "+usage-missing",
    "+usage-twice",
    "+cut=4",
    "+error-500",
    "+error-after=3",
];

/// What one client does.
#[derive(Debug, Clone)]
struct Call {
    model: String,
    most: u64,
    /// How many events it reads of a stream before it leaves; nothing if it wants a whole answer.
    reads: Option<u64>,
}

impl Call {
    fn any(random: &mut Random) -> Self {
        let reads = match random.below(3) {
            0 => None,
            1 => Some(random.below(12)),
            _ => Some(u64::MAX),
        };
        Self { model: name(random.one_of(BEHAVIOURS)), most: 1 + random.below(120), reads }
    }

    /// Asks and reads, whether the server lives or not. Whatever is answered is in order, but never 401.
    async fn run(self, key: VirtualKey) {
        let more = json!({ "max_tokens": self.most, "stream": self.reads.is_some() });
        let body = chat(&self.model, &more);
        let Ok(mut stream) = key.try_open("/v1/chat/completions", &body).await else { return };
        assert_ne!(stream.status, 401, "{self:?}");
        for _ in 0..self.reads.unwrap_or(u64::MAX) {
            if !matches!(stream.try_event().await, Ok(Some(_))) {
                return;
            }
        }
    }
}

/// The name of the model that behaves so.
fn name(behaviour: &str) -> String {
    format!("mock{}", behaviour.replace(['+', '='], "-"))
}

async fn with_models() -> Llm {
    let llm = Llm::start().await;
    for behaviour in BEHAVIOURS {
        let upstream = format!("mock{behaviour}");
        let priced = json!({ "price": dear() });
        llm.model_of(&llm.open_ai, &name(behaviour), &upstream, &priced).await;
    }
    llm
}

/// Whether the server is killed in the middle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Server {
    Lives,
    IsKilled,
}

async fn round(llm: &mut Llm, server: Server, random: &mut Random) {
    let key = llm.key(&json!({ "max_budget_usd": 1.0 })).await;
    llm.mock.reset();
    let calls: Vec<_> = (0..CALLS).map(|_| tokio::spawn(Call::any(random).run(key.clone()))).collect();
    if server == Server::IsKilled {
        let count = 2 + random.below(10);
        let begun = async || (llm.mock.asked().len() as u64 >= count).then_some(());
        eventually("some calls to have begun", begun).await;
        llm.world.server.kill();
    }
    for call in calls {
        call.await.unwrap();
    }
    if server == Server::IsKilled {
        llm.world.start_again();
    }
    judge(llm, &key, server).await;
}

async fn judge(llm: &Llm, key: &VirtualKey, server: Server) {
    let billed: u64 = bills(llm).await.iter().sum();
    // Holds come first: what is charged after they were looked at had none then, and is in all that is read later or in none of it.
    let look = async || {
        let is_quiet = llm.open_holds(key).await.is_empty();
        let ledger = llm.ledger(key).await;
        let spent = nanos(&llm.record(key).await["spend_usd"]);
        let summed = spent_by(llm, key).await;
        let is_done = is_quiet && sum(&ledger) == spent && sum(&ledger) == summed;
        (is_done && sum(&ledger) + LEASE >= billed).then_some(ledger)
    };
    let ledger =
        eventually("what was billed to be charged alike everywhere, and nothing to be held", look).await;
    let charged = sum(&ledger);
    assert!(
        charged <= DOLLAR,
        "{charged} of {DOLLAR} nano-dollars are charged, {billed} were billed: {server:?}"
    );
    // All ask at once, and what is held of those that come first refuses the others; in the end most of it may have been too much.
    let is_used = charged > DOLLAR / 10;
    assert!(is_used || server == Server::IsKilled, "{charged} nano-dollars are too few for {CALLS} calls");
}

/// What the sums of spending say of the key, in nano-dollars.
async fn spent_by(llm: &Llm, key: &VirtualKey) -> u64 {
    let rows: Vec<Value> = llm.spend("key").await;
    rows.iter().find(|row| row["name"] == key.id.as_str()).map_or(0, |row| nanos(&row["cost_usd"]))
}

/// What each request costs that was billed. Upstreams that fail at once bill nothing.
async fn bills(llm: &Llm) -> Vec<u64> {
    let is_billed = |body: &Value| body["model"].as_str().is_none_or(|model| !model.contains("error-500"));
    let look = async || {
        let asked = llm.mock.asked().iter().filter(|asked| is_billed(&asked.json())).count();
        Some(llm.mock.billed()).filter(|billed| billed.len() == asked)
    };
    let billed = eventually("the mock to bill all", look).await;
    billed.iter().map(|billed| dear_cost(&billed.usage)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sum_charged_to_a_one_dollar_key_with_200_concurrent_calls_is_at_most_a_dollar() {
    let rounds = std::env::var_os("KEYSTILE_LLM_ROUNDS").and_then(|text| text.to_str()?.parse().ok());
    let mut llm = with_models().await;
    for number in 0..rounds.unwrap_or(ROUNDS) {
        let server = if number.is_multiple_of(2) { Server::Lives } else { Server::IsKilled };
        round(&mut llm, server, &mut Random::of(number)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_calls_that_each_fit_alone_do_not_fit_together() {
    let llm = with_models().await;
    let key = llm.key(&json!({ "max_budget_usd": 1.0 })).await;
    let calls: Vec<_> = (0..CALLS)
        .map(|_| {
            let key = key.clone();
            tokio::spawn(async move { key.chat("mock", &json!({ "max_tokens": 32 })).await })
        })
        .collect();
    let (mut served, mut refused) = (0, 0);
    for call in calls {
        match call.await.unwrap().status {
            200 => served += 1,
            429 => refused += 1,
            other => panic!("{other} instead of 200 or 429"),
        }
    }
    // Each costs some 0.033 dollars, so thirty fit, and nearly as many once holds are settled to what was used; answers that come last
    // are cut to what is left, down to half.
    assert!((20..=32).contains(&served), "{served} were served, {refused} refused");
    while key.chat("mock", &json!({ "max_tokens": 32 })).await.status == 200 {
        served += 1;
    }
    assert!((25..=32).contains(&served), "{served} were served in the end");
    let ledger = llm.settled(&key, served).await;
    let billed: u64 = llm.bills().await.iter().map(|billed| dear_cost(&billed.usage)).sum();
    assert_eq!(sum(&ledger), billed);
    assert!(billed <= DOLLAR, "{billed}");
}
