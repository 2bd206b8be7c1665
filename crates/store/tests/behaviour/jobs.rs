//! Background jobs: which is taken up when, and what a step writes.

use keystile_core::job::MOST_EXPORTS;
use keystile_core::{Action, Actor, Digest, Job, JobError, JobId, JobKind, JobProblem, JobState, TenantId};
use keystile_store::{
    Cancelled, FoundKey, JobChunk, JobClaim, JobMade, JobStep, KeyFilter, KeyStep, Lease, NewJob, Retried,
    Stepped, Store,
};
use serde_json::json;

use crate::bed::Bed;
use crate::sample::{World, at, entry, number};

/// Behind all that the samples make.
const SOON: i64 = 1_000_000;
const LEASE: i64 = 60_000;
const KEPT: i64 = 10_000_000;
/// Keys that a step looks at.
const MOST: u32 = 2;

fn job(world: &World, kind: JobKind) -> Job {
    let n = number();
    Job {
        id: JobId::from_parts(at(n.into()), n.into()),
        tenant_id: world.tenant.id,
        kind,
        state: JobState::Waiting,
        actor: Actor::Person(world.person.id),
        ip: None,
        request_id: Some("req-ü".to_owned()),
        parameters: json!({ "kind": kind.as_str() }),
        last_key: None,
        total: 0,
        done: 0,
        failed: 0,
        place: None,
        attempts: 0,
        due_at: at(n.into()),
        problems: Vec::new(),
        error: None,
        created_at: at(n.into()),
        started_at: None,
        ended_at: None,
        result_bytes: 0,
        kept_until: None,
    }
}

fn new(job: Job) -> NewJob {
    let entry = entry(job.tenant_id, Action::JobCreate, &job.id.to_string());
    let filter = Some(KeyFilter::all(at(SOON)));
    NewJob { job, filter, inputs: Vec::new(), expected: None, most: None, entry }
}

async fn made(world: &World, store: &Store, kind: JobKind) -> Job {
    match store.make_job(new(job(world, kind))).await.unwrap() {
        JobMade::Made(job) => *job,
        other => panic!("{other:?}"),
    }
}

fn lease(now: i64) -> Lease {
    Lease { now: at(now), until: at(now + LEASE) }
}

async fn claimed(store: &Store, now: i64) -> Option<JobClaim> {
    store.claim_job(lease(now)).await.unwrap()
}

async fn read(store: &Store, job: &Job) -> Job {
    store.job(job.tenant_id, job.id).await.unwrap().unwrap()
}

fn error() -> JobError {
    JobError { code: "unavailable".to_owned(), detail: "away".to_owned() }
}

/// A step that writes what `decided` says of the keys it finds.
async fn step(
    store: &Store,
    claim: &JobClaim,
    now: i64,
    decided: impl FnOnce(&[FoundKey]) -> Result<JobStep, &'static str> + Send + 'static,
) -> Result<Stepped, &'static str> {
    let filter = Some(KeyFilter::all(at(now)));
    let step =
        KeyStep { filter, most: MOST, successors_at: None, lease: lease(now), kept_until: at(now + KEPT) };
    store.step_through_keys(claim, step, |_: &Job, found: Vec<FoundKey>| decided(&found)).await.unwrap()
}

/// Handles what is found, and writes a piece.
fn handled(found: &[FoundKey]) -> Result<JobStep, &'static str> {
    let (done, text) = (found.len() as u64, format!("{}\n", found.len()));
    let chunk = (done > 0).then(|| JobChunk { content: text.into_bytes(), sealed_by: None });
    Ok(JobStep { chunk, done, ..JobStep::default() })
}

/// Does all that is left of a job.
async fn finished(store: &Store, claim: &JobClaim, now: i64) {
    while step(store, claim, now, handled).await == Ok(Stepped::On) {}
}

/// The numbers of the pieces of a result.
async fn pieces(store: &Store, job: &Job) -> Vec<i64> {
    let (mut numbers, mut after) = (Vec::new(), -1);
    while let Some((number, _)) = store.job_chunk(job.tenant_id, job.id, after).await.unwrap() {
        numbers.push(number);
        after = number;
    }
    numbers
}

