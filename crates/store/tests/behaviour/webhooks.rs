//! Webhooks: what they are told, in which order, and what is due when.

use std::time::Duration;

use keystile_core::webhook::{Attempt, NoticeKind};
use keystile_core::{
    Action, ApiKey, Delivery, DeliveryId, DeliveryState, Digest, Environment, KeyId, Seq, Timestamp, Webhook,
    WebhookEvent, WebhookId, WhyDisabled,
};
use keystile_store::{
    DeliveryFilter, DueDelivery, KeptWebhook, KnownNotice, NewDelivery, NewNotice, Noted, Page, Redelivery,
    Sealed, Sealing, Standing, Store, WatchFor,
};

use crate::bed::Bed;
use crate::sample::{World, at, entry, number, page};

fn sealed(byte: u8) -> Sealed {
    Sealed { by: Digest::of(&[byte]), bytes: vec![byte; 40] }
}

fn webhook(world: &World) -> KeptWebhook {
    let n = number();
    let webhook = Webhook {
        id: WebhookId::from_parts(at(n.into()), n.into()),
        tenant_id: world.tenant.id,
        url: format!("https://example.com/{n}").parse().unwrap(),
        description: None,
        events: Vec::new(),
        environments: Vec::new(),
        disabled: None,
        created_at: at(n.into()),
        old_secret_until: None,
        last_success_at: None,
        unreachable_since: None,
        version: 1,
    };
    KeptWebhook { webhook, secret: sealed(1), old_secret: None }
}

pub(crate) async fn made(world: &World, store: &Store) -> Webhook {
    let kept = webhook(world);
    let told = entry(world.tenant.id, Action::WebhookCreate, &kept.webhook.id.to_string());
    assert!(store.create_webhook(kept.clone(), told).await.unwrap());
    kept.webhook
}

pub(crate) fn delivery(to: &Webhook, key_id: KeyId) -> NewDelivery {
    let n = number();
    NewDelivery {
        id: DeliveryId::from_parts(at(n.into()), n.into()),
        webhook_id: to.id,
        key_id,
        event: WebhookEvent::KeyUpdated,
        happened_at: at(n.into()),
        body: format!("{{\"ü\": {n}}}"),
    }
}

async fn seal(world: &World, store: &Store) {
    while store.seal(world.tenant.id).await.unwrap() == Sealing::Partial {}
}

/// Adds deliveries behind all that was told, whatever the log says, and gives their ids.
async fn add(world: &World, store: &Store, deliveries: Vec<NewDelivery>) -> Vec<DeliveryId> {
    let told = store.telling(world.tenant.id).await.unwrap().unwrap().told;
    let ids = deliveries.iter().map(|one| one.id).collect();
    assert!(store.add_deliveries(world.tenant.id, (told, told), at(1_000), deliveries).await.unwrap());
    ids
}

async fn due(store: &Store, webhook: &Webhook, now: Timestamp) -> Vec<DueDelivery> {
    let which = (webhook.tenant_id, webhook.id);
    store.due_deliveries(which, now, 100).await.unwrap().unwrap().1
}

async fn due_ids(store: &Store, webhook: &Webhook, now: Timestamp) -> Vec<DeliveryId> {
    due(store, webhook, now).await.into_iter().map(|due| due.delivery.id).collect()
}

fn attempt(status: Option<u16>, at: Timestamp) -> Attempt {
    let (error, excerpt) = (Some("why".to_owned()), Some("said".to_owned()));
    Attempt { at, millis: 12, status, error, excerpt }
}

pub(crate) async fn listed(world: &World, store: &Store, filter: &DeliveryFilter) -> Vec<Delivery> {
    store.deliveries(world.tenant.id, filter, page(100)).await.unwrap().deliveries
}

async fn kept(store: &Store, webhook: &Webhook) -> KeptWebhook {
    store.webhook(webhook.tenant_id, webhook.id).await.unwrap().unwrap()
}

/// Switches it off or on.
async fn switch(store: &Store, webhook: &Webhook, disabled: Option<(Timestamp, WhyDisabled)>) {
    let told = entry(webhook.tenant_id, Action::WebhookUpdate, &webhook.id.to_string());
    let change = move |kept: &mut KeptWebhook| {
        kept.webhook.disabled = disabled;
        Ok::<_, ()>(Some(told))
    };
    store.change_webhook(webhook.tenant_id, webhook.id, change).await.unwrap().unwrap().unwrap();
}

