//! The ceiling of taking events in: a loop of prepared inserts, without a server, of what a server has written.
//!
//! `raw_inserts FROM INTO TOGETHER MOST`. Reads at most `MOST` events, the newest, and what is known of their entities from the data file
//! `FROM`, and writes them into the tables of `INTO`, which has to be migrated and empty of events: so many events `TOGETHER` in a durable
//! transaction, and of each entity among them its row once. Prints one line: events, seconds, and seconds of user and system time.

#![expect(clippy::print_stdout, reason = "a command line talks to who called it")]

use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

use anyhow::{Context, Result};
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, Row, Statement, params_from_iter};

/// As `crates/store` opens its file.
const SETTINGS: &str =
    "PRAGMA synchronous = FULL; PRAGMA cache_size = -16384; PRAGMA wal_autocheckpoint = 4000;";
const EVENTS: &str = "space, id, source, stream, entity, source_event_id, received_at, event_type, entity_type, entity_id, data";
const ENTITIES: &str = "space, entity_type, entity_id, first_seen, last_seen, latest_source_id, latest_trust_level, counted, fields";
/// The places of an entity's name in both.
const NAME_IN_EVENT: [usize; 3] = [0, 8, 9];
const NAME_IN_ENTITY: [usize; 3] = [0, 1, 2];
/// `/proc` counts processor time in this unit on every Linux (`USER_HZ`).
const TICKS_PER_SECOND: f64 = 100.0;

type Values = Vec<Value>;

/// What is written together.
struct Together {
    events: Vec<Values>,
    entities: Vec<Values>,
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [from, into, together, most] = arguments.as_slice() else {
        anyhow::bail!("usage: raw_inserts FROM INTO TOGETHER MOST");
    };
    let all = gather(from, together.parse()?, most)?;
    let (before, begun) = (cpu()?, Instant::now());
    write(into, &all)?;
    let (seconds, after) = (begun.elapsed().as_secs_f64(), cpu()?);
    let events: usize = all.iter().map(|together| together.events.len()).sum();
    println!("{events} {seconds} {} {}", after[0] - before[0], after[1] - before[1]);
    Ok(())
}

/// All that is to be written, in the order in which it happened.
fn gather(from: &str, together: usize, most: &str) -> Result<Vec<Together>> {
    let known = read(from, &format!("SELECT {ENTITIES} FROM entities"))?;
    let known: HashMap<String, Values> =
        known.into_iter().map(|row| (name(&row, NAME_IN_ENTITY), row)).collect();
    let mut events = read(from, &format!("SELECT {EVENTS} FROM events ORDER BY id DESC LIMIT {most}"))?;
    events.reverse();
    let with_entities = |events: &[Values]| {
        let names: BTreeSet<String> = events.iter().map(|row| name(row, NAME_IN_EVENT)).collect();
        let entities =
            names.iter().map(|name| known.get(name).cloned().context("an event without its entity"));
        anyhow::Ok(Together { events: events.to_vec(), entities: entities.collect::<Result<_>>()? })
    };
    events.chunks(together).map(with_entities).collect()
}

/// A server may serve from the file meanwhile.
fn read(file: &str, sql: &str) -> Result<Vec<Values>> {
    let database = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let mut statement = database.prepare(sql)?;
    let columns = statement.column_count();
    let values =
        |row: &Row<'_>| -> rusqlite::Result<Values> { (0..columns).map(|column| row.get(column)).collect() };
    let rows = statement.query_map([], values)?.collect::<rusqlite::Result<_>>()?;
    Ok(rows)
}

fn write(file: &str, all: &[Together]) -> Result<()> {
    let database = Connection::open(file)?;
    database.execute_batch(SETTINGS)?;
    let mut event = insert(&database, "INSERT", "events", EVENTS)?;
    let mut entity = insert(&database, "REPLACE", "entities", ENTITIES)?;
    for Together { events, entities } in all {
        database.execute_batch("BEGIN IMMEDIATE")?;
        for row in events {
            event.execute(params_from_iter(row))?;
        }
        for row in entities {
            entity.execute(params_from_iter(row))?;
        }
        database.execute_batch("COMMIT")?;
    }
    Ok(())
}

fn insert<'d>(database: &'d Connection, verb: &str, table: &str, columns: &str) -> Result<Statement<'d>> {
    let places = vec!["?"; columns.split(',').count()].join(", ");
    Ok(database.prepare(&format!("{verb} INTO {table} ({columns}) VALUES ({places})"))?)
}

fn name(row: &[Value], places: [usize; 3]) -> String {
    places.map(|place| format!("{:?}", row[place])).join("/")
}

/// User and system time so far, by fields 14 and 15 of proc(5) `stat`.
fn cpu() -> Result<[f64; 2]> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let (_, fields) = stat.rsplit_once(')').context("no `stat` of this process")?;
    let mut ticks = fields.split_whitespace().skip(11).map(str::parse::<f64>);
    let mut seconds = || anyhow::Ok(ticks.next().context("a short `stat`")?? / TICKS_PER_SECOND);
    Ok([seconds()?, seconds()?])
}