pub(crate) async fn a_job_goes_through_the_keys_that_were_there_a_few_at_a_time(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    for _ in 0..5 {
        world.created(&store).await;
    }
    let job = made(&world, &store, JobKind::Export).await;
    assert_eq!((job.total, job.last_key.is_some()), (5, true));
    assert_eq!(read(&store, &job).await, job, "every field comes back");
    world.created(&store).await;
    let claim = claimed(&store, SOON).await.unwrap();
    assert_eq!(step(&store, &claim, SOON, |_| Err("no")).await, Err("no"));
    assert_eq!(read(&store, &job).await.done, 0, "what is refused is not done");
    let odd = |found: &[FoundKey]| {
        let key = found[0].key.id.to_string();
        let problem = JobProblem { key, code: "key_revoked".to_owned(), detail: "ü".to_owned() };
        Ok(JobStep { done: found.len() as u64 - 1, problems: vec![problem], ..JobStep::default() })
    };
    assert_eq!(step(&store, &claim, SOON + 1, odd).await, Ok(Stepped::On));
    assert_eq!(step(&store, &claim, SOON + 2, handled).await, Ok(Stepped::On));
    assert_eq!(step(&store, &claim, SOON + 3, handled).await, Ok(Stepped::Done));
    assert_eq!(step(&store, &claim, SOON + 4, handled).await, Ok(Stepped::Lost), "it is over");
    let over = read(&store, &job).await;
    assert_eq!((over.state, over.done, over.failed), (JobState::Done, 4, 1));
    assert_eq!((over.problems.len(), over.ended_at, over.result_bytes), (1, Some(at(SOON + 3)), 4));
    assert_eq!(pieces(&store, &job).await, [2, 4]);
    assert_eq!(claimed(&store, SOON + 5).await.map(|claim| claim.job.id), None);
    assert_eq!(store.next_job_at().await.unwrap(), None);
}

pub(crate) async fn whoever_takes_a_job_up_anew_takes_it_from_whoever_had_it(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    world.created(&store).await;
    let job = made(&world, &store, JobKind::Revoke).await;
    let first = claimed(&store, SOON).await.unwrap();
    assert!(claimed(&store, SOON + LEASE - 1).await.is_none());
    assert_eq!(store.next_job_at().await.unwrap(), Some(at(SOON + LEASE)));
    let second = claimed(&store, SOON + LEASE).await.unwrap();
    assert_eq!(second.job.id, job.id);
    assert_eq!(step(&store, &first, SOON, handled).await, Ok(Stepped::Lost));
    // Nor does it release, put off or end what is not its any more.
    store.release_job(&first, at(SOON)).await.unwrap();
    store.put_job_off(&first, 1, at(SOON), error()).await.unwrap();
    store.fail_job(&first, 1, (at(SOON), at(SOON + KEPT)), error()).await.unwrap();
    assert!(claimed(&store, SOON + LEASE + 1).await.is_none());
    assert_eq!(read(&store, &job).await.state, JobState::Running);
    store.free_jobs().await.unwrap();
    assert!(claimed(&store, SOON + LEASE + 1).await.is_some(), "a server that begins has all of them");
}

pub(crate) async fn of_many_who_take_jobs_up_at_once_each_tenant_is_served_by_one(bed: &Bed) {
    let store = bed.store().await;
    let mut firsts = Vec::new();
    for _ in 0..3 {
        let world = World::founded(&store).await;
        firsts.push(made(&world, &store, JobKind::Export).await.id);
        made(&world, &store, JobKind::Export).await;
    }
    let mut takers = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let store = store.clone();
        takers.spawn(async move { claimed(&store, SOON).await.map(|claim| claim.job.id) });
    }
    let mut taken: Vec<_> = takers.join_all().await.into_iter().flatten().collect();
    taken.sort();
    firsts.sort();
    assert_eq!(taken, firsts);
}

pub(crate) async fn jobs_of_a_tenant_wait_for_the_first_of_them(bed: &Bed) {
    let store = bed.store().await;
    let (world, other) = (World::founded(&store).await, World::founded(&store).await);
    let first = made(&world, &store, JobKind::Disable).await;
    let second = made(&world, &store, JobKind::Enable).await;
    let claim = claimed(&store, SOON).await.unwrap();
    assert_eq!(claim.job.id, first.id);
    store.put_job_off(&claim, 3, at(SOON + 500), error()).await.unwrap();
    assert!(claimed(&store, SOON + 499).await.is_none(), "enabling does not overtake disabling");
    assert_eq!(store.next_job_at().await.unwrap(), Some(at(SOON + 500)));
    let put_off = read(&store, &first).await;
    assert_eq!((put_off.attempts, put_off.error), (3, Some(error())));
    // Other tenants do not wait.
    let theirs = made(&other, &store, JobKind::Export).await;
    assert_eq!(claimed(&store, SOON + 1).await.unwrap().job.id, theirs.id);
    let claim = claimed(&store, SOON + 500).await.unwrap();
    assert_eq!(claim.job.id, first.id);
    store.fail_job(&claim, 4, (at(SOON + 501), at(SOON + KEPT)), error()).await.unwrap();
    let claim = claimed(&store, SOON + 502).await.unwrap();
    assert_eq!(claim.job.id, second.id);
    // Let go on, the first is the first again, as soon as nobody works on another.
    let told = entry(world.tenant.id, Action::JobRetry, &first.id.to_string());
    let retried = store.retry_job((world.tenant.id, first.id), at(SOON + 503), told).await.unwrap();
    assert!(matches!(retried, Some(Retried::Yes(_))), "{retried:?}");
    assert!(claimed(&store, SOON + 504).await.is_none());
    store.release_job(&claim, at(SOON + 505)).await.unwrap();
    assert_eq!(claimed(&store, SOON + 506).await.unwrap().job.id, first.id);
}