pub(crate) async fn every_field_of_a_webhook_comes_back(bed: &Bed) {
    let store = bed.store().await;
    let (world, other) = (World::founded(&store).await, World::founded(&store).await);
    let first = made(&world, &store).await;
    let mut full = webhook(&world);
    full.webhook = Webhook {
        description: Some("für Ä".to_owned()),
        events: vec![WebhookEvent::KeyRevoked, WebhookEvent::LeakReported],
        environments: vec![Environment::Staging],
        disabled: Some((at(7), WhyDisabled::Failing)),
        old_secret_until: Some(at(8)),
        version: 3,
        ..full.webhook
    };
    full.old_secret = Some(sealed(2));
    let id = full.webhook.id;
    let told = entry(world.tenant.id, Action::WebhookCreate, &id.to_string());
    assert!(store.create_webhook(full.clone(), told).await.unwrap());
    assert_eq!(kept(&store, &full.webhook).await, full);
    assert_eq!(store.webhooks(world.tenant.id).await.unwrap(), [first.clone(), full.webhook.clone()]);
    assert_eq!(store.webhook(other.tenant.id, id).await.unwrap(), None);
    assert!(store.webhooks(other.tenant.id).await.unwrap().is_empty());
    let keys = store.sealing_keys().await.unwrap();
    assert!([1, 2].iter().all(|byte| keys.contains(&Digest::of(&[*byte]))), "both are needed to read them");
    let gone = || entry(world.tenant.id, Action::WebhookDelete, &id.to_string());
    assert!(!store.delete_webhook(other.tenant.id, id, gone()).await.unwrap());
    assert!(store.delete_webhook(world.tenant.id, id, gone()).await.unwrap());
    assert!(!store.delete_webhook(world.tenant.id, id, gone()).await.unwrap());
    let log = world.log(&store).await;
    assert_eq!(log.iter().filter(|entry| entry.action == Action::WebhookDelete).count(), 1);
}

pub(crate) async fn a_tenant_has_a_bounded_number_of_webhooks(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let mut makers = tokio::task::JoinSet::new();
    for _ in 0..25 {
        let (store, kept) = (store.clone(), webhook(&world));
        let told = entry(world.tenant.id, Action::WebhookCreate, &kept.webhook.id.to_string());
        makers.spawn(async move { store.create_webhook(kept, told).await.unwrap() });
    }
    let made = makers.join_all().await;
    assert_eq!(made.into_iter().filter(|was_made| *was_made).count(), 20);
}

pub(crate) async fn what_was_sealed_since_is_told_once(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    seal(&world, &store).await;
    assert_eq!(store.untold_tenant(None).await.unwrap(), None, "nobody wants to know");
    made(&world, &store).await;
    let key = world.created(&store).await;
    seal(&world, &store).await;
    assert_eq!(store.untold_tenant(None).await.unwrap(), Some(world.tenant.id));
    assert_eq!(store.untold_tenant(Some(world.tenant.id)).await.unwrap(), None);
    let telling = store.telling(world.tenant.id).await.unwrap().unwrap();
    let actions: Vec<_> = telling.entries.iter().map(|sealed| sealed.entry.action).collect();
    assert_eq!(actions, [Action::WebhookCreate, Action::KeyCreate]);
    assert_eq!((telling.keys.as_slice(), telling.rotation_days), ([key].as_slice(), 30));
    let upto = telling.entries.last().unwrap().seq;
    let tell = async || {
        store.add_deliveries(world.tenant.id, (telling.told, upto), at(1), Vec::new()).await.unwrap()
    };
    assert!(tell().await);
    assert!(!tell().await, "it was told");
    assert_eq!(store.untold_tenant(None).await.unwrap(), None);
    assert_eq!(store.telling(world.tenant.id).await.unwrap().unwrap().told, upto);
    assert!(upto > Seq::FIRST);
}

