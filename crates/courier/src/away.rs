//! Receivers that take nothing for long, by a clock that the tests turn: what waits for them, how often they are asked, and that they
//! get everything afterwards.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use keystile_core::key::{KeyDraft, KeyPatch};
use keystile_core::webhook::{LONGEST_HOLD, Reach, WebhookDraft, WebhookPatch};
use keystile_core::{
    Clock, Entropy, Environment, KeyId, KeyKind, NoEntropy, Secret, Timestamp, WebhookId, WhyDisabled,
};
use keystile_manage::{
    Caller, ControlPlane, FirstOwner, Origin, SignIn, SigningKey, Vault, VersionGuard, WithSecret,
};
use keystile_store::{Location, Sealing, Store};
use keystile_testkit::receiver::{Mood, Received, Receiver};
use keystile_testkit::standard_webhooks::check_signatures;
use tempfile::TempDir;

use crate::courier::{Chores, Courier, round};
use crate::dispatch::Dispatch;

const EMAIL: &str = "ada@example.com";
const PASSWORD: &str = "rusty-otter-41-lamp";
const ANY: VersionGuard = VersionGuard(None);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
/// What is told of each key, in this order.
const LIFE: [&str; 4] = ["key.created", "key.disabled", "key.enabled", "key.revoked"];

struct Turned(AtomicI64);

impl Clock for Turned {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::Relaxed))
    }

    fn elapsed_millis(&self) -> u64 {
        self.0.load(Ordering::Relaxed).unsigned_abs()
    }
}

/// Different bytes every time, the same in every run.
struct Counted(AtomicU64);

