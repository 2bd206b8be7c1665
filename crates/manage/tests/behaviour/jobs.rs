//! Background jobs: each key is handled once, whatever happens on the way, and only as far as whoever asked may.

use std::time::Duration;

use keystile_core::key::{KeyImport, SecretFacts};
use keystile_core::{Action, Actor, ApiKey, Job, JobId, JobKind, JobState, KeyStatus, Role, Secret};
use keystile_manage::{
    Bearer, Caller, Conflict, ControlPlane, JobOrder, JobPiece, JobQuery, KeyQuery, Lacking, Refused,
    VersionGuard,
};
use keystile_store::{JobClaim, Page, Stepped};

use crate::bench::{Bench, draft, held, origin};

/// More keys than one step handles, and fewer than three do.
const MANY: usize = 230;

fn all(bench: &Bench) -> KeyQuery {
    KeyQuery::all(bench.control.present())
}

fn revoking(bench: &Bench) -> JobOrder {
    JobOrder::Revoke { query: all(bench), reason: Some("left".to_owned()) }
}

/// Keys of another system, from `first` on.
fn imports(first: usize, count: usize) -> Vec<KeyImport> {
    let one = |number: usize| {
        let secret = Secret::new(format!("old-secret-number-{number:06}"));
        KeyImport { draft: draft(&format!("old {number}")), secret: SecretFacts::of(&secret) }
    };
    (first..first + count).map(one).collect()
}

/// Makes many keys at once.
async fn many(bench: &Bench, caller: &Caller) {
    let _change = bench.control.import_keys(caller, imports(0, MANY)).await.unwrap();
    bench.turn(1);
}

async fn made(bench: &Bench, caller: &Caller, order: JobOrder, expected: Option<u64>) -> Job {
    let job = bench.control.make_job(caller, order, expected).await.unwrap();
    // Ids are in the order of their milliseconds.
    bench.turn(1);
    job
}

async fn claimed(control: &ControlPlane) -> JobClaim {
    control.claim_job().await.unwrap().unwrap()
}

/// Does one step; tells what is to be told if it was refused.
async fn step(control: &ControlPlane, claim: &JobClaim) -> Option<Stepped> {
    match control.step_job(claim).await {
        Ok(committed) => Some(committed.value),
        Err(refused) => {
            control.stumble(claim, &refused).await.unwrap();
            None
        }
    }
}

/// Does all that is due.
async fn work(control: &ControlPlane) {
    while let Some(claim) = control.claim_job().await.unwrap() {
        while step(control, &claim).await == Some(Stepped::On) {}
    }
}

/// Removes all that is old.
async fn sweep(bench: &Bench) {
    let now = bench.control.present();
    let old = now.minus(Duration::from_secs(90 * 24 * 60 * 60));
    while bench.store.sweep_jobs(now, old).await.unwrap() {}
}

async fn keys(bench: &Bench, caller: &Caller) -> Vec<ApiKey> {
    bench.control.keys(caller, &all(bench), Page { after: None, limit: 1_000 }).await.unwrap()
}

async fn job(bench: &Bench, caller: &Caller, id: JobId) -> Job {
    bench.control.job(caller, id).await.unwrap()
}

/// The targets of entries of this action, in order of their ids.
async fn told(bench: &Bench, caller: &Caller, action: Action) -> Vec<String> {
    let log = bench.log(caller).await;
    let mut targets: Vec<_> =
        log.into_iter().filter(|entry| entry.action == action).map(|entry| entry.target).collect();
    targets.sort();
    targets
}