pub(crate) async fn of_each_key_one_delivery_after_the_other_is_due(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let (to, other) = (made(&world, &store).await, made(&world, &store).await);
    let [a, b] = [1, 2].map(KeyId::from_u128);
    let deliveries = [a, b, a, a].map(|key| delivery(&to, key)).into();
    let ids = add(&world, &store, deliveries).await;
    add(&world, &store, vec![delivery(&other, a)]).await;
    assert!(due_ids(&store, &to, at(999)).await.is_empty(), "not before they were made");
    assert_eq!(due_ids(&store, &to, at(1_000)).await, ids[..2]);
    let first = due(&store, &to, at(1_000)).await.remove(0);
    assert!(first.body.contains('ü') && first.first_tried_at.is_none());
    // The second waits for the first, whatever time has passed, and other keys do not.
    let again = Noted::Again(at(9_000));
    store.note_attempt(first.delivery.clone(), attempt(None, at(2_000)), again).await.unwrap();
    assert_eq!(due_ids(&store, &to, at(8_000)).await, [ids[1]]);
    let again = due(&store, &to, at(9_000)).await;
    let again = again.into_iter().find(|due| due.delivery.id == ids[0]).unwrap();
    assert_eq!((again.delivery.attempts, again.first_tried_at), (1, Some(at(2_000))));
    store.note_attempt(again.delivery, attempt(Some(200), at(9_000)), Noted::Delivered).await.unwrap();
    assert_eq!(due_ids(&store, &to, at(9_000)).await, [ids[1], ids[2]]);
    // One that was given up holds nobody up.
    let second = due(&store, &to, at(9_000)).await.remove(1);
    store.note_attempt(second.delivery, attempt(Some(400), at(9_500)), Noted::GivenUp).await.unwrap();
    assert_eq!(due_ids(&store, &to, at(9_500)).await, [ids[1], ids[3]]);
    let about = DeliveryFilter { webhook_id: Some(to.id), key_id: Some(a), state: None };
    let states: Vec<_> = listed(&world, &store, &about).await.iter().map(|one| one.state).collect();
    assert_eq!(states, [DeliveryState::Pending, DeliveryState::Failed, DeliveryState::Delivered]);
}

pub(crate) async fn an_attempt_is_noted_with_what_was_answered(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let to = made(&world, &store).await;
    let ids = add(&world, &store, vec![delivery(&to, KeyId::from_u128(1))]).await;
    let one = due(&store, &to, at(1_000)).await.remove(0).delivery;
    let said = attempt(Some(503), at(2_000));
    store.note_attempt(one.clone(), said.clone(), Noted::Again(at(3_000))).await.unwrap();
    let shown = listed(&world, &store, &DeliveryFilter::default()).await.remove(0);
    assert_eq!((shown.id, shown.last.clone(), shown.next_attempt_at), (ids[0], Some(said), Some(at(3_000))));
    store.note_attempt(one.clone(), attempt(Some(200), at(3_000)), Noted::Delivered).await.unwrap();
    // What comes late changes nothing.
    store.note_attempt(one, attempt(None, at(4_000)), Noted::Again(at(5_000))).await.unwrap();
    let shown = listed(&world, &store, &DeliveryFilter::default()).await.remove(0);
    assert_eq!((shown.state, shown.attempts, shown.next_attempt_at), (DeliveryState::Delivered, 2, None));
    assert_eq!(kept(&store, &to).await.webhook.last_success_at, Some(at(3_000)));
}

pub(crate) async fn what_waits_for_a_silent_receiver_is_due_when_it_answers(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let to = made(&world, &store).await;
    let keys = [1, 2, 3].map(KeyId::from_u128);
    let ids = add(&world, &store, keys.map(|key| delivery(&to, key)).into()).await;
    let all = due(&store, &to, at(1_000)).await;
    for (due, status) in all.iter().zip([None, Some(400), None]) {
        let later = Noted::Again(at(100_000));
        store.note_attempt(due.delivery.clone(), attempt(status, at(2_000)), later).await.unwrap();
    }
    assert_eq!(kept(&store, &to).await.webhook.unreachable_since, Some(at(2_000)));
    assert!(due_ids(&store, &to, at(99_999)).await.is_empty());
    let next = store.due_webhook(None).await.unwrap().unwrap();
    assert_eq!((next.webhook_id, next.due_at), (to.id, at(100_000)));
    assert_eq!(store.due_later(to.id, at(99_999)).await.unwrap(), Some(at(100_000)));
    assert_eq!(store.due_later(to.id, at(100_000)).await.unwrap(), None);
    let first = all.into_iter().next().unwrap().delivery;
    store.note_attempt(first, attempt(Some(204), at(3_000)), Noted::Delivered).await.unwrap();
    assert_eq!(kept(&store, &to).await.webhook.unreachable_since, None);
    assert_eq!(due_ids(&store, &to, at(3_000)).await, [ids[2]], "what was refused keeps its pause");
}

