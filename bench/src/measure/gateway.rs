//! The LLM gateway beside a proxy that does nothing but pass on, both before the same upstream, which shares the load's core.

use anyhow::{Result, ensure};
use serde_json::json;

use super::say;
use crate::client::Client;
use crate::plan::Plan;
use crate::server::Server;
use crate::table::{Row, median};
use crate::world::World;
use crate::wrk::{Load, Run};

/// Mean pause of each of 64 clients where latency is measured, in milliseconds: 1,600 requests a second.
const MODERATE_PAUSE: usize = 40;
/// Seconds of each kind of answer, in turns, while memory is looked at: streamed answers come more slowly.
const TURN: [u64; 2] = [3, 1];
/// Limits and a budget that are counted and never full.
const RPM: u64 = 1_000_000_000;
const TPM: u64 = 1_000_000_000;
const BUDGET_USD: f64 = 1_000_000.0;

/// Both ways of one load, in turns.
struct Pair {
    name: &'static str,
    load: Load,
    bare: Vec<Run>,
    keystile: Vec<Run>,
}

/// Whole and streamed answers, as fast as they come and at a moderate rate.
pub(super) async fn rows(world: &World, plan: Plan) -> Result<Vec<Row>> {
    say("the LLM gateway");
    let upstream = Server::upstream().await?;
    let proxy = Server::proxy(&upstream).await?;
    let keystile = world.serve(&["--gateway-upstreams-private", "127.0.0.0/8"]).await?;
    let key = offer(world, &keystile, &upstream).await?;
    let mut pairs = Vec::new();
    for (name, moderate, streams) in
        [("whole", "whole, moderate rate", false), ("streamed", "streamed, moderate rate", true)]
    {
        let load = Load::of(world.chat(&key, streams)?);
        let slow = Load { pause: MODERATE_PAUSE, ..load.clone() };
        pairs.extend([(name, load), (moderate, slow)].map(|(name, load)| Pair {
            name,
            load,
            bare: Vec::new(),
            keystile: Vec::new(),
        }));
    }
    for _ in 0..plan.rounds {
        for pair in &mut pairs {
            pair.bare.push(pair.load.run(&proxy, plan.seconds)?);
            pair.keystile.push(pair.load.run(&keystile, plan.seconds)?);
            // What it charged is written on the core of the proxy.
            keystile.settled().await?;
        }
    }
    let refused = pairs.iter().flat_map(|pair| &pair.keystile).any(|run| run.refused > 0.0);
    ensure!(!refused, "the gateway refused requests");
    let peaks = (proxy.memory()?.1, keystile.memory()?.1);
    let mut rows: Vec<Row> = pairs.iter().flat_map(|pair| pair.rows(peaks)).collect();
    let loads = [world.chat(&key, false)?, world.chat(&key, true)?].map(Load::of);
    rows.push(growth(&keystile, &loads, plan).await?);
    Ok(rows)
}

/// What the gateway has of memory after a tenth of many requests, after half of them, and after all.
async fn growth(keystile: &Server, loads: &[Load; 2], plan: Plan) -> Result<Row> {
    let all = f64::from(plan.gateway_requests);
    let (mut passed, mut seen) = (0.0, Vec::new());
    for mark in [all / 10.0, all / 2.0, all] {
        while passed < mark {
            for (load, seconds) in loads.iter().zip(TURN) {
                let run = load.run(keystile, seconds)?;
                ensure!(run.refused == 0.0, "the gateway refused requests");
                passed += run.requests;
            }
        }
        keystile.settled().await?;
        seen.push(format!("{:.1} MiB after {passed:.0}", keystile.memory()?.0));
    }
    Ok(Row {
        name: "LLM gateway, whole and streamed, memory".to_owned(),
        peak: Some(keystile.memory()?.1),
        note: seen.join(", "),
        ..Row::default()
    })
}

impl Pair {
    fn rows(&self, (of_proxy, of_keystile): (f64, f64)) -> [Row; 2] {
        let added = |figure: fn(&Run) -> f64| {
            median(self.keystile.iter().map(figure)) - median(self.bare.iter().map(figure))
        };
        let against = |figure: fn(&Run) -> f64| {
            let pairs = self.keystile.iter().zip(&self.bare);
            (self.load.pause == 0).then(|| median(pairs.map(|(own, bare)| figure(own) / figure(bare))))
        };
        let bare = Row::of(format!("bare proxy to an LLM, {}", self.name), &self.bare);
        let own = Row::of(format!("LLM gateway, {}", self.name), &self.keystile);
        let note = format!(
            "of the bare proxy; adds {:.0} µs at p50, {:.0} µs at p99; {}",
            added(|run| run.p50),
            added(|run| run.p99),
            own.note
        );
        [
            Row { peak: Some(of_proxy), ..bare },
            Row {
                ratio: against(|run| run.per_second),
                ratio_by_cpu: against(|run| 1.0 / (run.user + run.system)),
                peak: Some(of_keystile),
                note,
                ..own
            },
        ]
    }
}

/// Makes a provider, a model with a price, and a key that may use it; tells the key.
async fn offer(world: &World, keystile: &Server, upstream: &Server) -> Result<String> {
    let mut client = Client::connect(keystile.address()).await?;
    let (bearer, tenant) = (world.bearer(), format!("/api/v1/tenants/{}", world.tenant_id()));
    let provider = json!({ "name": "Bench", "protocol": "openai", "credential": "sk-upstream",
        "base_url": format!("http://{}/v1", upstream.address()) });
    let provider = client.post(&format!("{tenant}/providers"), &bearer, &provider).await?.text("/id")?;
    let model = json!({ "name": "bench", "provider_id": provider, "context_window": 128_000,
        "max_output_tokens": 4_096, "price": { "input_usd_per_million": 0.15, "output_usd_per_million": 0.6 } });
    client.post(&format!("{tenant}/models"), &bearer, &model).await?.json()?;
    let key = json!({ "name": "LLM", "environment": "production", "kind": "virtual_llm",
        "allowed_models": ["bench"], "rpm_limit": RPM, "tpm_limit": TPM, "max_budget_usd": BUDGET_USD });
    world.issue(keystile, &key).await
}