#[tokio::test]
async fn a_job_revokes_each_key_once_and_no_key_that_was_made_later() {
    let bench = Bench::new().await;
    let owner = bench.caller(Role::Owner).await;
    many(&bench, &owner).await;
    let job_id = made(&bench, &owner, revoking(&bench), Some(MANY as u64)).await.id;
    let later = bench.key(&owner).await.key.id;
    work(&bench.control).await;
    let keys = keys(&bench, &owner).await;
    let (revoked, others): (Vec<_>, Vec<_>) =
        keys.iter().partition(|key| key.status(bench.control.present()) == KeyStatus::Revoked);
    assert_eq!((revoked.len(), others.len(), others[0].id), (MANY, 1, later));
    assert!(revoked.iter().all(|key| key.revoked.as_ref().unwrap().reason.as_deref() == Some("left")));
    let mut ids: Vec<_> = revoked.iter().map(|key| key.id.to_string()).collect();
    ids.sort();
    assert_eq!(told(&bench, &owner, Action::KeyRevoke).await, ids, "one entry for each key");
    let entry = bench.log(&owner).await.into_iter().find(|entry| entry.action == Action::KeyRevoke).unwrap();
    assert_eq!(entry.changes["job"]["after"], job_id.to_string());
    assert_eq!((entry.ip, entry.request_id), (origin().ip, origin().request_id));
    let job = job(&bench, &owner, job_id).await;
    assert_eq!((job.state, job.total, job.done, job.failed), (JobState::Done, MANY as u64, MANY as u64, 0));
    assert!(job.started_at.is_some() && job.ended_at.is_some());
}

#[tokio::test]
async fn a_job_goes_on_in_another_process_where_it_was_and_the_first_one_does_nothing_more() {
    let bench = Bench::new().await;
    let owner = bench.caller(Role::Owner).await;
    many(&bench, &owner).await;
    let id = made(&bench, &owner, revoking(&bench), Some(MANY as u64)).await.id;
    let first = claimed(&bench.control).await;
    assert_eq!(step(&bench.control, &first).await, Some(Stepped::On));
    assert_eq!(job(&bench, &owner, id).await.done, 100);
    assert!(bench.control.claim_job().await.unwrap().is_none(), "it is worked on");

    let other = bench.another_process();
    other.free_jobs().await.unwrap();
    let second = claimed(&other).await;
    assert_eq!(step(&bench.control, &first).await, Some(Stepped::Lost));
    while step(&other, &second).await == Some(Stepped::On) {}
    assert_eq!(step(&bench.control, &first).await, Some(Stepped::Lost));
    let job = job(&bench, &owner, id).await;
    assert_eq!((job.state, job.done), (JobState::Done, MANY as u64));
    assert_eq!(told(&bench, &owner, Action::KeyRevoke).await.len(), MANY, "one entry for each key");
}

#[tokio::test]
async fn a_job_whose_process_said_nothing_more_is_taken_up_when_its_lease_is_over() {
    let bench = Bench::new().await;
    let owner = bench.caller(Role::Owner).await;
    bench.key(&owner).await;
    made(&bench, &owner, revoking(&bench), Some(1)).await;
    let _left = claimed(&bench.control).await;
    bench.turn(59);
    assert!(bench.control.claim_job().await.unwrap().is_none());
    bench.turn(2);
    assert!(bench.control.claim_job().await.unwrap().is_some());
}

#[tokio::test]
async fn a_cancelled_job_does_no_further_step_and_what_was_done_stays() {
    let bench = Bench::new().await;
    let owner = bench.caller(Role::Owner).await;
    many(&bench, &owner).await;
    let id = made(&bench, &owner, revoking(&bench), Some(MANY as u64)).await.id;
    let claim = claimed(&bench.control).await;
    assert_eq!(step(&bench.control, &claim).await, Some(Stepped::On));
    let asked = bench.control.cancel_job(&owner, id).await.unwrap();
    assert_eq!(asked.state, JobState::Cancelling);
    bench.control.cancel_job(&owner, id).await.unwrap();
    assert_eq!(step(&bench.control, &claim).await, Some(Stepped::Cancelled));
    let job = job(&bench, &owner, id).await;
    assert_eq!((job.state, job.done), (JobState::Cancelled, 100));
    assert_eq!(told(&bench, &owner, Action::KeyRevoke).await.len(), 100);
    assert_eq!(told(&bench, &owner, Action::JobCancel).await.len(), 1, "asking twice is told once");
    let over = bench.control.cancel_job(&owner, id).await.unwrap_err();
    assert!(matches!(over, Refused::Conflict(Conflict::JobOver)), "{over:?}");
    let waiting = made(&bench, &owner, JobOrder::Export(all(&bench)), None).await.id;
    let cancelled = bench.control.cancel_job(&owner, waiting).await.unwrap();
    assert_eq!(cancelled.state, JobState::Cancelled, "nobody works on it");
}