pub(crate) async fn a_webhook_that_is_off_has_nothing_due_and_misses_nothing(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let to = made(&world, &store).await;
    let [a, b] = [1, 2].map(KeyId::from_u128);
    let before = add(&world, &store, vec![delivery(&to, a), delivery(&to, a)]).await;
    let under_way = due(&store, &to, at(1_000)).await.remove(0).delivery;
    switch(&store, &to, Some((at(1_500), WhyDisabled::ByHand))).await;
    let meanwhile = add(&world, &store, vec![delivery(&to, b)]).await;
    store.note_attempt(under_way, attempt(None, at(2_000)), Noted::Again(at(2_001))).await.unwrap();
    assert_eq!(store.due_webhook(None).await.unwrap().map(|due| due.standing), Some(Standing::Off));
    assert!(due(&store, &to, at(9_999)).await.is_empty());
    assert_eq!(store.webhook_backlog().await.unwrap().waiting, 0);
    let shown = listed(&world, &store, &DeliveryFilter::default()).await;
    assert!(shown.len() == 3 && shown.iter().all(|one| one.next_attempt_at.is_none()), "{shown:?}");
    switch(&store, &to, None).await;
    assert_eq!(store.what_waits_for(to.id).await.unwrap().map(|due| due.standing), Some(Standing::On));
    assert_eq!(due_ids(&store, &to, at(3_000)).await, [before[0], meanwhile[0]]);
    let due = due(&store, &to, at(3_000)).await.remove(0);
    assert_eq!((due.delivery.attempts, due.first_tried_at), (0, None), "its time begins anew");
    let backlog = store.webhook_backlog().await.unwrap();
    assert_eq!((backlog.waiting, backlog.oldest), (3, Some(at(1_000))));
    let gone = entry(world.tenant.id, Action::WebhookDelete, &to.id.to_string());
    assert!(store.delete_webhook(world.tenant.id, to.id, gone).await.unwrap());
    assert_eq!(store.due_webhook(None).await.unwrap(), None);
    assert_eq!(store.give_up_deliveries(world.tenant.id, to.id).await.unwrap(), 0);
    let log = listed(&world, &store, &DeliveryFilter::default()).await;
    assert!(log.len() == 3 && log.iter().all(|one| one.state == DeliveryState::Failed));
}

pub(crate) async fn deliveries_are_sent_anew_in_the_order_of_their_key(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let to = made(&world, &store).await;
    let a = KeyId::from_u128(1);
    let ids = add(&world, &store, [a, a, a].map(|key| delivery(&to, key)).into()).await;
    for noted in [Noted::GivenUp, Noted::Delivered] {
        let next = due(&store, &to, at(1_000)).await.remove(0).delivery;
        store.note_attempt(next, attempt(Some(400), at(1_000)), noted).await.unwrap();
    }
    let anew = async |which| store.redeliver(world.tenant.id, to.id, which, at(2_000)).await.unwrap();
    assert_eq!(anew(Redelivery::FailedSince(at(1_001))).await, Some(0));
    assert_eq!(due_ids(&store, &to, at(2_000)).await, [ids[2]]);
    assert_eq!(anew(Redelivery::FailedSince(at(1_000))).await, Some(1));
    assert_eq!(due_ids(&store, &to, at(2_000)).await, [ids[0]], "it is the first again");
    assert_eq!(anew(Redelivery::One(ids[1])).await, Some(1));
    assert_eq!(anew(Redelivery::One(DeliveryId::from_u128(9))).await, Some(0));
    for id in &ids {
        let next = due(&store, &to, at(2_000)).await.remove(0).delivery;
        assert_eq!(next.id, *id);
        store.note_attempt(next, attempt(Some(200), at(2_000)), Noted::Delivered).await.unwrap();
    }
    let unknown = store.redeliver(world.tenant.id, WebhookId::from_u128(9), Redelivery::One(ids[0]), at(1));
    assert_eq!(unknown.await.unwrap(), None);
}

