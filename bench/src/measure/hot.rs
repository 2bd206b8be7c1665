//! What is answered from memory, beside the bare server, in turns.

use anyhow::{Result, ensure};

use super::say;
use crate::keys::write_file;
use crate::plan::Plan;
use crate::server::Server;
use crate::table::{Row, median};
use crate::world::{BATCH, Logged, World, hot, with_keys};
use crate::wrk::{Load, Order, Run};

/// A series of keys that are in no store; each run takes one of its own, so that none was asked for before.
const UNKNOWN: u32 = 1000;
/// Keys of a flood: more than are remembered as unknown, so that even a key that comes again is asked for anew.
const FLOOD: usize = 150_000;
/// The file of such keys.
const UNSEEN: &str = "unseen.keys";
/// Seconds of each run that fills the cache.
const WARM_SECONDS: u64 = 10;
/// Mean pause of each connection where latency is measured at a moderate rate: 64 clients make 16,000
/// requests a second.
const MODERATE_PAUSE: usize = 4;

/// Whom a load is sent to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum To {
    Bare,
    Keystile,
}

/// What the answers are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answers {
    Allowed,
    Refused,
    /// Refused, to keys that nobody has asked for before.
    RefusedAtFirstSight,
}

/// One row in the making.
struct Turn {
    name: String,
    to: To,
    load: Load,
    answers: Answers,
    /// Keys that each request asks about.
    questions: usize,
    /// What the server writes down of it.
    logged: Logged,
    runs: Vec<Run>,
}

/// The rows whose ratio to the bare server is meaningful.
pub(super) async fn rows(world: &World, plan: Plan) -> Result<Vec<Row>> {
    // Shards of the cache fill unevenly, so room for a tenth more keeps all keys in memory.
    let room = (plan.keys * 11 / 10).to_string();
    let keystile = world.serve(&["--cache-keys", &room]).await?;
    let bare = Server::bare(&world.sample_answer(&keystile).await?).await?;
    say("bringing every key into memory");
    warm(world, &keystile, plan)?;
    let mut turns = turns(world, plan)?;
    for round in 0..plan.rounds {
        say(&format!("round {} of {}", round + 1, plan.rounds));
        for turn in &mut turns {
            if turn.answers == Answers::RefusedAtFirstSight {
                write_file(&world.file(UNSEEN), UNKNOWN + round as u32, FLOOD, str::to_owned)?;
            }
            let server = if turn.to == To::Bare { &bare } else { &keystile };
            world.log(&keystile, turn.logged).await?;
            server.settled().await?;
            let run = turn.load.run(server, plan.seconds)?;
            let expected = if turn.answers == Answers::Allowed { 0.0 } else { 1.0 };
            ensure!(run.refused == expected, "{}: {} of the answers are refusals", turn.name, run.refused);
            turn.runs.push(run);
        }
    }
    let peaks = [(To::Bare, bare.memory()?.1), (To::Keystile, keystile.memory()?.1)];
    Ok(summed_up(&turns, peaks))
}

/// In the order in which they take their turns; the bare server has two, so that no row is far from it.
fn turns(world: &World, plan: Plan) -> Result<Vec<Turn>> {
    let (verify, authz, folder) = (world.verify()?, world.authz()?, world.file(""));
    let random = || world.file("stored.keys");
    let malformed = world.file("malformed.keys");
    write_file(&malformed, 1, 1000, |text| text.replacen("live", "stage", 1))?;
    let turn = |name: &str, to, load| Turn {
        name: name.to_owned(),
        to,
        load,
        answers: Answers::Allowed,
        questions: 1,
        logged: Logged::None,
        runs: Vec::new(),
    };
    let flood = |name: &str, keys, answers| Turn {
        answers,
        ..turn(name, To::Keystile, with_keys(&authz, keys, Order::SequenceAfter(0)))
    };
    let logged = |name: &str, load| Turn { logged: Logged::All, ..turn(name, To::Keystile, load) };
    let (hot_verify, hot_authz) = (hot(&verify, &folder)?, hot(&authz, &folder)?);
    let batch = Load::of(world.batch()?);
    let moderate = |load: &Load| Load { pause: MODERATE_PAUSE, ..load.clone() };
    let of = match plan.further_keys {
        0 => format!("random keys of {}", plan.keys),
        further => format!("random keys of {} beside {further} others", plan.keys),
    };
    Ok(vec![
        turn("bare hyper, `POST`", To::Bare, hot_verify.clone()),
        turn("`/keys/verify`, one key", To::Keystile, hot_verify.clone()),
        turn(&format!("`/keys/verify`, {of}"), To::Keystile, with_keys(&verify, random(), Order::Random)),
        turn("`/authz`, one key", To::Keystile, hot_authz.clone()),
        turn("bare hyper, `POST`, again", To::Bare, hot_verify.clone()),
        turn(&format!("`/authz`, {of}"), To::Keystile, with_keys(&authz, random(), Order::Random)),
        logged("`/keys/verify`, one key, every request logged", hot_verify.clone()),
        logged("`/authz`, one key, every request logged", hot_authz),
        flood("`/authz`, flood of malformed keys", malformed, Answers::Refused),
        flood("`/authz`, flood of unknown keys", world.file(UNSEEN), Answers::RefusedAtFirstSight),
        Turn {
            questions: BATCH,
            ..turn(&format!("`/keys/verify-batch`, {BATCH} keys at a time"), To::Keystile, batch)
        },
        turn("bare hyper, moderate rate", To::Bare, moderate(&hot_verify)),
        turn("`/keys/verify`, one key, moderate rate", To::Keystile, moderate(&hot_verify)),
    ])
}

/// Asks for the stored keys in order, each run for those that come after the last one's. Each comes further, so it ends.
fn warm(world: &World, keystile: &Server, plan: Plan) -> Result<()> {
    let mut asked = 0;
    while asked < plan.keys {
        let order = Order::SequenceAfter(asked);
        let load = with_keys(&world.authz()?, world.file("stored.keys"), order);
        asked += load.run(keystile, WARM_SECONDS)?.requests as usize;
    }
    Ok(())
}

/// Every run is compared with the mean of the two runs of the bare server in its round.
fn summed_up(turns: &[Turn], peaks: [(To, f64); 2]) -> Vec<Row> {
    let bare: Vec<&Turn> = turns.iter().filter(|turn| turn.to == To::Bare && turn.load.pause == 0).collect();
    let ceiling = |round: usize, figure: fn(&Run) -> f64| {
        bare.iter().map(|turn| figure(&turn.runs[round])).sum::<f64>() / bare.len() as f64
    };
    let against = |turn: &Turn, figure: fn(&Run) -> f64| {
        let ratios = turn.runs.iter().enumerate().map(|(round, run)| figure(run) / ceiling(round, figure));
        (turn.load.pause == 0).then(|| median(ratios))
    };
    let row = |turn: &Turn| {
        let row = Row::of(&turn.name, &turn.runs);
        let note = match turn.questions {
            1 => row.note,
            many => format!("{:.0} verifications/s", row.per_second.unwrap_or_default() * many as f64),
        };
        let is_alike = turn.questions == 1;
        Row {
            ratio: against(turn, |run| run.per_second).filter(|_| is_alike),
            ratio_by_cpu: against(turn, |run| 1.0 / (run.user + run.system)).filter(|_| is_alike),
            peak: peaks.iter().find(|(to, _)| *to == turn.to).map(|(_, peak)| *peak),
            note,
            ..row
        }
    };
    turns.iter().map(row).collect()
}