#[tokio::test]
async fn a_job_ends_when_whoever_asked_loses_the_right_and_goes_on_when_it_is_given_back() {
    let bench = Bench::new().await;
    let (signed_in, tenant_id) = bench.signed_in(Role::Developer).await;
    let developer = bench.control.enter(&signed_in, tenant_id, origin()).await.unwrap();
    let Bearer::Person(person) = signed_in else { panic!("a person signed in") };
    many(&bench, &developer).await;
    let id = made(&bench, &developer, revoking(&bench), Some(MANY as u64)).await.id;
    let claim = claimed(&bench.control).await;
    assert_eq!(step(&bench.control, &claim).await, Some(Stepped::On));
    let id_of = person.person_id();
    let role = |role: &str| format!("UPDATE memberships SET role = '{role}' WHERE person_id = '{id_of}'");
    bench.run_sql(&role("viewer"));
    assert_eq!(step(&bench.control, &claim).await, None);
    let failed = job(&bench, &developer, id).await;
    assert_eq!((failed.state, failed.done), (JobState::Failed, 100));
    assert_eq!(failed.error.unwrap().code, "forbidden");
    let viewer = bench.control.enter(&signed_in, tenant_id, origin()).await.unwrap();
    let lost = bench.control.retry_job(&viewer, id).await;
    assert!(matches!(lost, Err(Refused::Forbidden(Lacking::Role(Role::Developer)))), "{lost:?}");

    bench.run_sql(&role("developer"));
    bench.control.retry_job(&developer, id).await.unwrap();
    work(&bench.control).await;
    let done = job(&bench, &developer, id).await;
    assert_eq!((done.state, done.done, done.error), (JobState::Done, MANY as u64, None));
    let again = bench.control.retry_job(&developer, id).await.unwrap_err();
    assert!(matches!(again, Refused::Conflict(Conflict::JobNotFailed)), "{again:?}");
}

#[tokio::test]
async fn a_job_of_a_member_who_was_removed_fails() {
    let bench = Bench::new().await;
    let owner = bench.caller(Role::Owner).await;
    let (signed_in, _) = bench.signed_in(Role::Developer).await;
    let Bearer::Person(person) = signed_in else { panic!("a person signed in") };
    bench.join(person.person_id(), owner.tenant_id(), Role::Developer);
    let member = bench.control.enter(&signed_in, owner.tenant_id(), origin()).await.unwrap();
    bench.key(&owner).await;
    let id = made(&bench, &member, revoking(&bench), Some(1)).await.id;
    let (tenant, id_of) = (owner.tenant_id(), person.person_id());
    bench.run_sql(&format!("DELETE FROM memberships WHERE person_id = '{id_of}' AND tenant_id = '{tenant}'"));
    work(&bench.control).await;
    let failed = job(&bench, &owner, id).await;
    assert_eq!((failed.state, failed.done, failed.actor), (JobState::Failed, 0, Actor::Person(id_of)));
    assert_eq!(failed.error.unwrap().code, "forbidden");
    assert!(told(&bench, &owner, Action::KeyRevoke).await.is_empty());
}

#[tokio::test]
async fn other_than_the_expected_keys_and_too_many_jobs_are_refused() {
    let bench = Bench::new().await;
    let owner = bench.caller(Role::Owner).await;
    bench.key(&owner).await;
    assert_eq!(bench.control.count_keys(&owner, &all(&bench)).await.unwrap(), 1);
    let differs = bench.control.make_job(&owner, revoking(&bench), Some(2)).await.unwrap_err();
    assert!(matches!(differs, Refused::Conflict(Conflict::JobKeysDiffer(1))), "{differs:?}");
    for _ in 0..100 {
        bench.control.make_job(&owner, JobOrder::Export(all(&bench)), None).await.unwrap();
    }
    let many = bench.control.make_job(&owner, JobOrder::Export(all(&bench)), None).await.unwrap_err();
    assert!(matches!(many, Refused::TooManyJobs), "{many:?}");
    let stranger = bench.caller(Role::Owner).await;
    bench.control.make_job(&stranger, JobOrder::Export(all(&bench)), None).await.unwrap();
}

