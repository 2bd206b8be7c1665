//! What good clients notice of a flood, beside them on the same core.

use anyhow::{Result, ensure};

use super::say;
use crate::keys::write_file;
use crate::plan::Plan;
use crate::table::Row;
use crate::world::{World, hot, with_keys};
use crate::wrk::{Load, Order, Run};

/// A series of keys that are in no store, and that no other row asks for.
const UNKNOWN: u32 = 2000;
/// Keys of a flood: more than are remembered as unknown.
const FLOOD: usize = 150_000;
/// Mean pause of each good client in milliseconds: 64 of them make 6,400 requests a second, which leaves room for a flood.
const PAUSE: usize = 10;

/// Good clients alone, and beside floods of keys that are malformed and that are unknown.
pub(super) async fn rows(world: &World, plan: Plan) -> Result<Vec<Row>> {
    say("good clients beside a flood");
    let server = world.serve(&[]).await?;
    let authz = world.authz()?;
    let good = Load { pause: PAUSE, goes_first: true, ..hot(&authz, &world.file(""))? };
    let (malformed, unknown) = (world.file("malformed.keys"), world.file("flood.keys"));
    write_file(&malformed, UNKNOWN, 1000, |text| text.replacen("live", "stage", 1))?;
    let mut alone = Vec::new();
    let (mut beside_malformed, mut beside_unknown) = (Vec::new(), Vec::new());
    for round in 0..plan.rounds {
        write_file(&unknown, UNKNOWN + 1 + round as u32, FLOOD, str::to_owned)?;
        alone.push(good.run(&server, plan.seconds)?);
        for (keys, runs) in [(&malformed, &mut beside_malformed), (&unknown, &mut beside_unknown)] {
            let flood = with_keys(&authz, keys.clone(), Order::SequenceAfter(0));
            runs.push(pair(&good, &flood, &server, plan.seconds)?);
        }
    }
    let peak = server.memory()?.1;
    let row = |name: &str, runs: &[(Run, Run)]| {
        let good = runs.iter().map(|(good, _)| *good).collect::<Vec<_>>();
        let flood = crate::table::median(runs.iter().map(|(_, flood)| flood.per_second));
        // The processor's time is of both together, so it says nothing of either.
        let row = Row::of(format!("`/authz`, good clients beside a flood of {name} keys"), &good);
        let note = format!("flood of {flood:.0} requests/s");
        Row { peak: Some(peak), user: None, system: None, note, ..row }
    };
    Ok(vec![
        Row { peak: Some(peak), ..Row::of("`/authz`, good clients alone, moderate rate", &alone) },
        row("malformed", &beside_malformed),
        row("unknown", &beside_unknown),
    ])
}

/// Both loads at the same time.
fn pair(good: &Load, flood: &Load, server: &crate::server::Server, seconds: u64) -> Result<(Run, Run)> {
    let (good, flood) = std::thread::scope(|scope| {
        let flood = scope.spawn(|| flood.run(server, seconds));
        (good.run(server, seconds), flood.join())
    });
    let flood = flood.map_err(|_| anyhow::anyhow!("the flood ended early"))??;
    let good = good?;
    ensure!(good.refused == 0.0, "a good key was refused beside a flood");
    ensure!(flood.refused == 1.0, "a key of the flood was accepted");
    Ok((good, flood))
}