pub(crate) async fn a_delivery_that_waits_again_for_an_earlier_one_is_not_due(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let to = made(&world, &store).await;
    let a = KeyId::from_u128(1);
    let ids = add(&world, &store, vec![delivery(&to, a), delivery(&to, a)]).await;
    let first = due(&store, &to, at(1_000)).await.remove(0).delivery;
    store.note_attempt(first, attempt(Some(400), at(1_000)), Noted::GivenUp).await.unwrap();
    let under_way = due(&store, &to, at(1_000)).await.remove(0).delivery;
    assert_eq!(under_way.id, ids[1]);
    let anew = Redelivery::FailedSince(at(0));
    assert_eq!(store.redeliver(world.tenant.id, to.id, anew, at(2_000)).await.unwrap(), Some(1));
    store.note_attempt(under_way, attempt(Some(503), at(2_500)), Noted::Again(at(2_600))).await.unwrap();
    assert_eq!(due_ids(&store, &to, at(9_000)).await, ids[..1], "the first is the first again");
}

pub(crate) async fn what_waits_for_a_webhook_that_stays_off_is_given_up_when_it_is_old(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let to = made(&world, &store).await;
    let [a, b] = [1, 2].map(KeyId::from_u128);
    let old = add(&world, &store, vec![delivery(&to, a), delivery(&to, a), delivery(&to, b)]).await;
    let expire = async |before| store.expire_deliveries(world.tenant.id, to.id, before).await.unwrap();
    assert_eq!(expire(at(2_000)).await, 0, "it is on");
    switch(&store, &to, Some((at(1_500), WhyDisabled::ByHand))).await;
    let told = store.telling(world.tenant.id).await.unwrap().unwrap().told;
    let young = delivery(&to, a);
    let id = young.id;
    assert!(store.add_deliveries(world.tenant.id, (told, told), at(3_000), vec![young]).await.unwrap());
    assert_eq!(expire(at(1_000)).await, 0);
    assert_eq!(expire(at(2_000)).await, 2);
    assert_eq!(expire(at(2_000)).await, 0);
    let failed = DeliveryFilter { state: Some(DeliveryState::Failed), ..DeliveryFilter::default() };
    assert_eq!(listed(&world, &store, &failed).await.len(), old.len());
    switch(&store, &to, None).await;
    assert_eq!(due_ids(&store, &to, at(3_000)).await, [id]);
}

pub(crate) async fn a_filter_that_few_deliveries_pass_leads_through_many(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let (to, other) = (made(&world, &store).await, made(&world, &store).await);
    let [a, b] = [1, 2].map(KeyId::from_u128);
    let sought = add(&world, &store, vec![delivery(&to, a)]).await;
    for _ in 0..12 {
        let many = (0..500).map(|_| delivery(&other, b)).collect();
        add(&world, &store, many).await;
    }
    let look = async |filter: &DeliveryFilter| {
        let (mut found, mut pages, mut after) = (Vec::new(), 0, None);
        loop {
            let page = Page { after, limit: 10 };
            let part = store.deliveries(world.tenant.id, filter, page).await.unwrap();
            found.extend(part.deliveries.into_iter().map(|one| one.id));
            pages += 1;
            after = part.looked_to;
            if after.is_none() {
                return (found, pages);
            }
        }
    };
    let of_key = DeliveryFilter { key_id: Some(a), ..DeliveryFilter::default() };
    assert_eq!(look(&of_key).await, (sought.clone(), 2));
    let of_webhook = DeliveryFilter { webhook_id: Some(to.id), ..of_key };
    assert_eq!(look(&of_webhook).await, (sought, 1), "others are not looked at");
}