#[tokio::test]
async fn tenants_have_their_turn_however_many_jobs_one_of_them_makes() {
    let bench = Bench::new().await;
    let (busy, other) = (bench.caller(Role::Owner).await, bench.caller(Role::Owner).await);
    for _ in 0..3 {
        made(&bench, &busy, JobOrder::Export(all(&bench)), None).await;
    }
    made(&bench, &other, JobOrder::Export(all(&bench)), None).await;
    let first = claimed(&bench.control).await;
    let second = claimed(&bench.control).await;
    assert_eq!((first.job.tenant_id, second.job.tenant_id), (busy.tenant_id(), other.tenant_id()));
    assert!(bench.control.claim_job().await.unwrap().is_none(), "of a tenant one at a time");
    bench.turn(1);
    bench.control.release_job(&second).await.unwrap();
    bench.turn(1);
    bench.control.release_job(&first).await.unwrap();
    let third = claimed(&bench.control).await;
    assert_eq!(third.job.tenant_id, other.tenant_id(), "it was served longest ago");
}

#[tokio::test]
async fn an_import_by_job_makes_what_an_import_at_once_makes() {
    let bench = Bench::new().await;
    let (at_once, by_job) = (bench.caller(Role::Owner).await, bench.caller(Role::Owner).await);
    let _change = bench.control.import_keys(&at_once, imports(0, 130)).await.unwrap();
    let id = made(&bench, &by_job, JobOrder::Import(imports(1_000, 130)), None).await.id;
    assert!(keys(&bench, &by_job).await.is_empty());
    work(&bench.control).await;
    let imported = job(&bench, &by_job, id).await;
    assert_eq!((imported.state, imported.total, imported.done), (JobState::Done, 130, 130));
    let settings = |key: &ApiKey| (key.environment, key.kind.clone(), key.scopes.clone(), key.enabled);
    let (ours, theirs) = (keys(&bench, &by_job).await, keys(&bench, &at_once).await);
    assert_eq!(ours.len(), theirs.len());
    assert!(ours.iter().zip(&theirs).all(|(our, their)| settings(our) == settings(their)));
    assert_eq!(told(&bench, &by_job, Action::KeyImport).await.len(), 130);

    // Once more, with one key that another tenant has.
    let mut again = imports(1_000, 2);
    again.extend(imports(0, 1));
    let id = made(&bench, &by_job, JobOrder::Import(again), None).await.id;
    work(&bench.control).await;
    let second = job(&bench, &by_job, id).await;
    assert_eq!((second.state, second.done, second.failed), (JobState::Done, 2, 1));
    let problem = &second.problems[0];
    assert_eq!((problem.key.as_str(), problem.code.as_str()), ("keys[2]", "secret_exists"));
    let mut result = bench.control.job_result(&by_job, id).await.unwrap();
    let Some(JobPiece::Lines(lines)) = result.piece().await.unwrap() else { panic!("an import has lines") };
    let lines: Vec<serde_json::Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        (&lines[0]["created"], &lines[2]["index"]),
        (&serde_json::json!(false), &serde_json::json!(2))
    );
    assert!(result.piece().await.unwrap().is_none());
}

#[tokio::test]
async fn an_export_has_all_keys_as_they_are_for_seven_days() {
    let bench = Bench::new().await;
    let owner = bench.caller(Role::Owner).await;
    many(&bench, &owner).await;
    let id = made(&bench, &owner, JobOrder::Export(all(&bench)), None).await.id;
    let early = bench.control.job_result(&owner, id).await.err().unwrap();
    assert!(matches!(early, Refused::NotFound("result")), "{early:?}");
    work(&bench.control).await;
    let mut exported = Vec::new();
    let mut result = bench.control.job_result(&owner, id).await.unwrap();
    while let Some(piece) = result.piece().await.unwrap() {
        let JobPiece::Keys(keys) = piece else { panic!("an export has keys") };
        exported.extend(keys);
    }
    exported.reverse();
    assert_eq!(exported, keys(&bench, &owner).await);

    bench.turn(8 * 24 * 60 * 60);
    sweep(&bench).await;
    assert_eq!(bench.number("SELECT COUNT(*) FROM job_chunks"), 0);
    let gone = bench.control.job_result(&owner, id).await.err().unwrap();
    assert!(matches!(gone, Refused::NotFound("result")), "{gone:?}");
    bench.turn(90 * 24 * 60 * 60);
    sweep(&bench).await;
    assert!(matches!(bench.control.job(&owner, id).await, Err(Refused::NotFound("job"))));
}

