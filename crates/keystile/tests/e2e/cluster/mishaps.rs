//! What can break breaks, one thing after the other and again and again, while keys are revoked on and on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use keystile_testkit::faults::{Arrival, Direction, Ending, Flow};
use keystile_testkit::history::{Record, Verdict};
use keystile_testkit::wait::DEADLINE;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::world::{
    Client, Key, LEASE, NODES, PLACES, World, ask_on_and_on, assert_in_time, checked, revoked, rounds,
};

/// Rounds at the same time.
const AT_ONCE: usize = 8;
/// For so long something is broken: longer than a lease.
const LASTS: Duration = LEASE.saturating_mul(3).checked_div(2).unwrap();
/// For so long a question waits for its answer: longer than a node stands still, so that what it says then is heard.
const PATIENCE: Duration = LASTS.saturating_mul(2);
/// The same before the key is revoked, when a node that cannot answer holds nothing up.
const BEFORE: Duration = Duration::from_millis(100);
/// What a node reads arrives so late.
const LATE: Duration = Duration::from_millis(150);
/// Of the keys that are revoked while something is broken so many are asked for again afterwards.
const ASKED_AGAIN: usize = 40;
/// Before somebody who was not answered tries again.
const PAUSE: Duration = Duration::from_millis(20);

/// What breaks, of one node or for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Mishap {
    /// A node is cut from the database.
    Cut,
    /// All that a node and the database say to each other is lost.
    Swallowed,
    /// A node stands still, and goes on.
    Stopped,
    /// Notifications to a node are lost.
    Deaf,
    /// The connection on which a node is told of changes breaks off again and again.
    BrokenOff,
    /// What a node reads arrives late, behind what it is told of changes: each key that it reads was revoked meanwhile.
    Late,
    /// Redis is gone, and has forgotten everything when it is back.
    WithoutRedis,
    /// The database is killed, and started again.
    Restarted,
}

const MISHAPS: [Mishap; 8] = [
    Mishap::Cut,
    Mishap::Swallowed,
    Mishap::Stopped,
    Mishap::Deaf,
    Mishap::BrokenOff,
    Mishap::Late,
    Mishap::WithoutRedis,
    Mishap::Restarted,
];

/// What is broken now, and the node it happens to.
type Broken = Option<(Mishap, usize)>;

/// What was seen, by all who revoke.
#[derive(Default)]
struct Seen {
    /// One after the other; the last one is so now.
    broken: Vec<Broken>,
    /// The first keys that were revoked since it is.
    revoked: Vec<Key>,
    /// Of each, how many revocations were answered, and how long the slowest answer took.
    answered: BTreeMap<Option<Mishap>, (usize, Duration)>,
    /// What was said of keys whose revocation had been answered.
    refused: usize,
    unavailable: usize,
    unanswered: usize,
}

impl Seen {
    fn begin(&mut self, mishap: Mishap, node: usize) {
        self.broken.push(Some((mishap, node)));
        self.revoked.clear();
    }

    fn broken(&self) -> Broken {
        self.broken.last().copied().flatten()
    }

    /// Whether what was broken since then held up an answer of this node. Who is asked while it stands still answers later, and so does a node
    /// whose database is not there.
    fn held_up(&self, node: usize, since: usize) -> bool {
        let since = self.broken[since..].iter().flatten();
        { since }.any(|(mishap, hit)| *hit == node || *mishap == Mishap::Restarted)
    }
}

/// Somebody who makes keys and revokes them.
struct Worker {
    clients: Vec<Client>,
    seen: Arc<Mutex<Seen>>,
}

