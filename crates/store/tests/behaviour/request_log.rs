//! The request log.

use std::sync::Arc;

use keystile_core::{
    Action, Actor, ApplicationId, CustomerId, Environment, KeyId, LogBreak, LogFace, LogFilter, LogId,
    LogMethod, LogRequests, LogResult, LoggedRequest, Minute, MissingRequests, PersonId, TenantId, Timestamp,
};
use keystile_store::{LogSwept, Order, Store};

use crate::bed::Bed;
use crate::sample::{World, at, number};

const DAY: i64 = 24 * 60 * 60 * 1000;

/// A request at that moment of which nothing more is known.
fn request(tenant_id: TenantId, millis: i64) -> LoggedRequest {
    let id = LogId::from_parts(at(millis), number().into());
    LoggedRequest::new(id, tenant_id, LogFace::Authz, "allowed".into())
}

fn key(number: u128) -> KeyId {
    KeyId::from_parts(at(0), number)
}

async fn add(store: &Store, requests: Vec<LoggedRequest>) {
    store.add_requests(Arc::from(requests)).await.unwrap();
}

/// Everything that is shown, page by page, and how many pages there were.
async fn listed(
    store: &Store,
    tenant: TenantId,
    filter: &LogFilter,
    order: Order,
    limit: u32,
) -> (Vec<LoggedRequest>, u32) {
    let (mut requests, mut after, mut pages) = (Vec::new(), None, 0);
    loop {
        let page = store.logged_requests(tenant, filter.clone(), order, after, limit).await.unwrap();
        assert!(page.requests.len() <= limit as usize);
        requests.extend(page.requests);
        pages += 1;
        match page.next {
            Some(next) => after = Some(next),
            None => return (requests, pages),
        }
    }
}

async fn shown(store: &Store, tenant: TenantId, filter: &LogFilter) -> Vec<LoggedRequest> {
    listed(store, tenant, filter, Order::LatestFirst, 1_000).await.0
}

fn full(tenant_id: TenantId, millis: i64) -> LoggedRequest {
    LoggedRequest {
        face: LogFace::Verify,
        environment: Some(Environment::Staging),
        application_id: Some(ApplicationId::from_parts(at(0), 2)),
        customer_id: Some(CustomerId::from_parts(at(0), 3)),
        key_id: Some(key(4)),
        caller: Some(Actor::Key(key(5))),
        method: Some(LogMethod::Patch),
        path: Some("/orders/ü".to_owned()),
        ip: "2001:db8::7".parse().ok(),
        user_agent: Some("robot/1".to_owned()),
        code: "ip_not_allowed".into(),
        status: Some(403),
        duration_micros: Some(u32::MAX),
        bytes_in: Some(0),
        bytes_out: Some(1 << 40),
        request_id: Some("req_7".to_owned()),
        ..request(tenant_id, millis)
    }
}

pub(crate) async fn every_fact_of_a_request_comes_back_in_its_own_tenant_only(bed: &Bed) {
    let store = bed.store().await;
    let (tenant, other) = (World::founded(&store).await.tenant.id, World::founded(&store).await.tenant.id);
    let by_person =
        LoggedRequest { caller: Some(Actor::Person(PersonId::from_parts(at(0), 6))), ..request(tenant, 2) };
    let all = vec![request(tenant, 3), by_person, full(tenant, 1)];
    add(&store, all.clone()).await;
    add(&store, all.clone()).await;
    assert_eq!(shown(&store, tenant, &LogFilter::default()).await, all, "known ones are kept once");
    assert!(shown(&store, other, &LogFilter::default()).await.is_empty());
    for key_id in [4, 5] {
        let of_key = LogFilter { key_id: Some(key(key_id)), ..LogFilter::default() };
        assert_eq!(shown(&store, tenant, &of_key).await, all[2..], "about it, or asked with it");
        assert!(shown(&store, other, &of_key).await.is_empty());
    }
    let more = (4..8).map(|millis| full(tenant, millis)).collect();
    add(&store, more).await;
    let of_key = LogFilter { key_id: Some(key(4)), ..LogFilter::default() };
    let page = store.logged_requests(other, of_key, Order::LatestFirst, None, 1).await.unwrap();
    assert_eq!((page.requests.len(), page.next), (0, None), "nor when they were made");
    let id = all[2].id;
    assert_eq!(store.logged_request(tenant, id).await.unwrap().as_ref(), Some(&all[2]));
    assert!(store.logged_request(other, id).await.unwrap().is_none());
}