#[tokio::test]
async fn a_part_of_a_result_is_not_taken_for_the_whole() {
    let bench = Bench::new().await;
    let owner = bench.caller(Role::Owner).await;
    many(&bench, &owner).await;
    let id = made(&bench, &owner, JobOrder::Export(all(&bench)), None).await.id;
    work(&bench.control).await;
    let mut result = bench.control.job_result(&owner, id).await.unwrap();
    assert!(matches!(result.piece().await, Ok(Some(JobPiece::Keys(_)))));
    bench.turn(8 * 24 * 60 * 60);
    let late = bench.control.job_result(&owner, id).await.err().unwrap();
    assert!(matches!(late, Refused::NotFound("result")), "it is not removed yet: {late:?}");
    sweep(&bench).await;
    assert!(matches!(result.piece().await, Err(Refused::NotFound("result"))));
}

#[tokio::test]
async fn a_step_that_cannot_be_done_now_is_tried_again_and_at_last_given_up() {
    let bench = Bench::new().await;
    let owner = bench.caller(Role::Owner).await;
    bench.key(&owner).await;
    let id = made(&bench, &owner, revoking(&bench), Some(1)).await.id;
    for attempt in 1..12 {
        let claim = claimed(&bench.control).await;
        bench.control.stumble(&claim, &Refused::Busy).await.unwrap();
        let put_off = job(&bench, &owner, id).await;
        assert_eq!((put_off.state, put_off.attempts), (JobState::Running, attempt));
        assert_eq!(put_off.error.unwrap().code, "unavailable");
        assert!(bench.control.claim_job().await.unwrap().is_none());
        let pause = bench.control.next_job_in().await.unwrap().unwrap();
        assert!(pause <= Duration::from_secs(5 * 60), "{pause:?}");
        bench.turn(i64::try_from(pause.as_secs()).unwrap() + 1);
    }
    let claim = claimed(&bench.control).await;
    bench.control.stumble(&claim, &Refused::Busy).await.unwrap();
    assert_eq!(job(&bench, &owner, id).await.state, JobState::Failed);
    assert_eq!(bench.control.next_job_in().await.unwrap(), None);
    bench.control.retry_job(&owner, id).await.unwrap();
    work(&bench.control).await;
    let done = job(&bench, &owner, id).await;
    assert_eq!((done.state, done.done, done.error), (JobState::Done, 1, None));
}

#[tokio::test]
async fn a_job_of_rotation_gives_its_secrets_once_and_only_to_whoever_asked() {
    let bench = Bench::new().await;
    let (signed_in, tenant_id) = bench.signed_in(Role::Owner).await;
    let owner = bench.control.enter(&signed_in, tenant_id, origin()).await.unwrap();
    let (other, _) = bench.signed_in(Role::Owner).await;
    let Bearer::Person(person) = other else { panic!("a person signed in") };
    bench.join(person.person_id(), tenant_id, Role::Owner);
    let colleague = bench.control.enter(&other, tenant_id, origin()).await.unwrap();
    let (one, two) = (bench.key(&owner).await.key, bench.key(&owner).await.key);
    let ended = bench.key(&owner).await.key.id;
    let any = VersionGuard(None);
    let _change = bench.control.revoke_key(&owner, ended, None, any).await.unwrap();
    bench.turn(1);
    let order = JobOrder::Rotate { query: all(&bench), overlap: Duration::from_secs(60) };
    let id = made(&bench, &owner, order, Some(3)).await.id;
    work(&bench.control).await;
    let rotated = job(&bench, &owner, id).await;
    assert_eq!((rotated.kind, rotated.done, rotated.failed), (JobKind::Rotate, 2, 1));
    let problem = &rotated.problems[0];
    assert_eq!((problem.key.clone(), problem.code.as_str()), (ended.to_string(), "key_revoked"));

    let shown = bench.control.job_result(&owner, id).await.err().unwrap();
    assert!(matches!(shown, Refused::Conflict(Conflict::JobSecrets)), "{shown:?}");
    let theirs = bench.control.take_job_secrets(&colleague, id).await.unwrap_err();
    assert!(matches!(theirs, Refused::Forbidden(Lacking::OverJob)), "{theirs:?}");
    let taken = bench.control.take_job_secrets(&owner, id).await.unwrap();
    let mut old: Vec<_> = taken.iter().map(|made| made.key_id).collect();
    let mut expected = vec![one.id, two.id];
    old.sort();
    expected.sort();
    assert_eq!(old, expected);
    for made in &taken {
        let successor = bench.control.key(&owner, made.successor_id).await.unwrap();
        assert_eq!(successor.secret.digest, made.secret.digest());
        assert_eq!(successor.rotated_from_key_id, Some(made.key_id));
    }
    let again = bench.control.take_job_secrets(&owner, id).await.unwrap_err();
    assert!(matches!(again, Refused::NotFound("result")), "{again:?}");
    assert_eq!(told(&bench, &owner, Action::JobTake).await, [id.to_string()]);
}