impl Worker {
    /// Makes a key, has all nodes that can know it, and revokes it while all are asked about it.
    async fn round(&self, number: usize) {
        let record = Record::new();
        let clients: Vec<_> = self.clients.iter().map(|client| client.noting(&record)).collect();
        let key = self.make(&clients, number).await;
        let (mut before, mut after) = (JoinSet::new(), JoinSet::new());
        for client in &clients {
            let client = client.clone().waiting(BEFORE);
            client.ask(&key, PLACES[number % PLACES.len()]).await;
            let keys = [key.clone()];
            before.spawn(async move { ask_on_and_on(&client, &keys).await });
        }
        self.revoke(&clients, &key, number).await;
        for (client, place) in clients.iter().flat_map(|client| PLACES.map(|place| (client, place))) {
            let (client, key) = (client.clone(), key.clone());
            after.spawn(async move { client.ask(&key, place).await });
        }
        after.join_all().await;
        before.abort_all();
        while let Some(asked) = before.join_next().await {
            assert!(asked.is_err_and(|ended| ended.is_cancelled()), "what was asked before failed");
        }
        self.note_asked(&record);
        let mut seen = self.seen.lock();
        if seen.revoked.len() < ASKED_AGAIN {
            seen.revoked.push(key);
        }
    }

    /// What was asked about a key after its revocation had been answered.
    fn note_asked(&self, record: &Record) {
        let history = checked(record);
        let mut seen = self.seen.lock();
        for (asked, _) in history.after() {
            match &asked.verdict {
                Verdict::Unavailable => seen.unavailable += 1,
                Verdict::Unanswered => seen.unanswered += 1,
                verdict => {
                    assert_eq!(*verdict, revoked(), "{history:?}");
                    seen.refused += 1;
                }
            }
        }
    }

    /// A node that nothing happens to, as far as is known, and the place of what is broken.
    fn whole(&self, number: usize) -> (usize, usize) {
        let seen = self.seen.lock();
        let node = number % NODES;
        let is_hit = seen.broken().is_some_and(|(_, hit)| hit == node);
        (if is_hit { (node + 1) % NODES } else { node }, seen.broken.len() - 1)
    }

    async fn make(&self, clients: &[Client], number: usize) -> Key {
        let begun = Instant::now();
        loop {
            let making = clients[self.whole(number).0].try_create(number.is_multiple_of(2));
            if let Ok(Some(key)) = timeout(DEADLINE, making).await {
                return key;
            }
            assert!(begun.elapsed() < DEADLINE, "no key could be made");
            sleep(PAUSE).await;
        }
    }

    async fn revoke(&self, clients: &[Client], key: &Key, number: usize) {
        let begun = Instant::now();
        loop {
            let (node, since) = self.whole(number);
            match timeout(DEADLINE, clients[node].try_revoke(key)).await {
                Ok(Ok(took)) => return self.note_revoked(node, since, took),
                failed => assert!(begun.elapsed() < DEADLINE, "a key could not be revoked: {failed:?}"),
            }
            sleep(PAUSE).await;
        }
    }

    /// A node has answered a revocation, which was sent when this was broken.
    fn note_revoked(&self, node: usize, since: usize, took: Duration) {
        let mut seen = self.seen.lock();
        if !seen.held_up(node, since) {
            assert_in_time(took);
        }
        let mishap = seen.broken[since].map(|(mishap, _)| mishap);
        let (count, most) = seen.answered.entry(mishap).or_default();
        (*count, *most) = (*count + 1, took.max(*most));
    }
}

/// Breaks something, lets it be for a while, and mends it.
async fn befall(world: &mut World, mishap: Mishap, node: usize) {
    let until = Instant::now() + LASTS;
    let way = world.nodes.node(node).way();
    match mishap {
        Mishap::Cut => {
            way.welcome(Arrival::Refused);
            way.cut(Ending::Reset);
        }
        Mishap::Swallowed => way.swallow(),
        Mishap::Stopped => world.nodes.node(node).freeze(),
        Mishap::Deaf => way.set_marked(Direction::ToClient, Flow::Dropped),
        Mishap::BrokenOff => {
            while Instant::now() < until {
                way.cut_marked(Ending::Reset);
                sleep(LATE).await;
            }
        }
        Mishap::Late => {
            while Instant::now() < until {
                way.set(Direction::ToClient, Flow::Held);
                way.set_marked(Direction::ToClient, Flow::Passes);
                sleep(LATE).await;
                way.set(Direction::ToClient, Flow::Passes);
                sleep(LATE).await;
            }
        }
        Mishap::WithoutRedis => world.nodes.redis().kill(),
        Mishap::Restarted => world.nodes.postgres().kill(),
    }
    sleep_until(until).await;
    let way = world.nodes.node(node).way();
    match mishap {
        Mishap::Cut | Mishap::Swallowed => {
            way.heal();
            // Whoever has forgotten a connection resets it.
            way.cut(Ending::Reset);
        }
        Mishap::Stopped => world.nodes.node(node).thaw(),
        Mishap::Deaf => {
            way.cut_marked(Ending::Reset);
        }
        Mishap::BrokenOff | Mishap::Late => {}
        Mishap::WithoutRedis => world.nodes.redis().start_again(),
        Mishap::Restarted => world.nodes.postgres().start_again(),
    }
}