pub(crate) async fn keys_that_end_grow_old_or_lie_idle_are_watched(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let to = made(&world, &store).await;
    let day = Duration::from_secs(24 * 60 * 60);
    let now = at(0).plus(day * 100);
    let young = |key: ApiKey| ApiKey { secret_created_at: now, created_at: now, ..key };
    let ending = ApiKey { expires_at: Some(now.plus(day)), ..young(world.key()) };
    let old = ApiKey { secret_created_at: now.minus(day * 31), last_used_at: Some(now), ..world.key() };
    let idle = ApiKey { secret_created_at: now, ..world.key() };
    let off = ApiKey { enabled: false, ..idle.clone() };
    let off = ApiKey { id: world.key().id, secret: world.key().secret, ..off };
    let late = ApiKey { expires_at: Some(now.plus(day * 31)), ..young(world.key()) };
    for key in [&ending, &old, &idle, &off, &late] {
        world.create(&store, key).await;
    }
    assert_eq!(store.tenant_with_webhooks(None).await.unwrap(), Some(world.tenant.id));
    let watch = WatchFor { now, ending: now.plus(day * 30), unused: now.minus(day * 30) };
    let look = async || store.watched_keys(world.tenant.id, None, watch).await.unwrap();
    let watched = look().await;
    let ids: Vec<_> = watched.keys.iter().map(|key| key.id).collect();
    assert_eq!(ids, [ending.id, old.id, idle.id]);
    assert_eq!((watched.known.len(), watched.next, watched.rotation_days), (0, None, 30));
    let told = |mark: &str| {
        let notice = KnownNotice { key_id: idle.id, kind: NoticeKind::Unused, mark: mark.to_owned() };
        NewNotice { notice, deliveries: vec![delivery(&to, idle.id)] }
    };
    for mark in ["1/30", "1/30", "1/90"] {
        store.add_notices(world.tenant.id, at(1_000), vec![told(mark)]).await.unwrap();
    }
    assert_eq!(listed(&world, &store, &DeliveryFilter::default()).await.len(), 2, "each is told once");
    assert_eq!(look().await.known, [told("1/90").notice]);
}

pub(crate) async fn old_deliveries_are_swept_but_for_those_that_are_due(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let to = made(&world, &store).await;
    let [a, b] = [1, 2].map(KeyId::from_u128);
    let ids = add(&world, &store, vec![delivery(&to, a), delivery(&to, b)]).await;
    let first = due(&store, &to, at(1_000)).await.remove(0).delivery;
    store.note_attempt(first, attempt(Some(200), at(1_000)), Noted::Delivered).await.unwrap();
    assert_eq!(store.sweep_deliveries(at(1_000)).await.unwrap(), 0);
    assert_eq!(store.sweep_deliveries(at(1_001)).await.unwrap(), 1);
    let left: Vec<_> = listed(&world, &store, &DeliveryFilter::default()).await;
    assert_eq!(left.iter().map(|one| one.id).collect::<Vec<_>>(), ids[1..]);
}

/// Fails if any message is kept.
const NO_MESSAGE: &str =
    "INSERT INTO schema_migrations (version, name) SELECT 9999, NULL FROM webhook_messages;";

pub(crate) async fn a_message_is_kept_once_for_all_webhooks_and_goes_with_its_last_delivery(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let hooks = [made(&world, &store).await, made(&world, &store).await];
    let key = KeyId::from_u128(1);
    let [first, other] = [delivery(&hooks[0], key), delivery(&hooks[0], key)];
    let to_second = |one: &NewDelivery| NewDelivery {
        id: delivery(&hooks[1], key).id,
        webhook_id: hooks[1].id,
        ..one.clone()
    };
    let all = vec![first.clone(), to_second(&first), other.clone(), to_second(&other)];
    add(&world, &store, all).await;
    let take = async |hook: &Webhook, body: &str| {
        let next = due(&store, hook, at(1_000)).await.remove(0);
        assert_eq!(next.body, body);
        store.note_attempt(next.delivery, attempt(Some(200), at(1_000)), Noted::Delivered).await.unwrap();
    };
    let sweep = async || store.sweep_deliveries(at(1_001)).await.unwrap();
    take(&hooks[0], &first.body).await;
    take(&hooks[0], &other.body).await;
    assert_eq!(sweep().await, 2);
    take(&hooks[1], &first.body).await;
    assert_eq!(sweep().await, 1);
    take(&hooks[1], &other.body).await;
    assert_eq!((sweep().await, sweep().await), (1, 0));
    store.close().await;
    bed.run_sql(NO_MESSAGE);
}