pub(crate) async fn each_filter_of_requests_shows_what_it_says(bed: &Bed) {
    let store = bed.store().await;
    let tenant = World::founded(&store).await.tenant.id;
    let mut all = Vec::new();
    for millis in 0..40 {
        let plain = request(tenant, millis);
        all.push(match millis % 4 {
            0 => full(tenant, millis),
            1 => LoggedRequest { path: Some("/orders/7".to_owned()), status: Some(200), ..plain },
            2 => LoggedRequest { key_id: Some(key(5)), environment: Some(Environment::Production), ..plain },
            _ => plain,
        });
    }
    add(&store, all.clone()).await;
    all.reverse();
    let any = LogFilter::default;
    for filter in [
        any(),
        LogFilter { key_id: Some(key(4)), ..any() },
        LogFilter { key_id: Some(key(5)), ..any() },
        LogFilter { key_id: Some(key(5)), environment: Some(Environment::Staging), ..any() },
        LogFilter { application_id: all[3].application_id, ..any() },
        LogFilter { customer_id: all[3].customer_id, ..any() },
        LogFilter { environment: Some(Environment::Production), ..any() },
        LogFilter { face: Some(LogFace::Verify), ..any() },
        LogFilter { except_face: Some(LogFace::Verify), ..any() },
        LogFilter { result: Some(LogResult::Allowed), ..any() },
        LogFilter { result: Some(LogResult::Refused), ..any() },
        LogFilter { code: Some("allowed".to_owned()), ..any() },
        LogFilter { status: "4xx".parse().ok(), ..any() },
        LogFilter { status: "200".parse().ok(), ..any() },
        LogFilter { path: Some("/orders/".to_owned()), ..any() },
        LogFilter { path: Some("/orders/ü".to_owned()), ..any() },
        LogFilter { ip: "2001:db8::7".parse().ok(), ..any() },
        LogFilter { from: Some(at(10)), to: Some(at(21)), ..any() },
        LogFilter { from: Some(at(10)), key_id: Some(key(5)), ..any() },
    ] {
        let expected: Vec<_> = all.iter().filter(|request| filter.shows(request)).cloned().collect();
        assert!(!expected.is_empty(), "{filter:?}");
        let (found, pages) = listed(&store, tenant, &filter, Order::LatestFirst, 3).await;
        assert_eq!(found, expected, "{filter:?}");
        assert!(pages as usize >= expected.len() / 3);
        let (mut back, _) = listed(&store, tenant, &filter, Order::OldestFirst, 4).await;
        back.reverse();
        assert_eq!(back, expected, "the other way round: {filter:?}");
    }
}

pub(crate) async fn a_filter_that_few_requests_pass_leads_through_many(bed: &Bed) {
    let store = bed.store().await;
    let tenant = World::founded(&store).await.tenant.id;
    let mut all: Vec<_> =
        (0..12_000).map(|millis| LoggedRequest { key_id: Some(key(1)), ..request(tenant, millis) }).collect();
    all[0].code = "key_expired".into();
    for batch in all.chunks(2_000) {
        add(&store, batch.to_vec()).await;
    }
    for key_id in [None, Some(key(1))] {
        let filter = LogFilter { code: Some("key_expired".to_owned()), key_id, ..LogFilter::default() };
        let (found, pages) = listed(&store, tenant, &filter, Order::LatestFirst, 50).await;
        assert_eq!(found, all[..1]);
        assert_eq!(pages, 3, "five thousand at a time");
    }
}

pub(crate) async fn wishes_and_owners_are_read_of_those_who_exist(bed: &Bed) {
    let store = bed.store().await;
    let (all, few) = (World::founded(&store).await, World::founded(&store).await);
    let told = few.entry(Action::TenantUpdate, key(1));
    let changed = store.change_tenant::<()>(few.tenant.id, move |tenant| {
        tenant.settings.log_requests = LogRequests::Refused;
        Ok(Some(told))
    });
    changed.await.unwrap().unwrap().unwrap();
    let nobody = TenantId::from_parts(at(0), 99);
    let wishes = store.log_wishes(vec![all.tenant.id, few.tenant.id, nobody]).await.unwrap();
    assert_eq!(wishes.len(), 2);
    assert_eq!((wishes[&all.tenant.id], wishes[&few.tenant.id]), (LogRequests::All, LogRequests::Refused));
    let nothing = ApplicationId::from_parts(at(0), 99);
    let owners = store.tenants_of_applications(vec![all.application.id, nothing]).await.unwrap();
    assert_eq!((owners.len(), owners[&all.application.id]), (1, all.tenant.id));
}