pub(crate) async fn a_job_that_is_cancelled_is_that_whatever_befalls_its_step(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let job = made(&world, &store, JobKind::Export).await;
    let claim = claimed(&store, SOON).await.unwrap();
    let cancel = async |now| {
        let told = entry(world.tenant.id, Action::JobCancel, &job.id.to_string());
        let which = (world.tenant.id, job.id);
        store.cancel_job(which, at(now), at(now + KEPT), told).await.unwrap()
    };
    match cancel(SOON + 1).await {
        Some(Cancelled::Yes(job)) => assert_eq!(job.state, JobState::Cancelling),
        other => panic!("{other:?}"),
    }
    store.fail_job(&claim, 1, (at(SOON + 2), at(SOON + KEPT)), error()).await.unwrap();
    assert_eq!(read(&store, &job).await.state, JobState::Cancelled);
    assert!(matches!(cancel(SOON + 3).await, Some(Cancelled::Over(_))));
    let cancelled = world.log(&store).await.into_iter().filter(|entry| entry.action == Action::JobCancel);
    assert_eq!(cancelled.count(), 1);
}

pub(crate) async fn other_than_the_expected_or_too_many_keys_make_no_job(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    for _ in 0..3 {
        world.created(&store).await;
    }
    let other = NewJob { expected: Some(2), ..new(job(&world, JobKind::Revoke)) };
    assert_eq!(store.make_job(other).await.unwrap(), JobMade::Differs(3));
    let many = NewJob { most: Some(2), ..new(job(&world, JobKind::Rotate)) };
    assert_eq!(store.make_job(many).await.unwrap(), JobMade::TooLarge(3));
    assert!(claimed(&store, SOON).await.is_none());
    let log = world.log(&store).await;
    assert!(log.iter().all(|entry| entry.action != Action::JobCreate), "{log:?}");
}

pub(crate) async fn of_the_exports_of_a_tenant_the_last_are_kept(bed: &Bed) {
    let store = bed.store().await;
    let (world, other) = (World::founded(&store).await, World::founded(&store).await);
    world.created(&store).await;
    other.created(&store).await;
    let theirs = made(&other, &store, JobKind::Export).await;
    finished(&store, &claimed(&store, SOON).await.unwrap(), SOON).await;
    let mut exports = Vec::new();
    for number in 1..=i64::try_from(MOST_EXPORTS).unwrap() + 2 {
        exports.push(made(&world, &store, JobKind::Export).await);
        let now = SOON + number;
        finished(&store, &claimed(&store, now).await.unwrap(), now).await;
    }
    let mut kept = Vec::new();
    for export in exports.iter().chain([&theirs]) {
        kept.push(read(&store, export).await.kept_until.is_some_and(|until| until > at(SOON + 100)));
    }
    let (let_go, others) = kept.split_at(1);
    assert!(!let_go[0] && others.iter().all(|is_kept| *is_kept), "{kept:?}");
    while store.sweep_jobs(at(SOON + 100), at(0)).await.unwrap() {}
    assert!(pieces(&store, &exports[0]).await.is_empty());
    assert_eq!(read(&store, &exports[0]).await.result_bytes, 0);
    assert_eq!(pieces(&store, &exports[1]).await, [0]);
    assert_eq!(pieces(&store, &theirs).await, [0]);
}

pub(crate) async fn what_a_job_has_sealed_is_taken_once_and_needs_its_key(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    world.created(&store).await;
    let job = made(&world, &store, JobKind::Rotate).await;
    let claim = claimed(&store, SOON).await.unwrap();
    let chunk = JobChunk { content: vec![7; 40], sealed_by: Some(Digest::of(b"key")) };
    let sealed = chunk.clone();
    let decided = |_: &[FoundKey]| Ok(JobStep { chunk: Some(sealed), done: 1, ..JobStep::default() });
    assert_eq!(step(&store, &claim, SOON, decided).await, Ok(Stepped::Done));
    assert!(store.sealing_keys().await.unwrap().contains(&Digest::of(b"key")));
    let take = async |tenant_id: TenantId| {
        let told = entry(tenant_id, Action::JobTake, &job.id.to_string());
        store.take_job_result(tenant_id, job.id, told).await.unwrap()
    };
    let other = World::founded(&store).await;
    assert!(take(other.tenant.id).await.is_empty());
    assert_eq!(take(world.tenant.id).await, [chunk]);
    assert!(take(world.tenant.id).await.is_empty());
    assert!(store.sealing_keys().await.unwrap().is_empty());
    let told = world.log(&store).await.into_iter().filter(|entry| entry.action == Action::JobTake);
    assert_eq!(told.count(), 1);
}