/// Waits until it is as if nothing had happened, and asks all nodes again for keys that were revoked meanwhile.
async fn recover(world: &World, seen: &Mutex<Seen>, kept: &Key) {
    for node in 0..NODES {
        if seen.lock().broken().is_some_and(|(mishap, hit)| hit == node || mishap == Mishap::Restarted) {
            world.is_back(node, kept).await;
        }
    }
    let ended = std::mem::take(&mut seen.lock().revoked);
    let record = Record::new();
    for client in world.clients().iter().map(|client| client.noting(&record)) {
        for key in &ended {
            for place in PLACES {
                assert_ne!(client.ask(key, place).await, Verdict::Accepted, "node {}", client.node);
            }
        }
    }
    seen.lock().broken.push(None);
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_breaks_while_keys_are_revoked_no_key_is_accepted_after_its_answer() {
    let mut world = World::start_with_redis("local_share").await;
    let kept = world.known_keys(1).await.remove(0);
    let seen = Arc::new(Mutex::new(Seen { broken: vec![None], ..Seen::default() }));
    let (next, is_over) = (Arc::new(AtomicUsize::new(0)), watch::channel(false));
    let mut workers = JoinSet::new();
    for _ in 0..AT_ONCE {
        let clients = world.clients().into_iter().map(|client| client.waiting(PATIENCE)).collect();
        let worker = Worker { clients, seen: Arc::clone(&seen) };
        let (next, is_over) = (Arc::clone(&next), is_over.1.clone());
        workers.spawn(async move {
            while !*is_over.borrow() {
                worker.round(next.fetch_add(1, Ordering::Relaxed)).await;
            }
        });
    }
    let rounds = rounds().unwrap_or(0);
    for turn in 0.. {
        for (place, mishap) in MISHAPS.into_iter().enumerate() {
            let node = (turn + place) % NODES;
            seen.lock().begin(mishap, node);
            befall(&mut world, mishap, node).await;
            recover(&world, &seen, &kept).await;
            assert!(workers.try_join_next().is_none_or(|ended| ended.is_ok()), "a round has failed");
            sleep(LEASE / 4).await;
        }
        if next.load(Ordering::Relaxed) >= rounds {
            break;
        }
    }
    is_over.0.send_replace(true);
    workers.join_all().await;
    recover(&world, &seen, &kept).await;
    for node in 0..NODES {
        world.accepts(node, &kept).await;
    }
    assert_each_was_seen(&seen.lock());
}

/// That keys were revoked during each of them. Prints how many.
#[expect(clippy::print_stdout, reason = "a run of many rounds is made to learn these figures")]
fn assert_each_was_seen(seen: &Seen) {
    for (mishap, (count, most)) in &seen.answered {
        println!("{mishap:?}: {count} revocations answered, in {most:?} at the most");
    }
    let Seen { refused, unavailable, unanswered, .. } = seen;
    println!("afterwards {refused} refused, {unavailable} not known, {unanswered} not answered");
    assert!(*refused > 0);
    for mishap in MISHAPS {
        let is_seen = seen.answered.contains_key(&Some(mishap));
        assert!(is_seen, "nothing was revoked that was asked for while this happened: {mishap:?}");
    }
}
