//! What a request costs three nodes, beside what it costs one server that serves alone.

use anyhow::{Result, ensure};
use keystile_core::limit::MAX_COUNT;
use serde_json::{Value, json};

use super::beside::Beside;
use super::nodes::{CONNECTIONS, NODES, Nodes};
use super::say;
use crate::plan::Plan;
use crate::server::Server;
use crate::table::{Row, median};
use crate::world::{World, with_keys};
use crate::wrk::{Load, Order, Run};

/// Requests a minute that no machine makes here, but which are within sight of it: a million a second.
const RPM: u64 = 60_000_000;

/// One server without `--cluster`.
pub(super) struct Alone<'w> {
    world: &'w World,
    server: Server,
}

impl<'w> Alone<'w> {
    pub(super) async fn start(world: &'w World) -> Result<Self> {
        Ok(Self { world, server: world.serve(&[]).await? })
    }
}

/// One kind of key, asked for in turns.
struct Contest {
    name: &'static str,
    /// The most that a request may cost three nodes, in costs of one server.
    goal: f64,
    /// Over as many connections as to all nodes together.
    to_alone: Load,
    to_nodes: Load,
    alone: Vec<Run>,
    nodes: Vec<Run>,
    beside: Beside,
}

/// A key without limits, and one with two.
pub(super) async fn rows(nodes: &Nodes<'_>, alone: &Alone<'_>, plan: Plan) -> Result<Vec<Row>> {
    say("one server and three nodes in turns");
    let mut contests = [
        Contest::prepare("one key without limits", 1.15, json!({}), nodes, alone).await?,
        Contest::prepare("one key with two limits", 1.5, two_limits(), nodes, alone).await?,
    ];
    alone.server.settled().await?;
    nodes.settled().await?;
    for _ in 0..plan.rounds {
        for contest in &mut contests {
            contest.take_turns(nodes, alone, plan.seconds).await?;
        }
    }
    let peaks = (alone.server.memory()?.1, nodes.peak()?);
    Ok(contests.iter().flat_map(|contest| contest.rows(peaks)).collect())
}

fn two_limits() -> Value {
    let daily = json!({ "name": "daily", "limit": MAX_COUNT, "window_seconds": 86_400 });
    json!({ "rpm_limit": RPM, "rate_limits": [daily] })
}

impl Contest {
    /// Makes the key on both sides.
    async fn prepare(
        name: &'static str,
        goal: f64,
        limits: Value,
        nodes: &Nodes<'_>,
        alone: &Alone<'_>,
    ) -> Result<Self> {
        let to_alone = load(alone.world, &alone.server, name, &limits).await?;
        let to_nodes = load(nodes.world, nodes.first()?, name, &limits).await?;
        Ok(Self {
            name,
            goal,
            to_alone: Load { connections: CONNECTIONS * NODES, ..to_alone },
            to_nodes: Load { connections: CONNECTIONS, ..to_nodes },
            alone: Vec::new(),
            nodes: Vec::new(),
            beside: Beside::default(),
        })
    }

    async fn take_turns(&mut self, nodes: &Nodes<'_>, alone: &Alone<'_>, seconds: u64) -> Result<()> {
        let of_one = self.to_alone.run(&alone.server, seconds)?;
        let (of_nodes, beside) = nodes.run(&self.to_nodes, seconds).await?;
        ensure!(of_one.refused == 0.0 && of_nodes.refused == 0.0, "{}: some were refused", self.name);
        self.alone.push(of_one);
        self.nodes.push(of_nodes);
        self.beside += beside;
        Ok(())
    }

    fn rows(&self, (of_alone, of_nodes): (f64, f64)) -> [Row; 2] {
        let cost = |run: &Run| run.user + run.system;
        let times =
            median(self.nodes.iter().zip(&self.alone).map(|(nodes, alone)| cost(nodes) / cost(alone)));
        let requests = self.nodes.iter().map(|run| run.requests).sum();
        let alone = Row::of(format!("`/authz`, {}, one server alone", self.name), &self.alone);
        let nodes = Row::of(format!("`/authz`, {}, {NODES} nodes", self.name), &self.nodes);
        let note = format!(
            "{times:.2} of one server's CPU time (goal {}); {}; {}",
            self.goal,
            self.beside.per(requests),
            nodes.note
        );
        [Row { peak: Some(of_alone), ..alone }, Row { peak: Some(of_nodes), note, ..nodes }]
    }
}

/// Asks about a key of these limits, which is made by `server`.
async fn load(world: &World, server: &Server, name: &str, limits: &Value) -> Result<Load> {
    let mut draft = json!({ "name": name, "environment": "production", "scopes": ["orders:read"] });
    if let (Some(draft), Some(limits)) = (draft.as_object_mut(), limits.as_object()) {
        draft.extend(limits.clone());
    }
    let file = world.file(&format!("{}.key", name.replace(' ', "-")));
    std::fs::write(&file, world.issue(server, &draft).await? + "\n")?;
    Ok(with_keys(&world.authz()?, file, Order::SequenceAfter(0)))
}