impl Entropy for Counted {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), NoEntropy> {
        for chunk in bytes.chunks_mut(32) {
            let count = self.0.fetch_add(1, Ordering::Relaxed);
            let digest = Secret::new(format!("entropy {count}")).digest();
            chunk.copy_from_slice(&digest.as_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}

/// A tenant whose webhook leads to a receiver, and a courier that goes round when it is told to.
struct Bench {
    store: Store,
    control: ControlPlane,
    clock: Arc<Turned>,
    caller: Caller,
    courier: Courier,
    dispatch: Dispatch,
    receiver: Receiver,
    made: WithSecret,
    _folder: TempDir,
}

impl Bench {
    /// The clock is that much behind.
    async fn new(behind: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(Location::Sqlite(folder.path().join("keystile.db"))).await.unwrap();
        store.migrate().await.unwrap();
        let began = (UNIX_EPOCH.elapsed().unwrap() - behind).as_millis();
        let clock = Arc::new(Turned(AtomicI64::new(began.try_into().unwrap())));
        let entropy = Arc::new(Counted(AtomicU64::new(0)));
        let reach = Reach::new(vec!["127.0.0.0/8".parse().unwrap()]);
        let signing = SigningKey::from_pkcs8(&SigningKey::generate().unwrap()).unwrap();
        let (of_control, vault) = (Arc::clone(&entropy), Vault::from_key(&[7; 32]).unwrap());
        let told: Arc<dyn Clock> = Arc::<Turned>::clone(&clock);
        let control = ControlPlane::new(store.clone(), Arc::clone(&told), of_control, signing, vault);
        let control = control.unwrap().reaching(reach.clone());
        let caller = owner(&control).await;
        let courier = Courier::new((store.clone(), control.clone()), (told, entropy), reach).unwrap();
        let receiver = Receiver::start();
        let url = receiver.url().parse().unwrap();
        let draft = WebhookDraft { url, description: None, events: Vec::new(), environments: Vec::new() };
        let made = control.create_webhook(&caller, draft).await.unwrap();
        let dispatch = Dispatch::new();
        Self { store, control, clock, caller, courier, dispatch, receiver, made, _folder: folder }
    }

    fn turn(&self, by: Duration) {
        self.clock.0.fetch_add(by.as_millis().try_into().unwrap(), Ordering::Relaxed);
    }

    /// Makes keys, of which it is told.
    async fn keys(&self, count: usize) -> Vec<KeyId> {
        let mut keys = Vec::new();
        for number in 0..count {
            let draft = KeyDraft {
                name: format!("key {number}").parse().unwrap(),
                environment: Environment::Production,
                application_id: None,
                kind: KeyKind::Service { issued_to_service: None },
                secret: None,
                settings: KeyPatch::default(),
            };
            keys.push(self.control.create_key(&self.caller, draft).await.unwrap().value.key.id);
        }
        self.turn(SECOND);
        keys
    }

    /// Does the next of [`LIFE`] to each.
    async fn go_on(&self, keys: &[KeyId], event: &str) {
        let (control, caller) = (&self.control, &self.caller);
        for key in keys.iter().copied() {
            let _change = match event {
                "key.disabled" => control.disable_key(caller, key, ANY).await.unwrap(),
                "key.enabled" => control.enable_key(caller, key, ANY).await.unwrap(),
                _ => control.revoke_key(caller, key, None, ANY).await.unwrap(),
            };
        }
        self.turn(SECOND);
    }

    /// Seals, tells, and sends what is due, to the end.
    async fn round(&mut self) {
        let tenant_id = self.caller.tenant_id();
        while self.store.seal(tenant_id).await.unwrap() == Sealing::Partial {}
        round(&self.courier.0, &mut self.dispatch, &mut Chores::due_now()).await.unwrap();
        self.dispatch.finish().await;
    }

    /// Goes round while the time passes.
    async fn pass(&mut self, time: Duration, step: Duration) {
        for _ in 0..time.as_millis() / step.as_millis() {
            self.round().await;
            self.turn(step);
        }
    }

    /// Goes round until all of so many keys is there, which is in order, and each message once.
    async fn everything(&mut self, keys: usize) {
        let count = keys * LIFE.len();
        for _ in 0..count {
            if self.receiver.taken().len() >= count {
                break;
            }
            self.round().await;
        }
        let taken = self.receiver.taken();
        let mut by_key: HashMap<&str, Vec<&str>> = HashMap::new();
        for message in &taken {
            by_key.entry(message.key_id()).or_default().push(message.event());
        }
        assert_eq!(by_key.len(), keys);
        assert!(by_key.values().all(|told| *told == LIFE), "{by_key:?}");
    }

    fn id(&self) -> WebhookId {
        self.made.webhook.id
    }

    async fn disabled(&self) -> Option<WhyDisabled> {
        let webhook = self.control.webhook(&self.caller, self.id()).await.unwrap();
        webhook.disabled.map(|(_, why)| why)
    }
}

/// The first person of the installation.
async fn owner(control: &ControlPlane) -> Caller {
    let first = FirstOwner {
        email: EMAIL.parse().unwrap(),
        password: Secret::new(PASSWORD),
        tenant_name: "Acme".parse().unwrap(),
    };
    let founded = control.set_up_as_operator(first).await.unwrap().unwrap();
    let attempt = SignIn {
        email: EMAIL.parse().ok(),
        password: Secret::new(PASSWORD),
        tenant_id: None,
        factor: None,
        user_agent: None,
    };
    let tokens = control.sign_in(attempt, &Origin::default()).await.unwrap();
    let signed_in = control.check_token(tokens.access.0.expose()).unwrap();
    control.enter(&signed_in, founded.tenant.id, Origin::default()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_was_away_for_an_hour_gets_everything_in_order_and_signed() {
    const KEYS: usize = 12;
    let mut bench = Bench::new(HOUR + MINUTE).await;
    bench.receiver.become_so(Mood::Away);
    let keys = bench.keys(KEYS).await;
    for event in &LIFE[1..] {
        bench.pass(HOUR / 3, 5 * SECOND).await;
        bench.go_on(&keys, event).await;
    }
    let asked = bench.receiver.received().len();
    assert!((20..80).contains(&asked), "it was asked {asked} times");

    bench.receiver.become_so(Mood::Takes);
    bench.pass(LONGEST_HOLD + 15 * SECOND, 5 * SECOND).await;
    assert!(!bench.receiver.taken().is_empty(), "it is noticed within two minutes");
    bench.everything(KEYS).await;
    assert_eq!(bench.disabled().await, None);
    check_signatures(bench.made.secret.expose(), &bench.receiver.taken());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_refuses_all_for_three_days_is_switched_off_and_misses_nothing() {
    const KEYS: usize = 60;
    let mut bench = Bench::new(Duration::ZERO).await;
    bench.receiver.become_so(Mood::Answers(503));
    let keys = bench.keys(KEYS).await;
    bench.pass(HOUR, MINUTE).await;
    bench.go_on(&keys, LIFE[1]).await;
    bench.pass(70 * HOUR, HOUR / 4).await;
    assert_eq!(bench.disabled().await, None, "not three days are over");
    bench.pass(2 * HOUR, HOUR / 4).await;
    assert_eq!(bench.disabled().await, Some(WhyDisabled::Failing));
    let asked = bench.receiver.received().len();
    bench.go_on(&keys, LIFE[2]).await;
    bench.go_on(&keys, LIFE[3]).await;
    bench.pass(HOUR, HOUR / 4).await;
    assert_eq!(bench.receiver.received().len(), asked, "it is off");

    bench.receiver.become_so(Mood::Takes);
    let on = WebhookPatch { enabled: Some(true), ..WebhookPatch::default() };
    bench.control.patch_webhook(&bench.caller, bench.id(), on, ANY).await.unwrap();
    bench.courier.look(bench.id());
    bench.everything(KEYS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_message_that_is_never_taken_holds_up_no_other() {
    let mut bench = Bench::new(Duration::ZERO).await;
    bench.receiver.become_so(Mood::Answers(400));
    bench.keys(1).await;
    bench.pass(HOUR, MINUTE).await;
    bench.receiver.become_so(Mood::Takes);
    // The pauses of the first have become longer than an hour.
    let second = bench.keys(1).await[0].to_string();
    bench.pass(2 * MINUTE, MINUTE).await;
    let taken = bench.receiver.taken();
    assert!(taken.iter().any(|message| message.key_id() == second), "{taken:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_a_webhook_that_is_taken_away_is_given_up() {
    let mut bench = Bench::new(Duration::ZERO).await;
    bench.receiver.become_so(Mood::Away);
    bench.keys(3).await;
    bench.round().await;
    assert!(bench.store.due_webhook(None).await.unwrap().is_some());
    bench.control.delete_webhook(&bench.caller, bench.id()).await.unwrap();
    bench.courier.look(bench.id());
    bench.round().await;
    assert!(bench.store.due_webhook(None).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_a_webhook_that_is_off_is_given_up_after_thirty_days() {
    let mut bench = Bench::new(Duration::ZERO).await;
    let off = WebhookPatch { enabled: Some(false), ..WebhookPatch::default() };
    bench.control.patch_webhook(&bench.caller, bench.id(), off, ANY).await.unwrap();
    let keys = bench.keys(2).await;
    bench.go_on(&keys, LIFE[1]).await;
    bench.round().await;
    bench.turn(15 * 24 * HOUR);
    bench.go_on(&keys, LIFE[2]).await;
    bench.round().await;
    bench.turn(15 * 24 * HOUR);
    for _ in 0..3 {
        bench.courier.look(bench.id());
        bench.round().await;
    }
    let on = WebhookPatch { enabled: Some(true), ..WebhookPatch::default() };
    bench.control.patch_webhook(&bench.caller, bench.id(), on, ANY).await.unwrap();
    bench.courier.look(bench.id());
    bench.round().await;
    let taken = bench.receiver.taken();
    let told: Vec<_> = taken.iter().map(Received::event).collect();
    assert_eq!(told, ["key.enabled", "key.enabled"]);
}