pub(crate) async fn missing_requests_are_added_up_by_tenant_and_minute(bed: &Bed) {
    let store = bed.store().await;
    let (tenant, other) = (World::founded(&store).await.tenant.id, World::founded(&store).await.tenant.id);
    let missing = |tenant_id, millis, count| {
        let minute = Minute::of(at(millis));
        MissingRequests { tenant_id, minute, count }
    };
    store.add_missing_requests(vec![missing(tenant, 0, 3), missing(tenant, 60_000, 4)]).await.unwrap();
    store.add_missing_requests(vec![missing(tenant, 0, 5), missing(other, 0, 1)]).await.unwrap();
    let sum = async |from, to| store.missing_requests(tenant, at(from), at(to)).await.unwrap();
    assert_eq!(sum(0, 60_000).await, 12);
    assert_eq!((sum(39_999, 39_999).await, sum(120_000, 180_000).await), (8, 0));
    let each = async |from, to| store.request_gaps(tenant, at(from), at(to)).await.unwrap();
    let both = [missing(tenant, 60_000, 4), missing(tenant, 0, 8)];
    assert_eq!(each(0, 60_000).await, both, "the latest first, of this tenant alone");
    assert_eq!((each(0, 0).await, each(120_000, 180_000).await), (both[1..].to_vec(), Vec::new()));
}

pub(crate) async fn old_requests_are_swept_a_few_at_a_time(bed: &Bed) {
    let store = bed.store().await;
    // Keeps the log for 20 days.
    let tenant = World::founded(&store).await.tenant.id;
    let requests = (0..2_500).map(|millis| request(tenant, millis)).collect();
    add(&store, requests).await;
    let gap = |millis| MissingRequests { tenant_id: tenant, minute: Minute::of(at(millis)), count: 1 };
    store.add_missing_requests(vec![gap(0), gap(DAY)]).await.unwrap();
    let sweep = async |now: Timestamp| {
        let (mut next, mut full) = (Some(LogSwept::default()), 0);
        while let Some(from) = next {
            next = store.sweep_requests(from, now).await.unwrap();
            full += u32::from(next.is_some_and(LogSwept::was_full));
        }
        full
    };
    let left = async || shown(&store, tenant, &LogFilter::default()).await.len();
    assert_eq!(sweep(at(20 * DAY)).await, 0);
    assert_eq!(left().await, 2_500, "nothing is too old yet");
    assert_eq!(sweep(at(20 * DAY + 2_200)).await, 2, "a thousand at a time");
    assert_eq!(left().await, 300);
    let other = World::founded(&store).await.tenant.id;
    add(&store, vec![request(other, 21 * DAY)]).await;
    sweep(at(21 * DAY)).await;
    assert_eq!((left().await, shown(&store, other, &LogFilter::default()).await.len()), (0, 1));
    assert_eq!(store.missing_requests(tenant, at(0), at(2 * DAY)).await.unwrap(), 1, "gaps go with the log");
}

pub(crate) async fn a_server_that_did_not_end_its_log_leaves_a_break_in_it(bed: &Bed) {
    let store = bed.store().await;
    let span = |since, until| LogBreak { since: at(since), until: at(until) };
    let between = async |from, to| store.log_breaks(at(from), at(to)).await.unwrap();
    store.begin_log(at(0)).await.unwrap();
    store.mark_log(at(60)).await.unwrap();
    assert!(between(0, 1_000).await.is_empty(), "it runs");
    store.end_log().await.unwrap();
    store.begin_log(at(100)).await.unwrap();
    assert!(between(0, 1_000).await.is_empty(), "it was ended");
    store.mark_log(at(160)).await.unwrap();
    // It is killed, and so is the next, at once.
    store.begin_log(at(200)).await.unwrap();
    assert_eq!(between(0, 1_000).await, [span(160, 200)]);
    store.begin_log(at(210)).await.unwrap();
    assert_eq!(between(0, 1_000).await, [span(160, 210)]);
    store.mark_log(at(270)).await.unwrap();
    store.begin_log(at(300)).await.unwrap();
    assert_eq!(between(0, 1_000).await, [span(270, 300), span(160, 210)], "the latest first");
    assert_eq!((between(211, 269).await, between(301, 400).await), (Vec::new(), Vec::new()));
    assert_eq!(
        (between(210, 210).await, between(0, 160).await),
        (vec![span(160, 210)], vec![span(160, 210)])
    );
    store.add_log_break(span(205, 290)).await.unwrap();
    assert_eq!(between(0, 269).await, [span(160, 290)]);
    // A mark of a server whose log another has ended begins anew.
    store.end_log().await.unwrap();
    store.mark_log(at(400)).await.unwrap();
    store.begin_log(at(450)).await.unwrap();
    assert_eq!(between(301, 1_000).await, [span(400, 450)]);
    store.sweep_requests(LogSwept::default(), at(730 * DAY + 291)).await.unwrap();
    assert_eq!(between(0, 1_000).await, [span(400, 450), span(270, 300)]);
}