#[tokio::test]
async fn a_key_sees_its_own_jobs_and_works_on_what_it_sees() {
    let bench = Bench::new().await;
    let owner = bench.caller(Role::Owner).await;
    let mut robot = draft("robot");
    robot.settings.scopes = Some(keystile_core::Grants::parse(&["keystile.keys:issue"]).unwrap());
    let robot = bench.control.create_key(&owner, robot).await.unwrap().value;
    let caller = bench.control.enter_with_key(held(&robot.key), owner.tenant_id(), origin()).await.unwrap();
    let plain = bench.key(&owner).await.key.id;
    bench.turn(1);
    let of_owner = made(&bench, &owner, JobOrder::Export(all(&bench)), None).await.id;
    let order = JobOrder::Disable(all(&bench));
    let own = made(&bench, &caller, order, Some(2)).await.id;
    work(&bench.control).await;
    let page = Page { after: None, limit: 10 };
    let jobs = bench.control.jobs(&caller, &JobQuery::default(), page).await.unwrap();
    assert_eq!(jobs.iter().map(|job| job.id).collect::<Vec<_>>(), [own]);
    assert!(matches!(bench.control.job(&caller, of_owner).await, Err(Refused::NotFound("job"))));
    assert!(matches!(bench.control.cancel_job(&caller, of_owner).await, Err(Refused::NotFound("job"))));
    let done = job(&bench, &owner, own).await;
    assert_eq!(
        (done.actor, done.done, done.failed),
        (Actor::Key(robot.key.id), 1, 1),
        "itself it leaves alone"
    );
    assert!(!bench.control.key(&owner, plain).await.unwrap().enabled);
    assert!(bench.control.key(&owner, robot.key.id).await.unwrap().enabled);
}

#[tokio::test]
async fn a_job_of_another_tenant_does_not_exist() {
    let bench = Bench::new().await;
    let (ours, theirs) = (bench.caller(Role::Owner).await, bench.caller(Role::Owner).await);
    let id = made(&bench, &theirs, JobOrder::Export(all(&bench)), None).await.id;
    for refused in [
        bench.control.job(&ours, id).await.err(),
        bench.control.cancel_job(&ours, id).await.err(),
        bench.control.retry_job(&ours, id).await.err(),
        bench.control.job_result(&ours, id).await.err(),
        bench.control.take_job_secrets(&ours, id).await.err(),
    ] {
        assert!(matches!(refused, Some(Refused::NotFound("job"))), "{refused:?}");
    }
    let page = Page { after: None, limit: 10 };
    assert!(bench.control.jobs(&ours, &JobQuery::default(), page).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_viewer_exports_and_changes_nothing() {
    let bench = Bench::new().await;
    let viewer = bench.caller(Role::Viewer).await;
    bench.control.make_job(&viewer, JobOrder::Export(all(&bench)), None).await.unwrap();
    for order in [revoking(&bench), JobOrder::Enable(all(&bench)), JobOrder::Import(imports(0, 1))] {
        let refused = bench.control.make_job(&viewer, order, Some(0)).await.unwrap_err();
        assert!(matches!(refused, Refused::Forbidden(Lacking::Role(Role::Developer))), "{refused:?}");
    }
    let refused = bench.control.try_job(&viewer, revoking(&bench), None).await.unwrap_err();
    assert!(matches!(refused, Refused::Forbidden(Lacking::Role(Role::Developer))), "{refused:?}");
    let export = JobOrder::Export(all(&bench));
    assert_eq!(bench.control.try_job(&viewer, export, None).await.unwrap(), 0);
}
