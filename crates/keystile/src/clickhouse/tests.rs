//! The sink before something that takes inserts as ClickHouse does, or does not.

use std::collections::BTreeSet;
use std::time::Duration;

use keystile_core::{LogFace, LogId, LoggedRequest, TenantId, Timestamp};
use keystile_engine::{NotLogged, RequestSink};
use keystile_testkit::clickhouse::{Clickhouse as Receiver, Mood, PASSWORD, USER};
use keystile_testkit::wait::eventually;

use super::*;

/// Far longer than an answer on loopback takes, unless there is none.
const SHORT_PATIENCE: Duration = Duration::from_secs(2);

fn batch(numbers: std::ops::Range<u128>) -> Arc<[LoggedRequest]> {
    let id = |number| LogId::from_parts(Timestamp::from_millis(1_700_000_000_000), number);
    let tenant = TenantId::from_u128(1);
    let row = |number| LoggedRequest::new(id(number), tenant, LogFace::Authz, "allowed".into());
    numbers.map(row).collect()
}

fn sink_at(url: &str, password: &'static str) -> Clickhouse {
    let destination = Destination {
        url: url.parse().unwrap(),
        user: HeaderValue::from_static(USER),
        password: HeaderValue::from_static(password),
        table: Table::named(Some(&"logs".parse().unwrap()), Some(&"requests".parse().unwrap())),
    };
    Clickhouse::new(&destination, SHORT_PATIENCE).unwrap()
}

fn sink(receiver: &Receiver) -> Clickhouse {
    sink_at(&receiver.url(), PASSWORD)
}

/// How many rows there are, and how many different ones.
fn kept(receiver: &Receiver) -> (usize, usize) {
    let rows = receiver.rows();
    let ids: BTreeSet<_> = rows.iter().map(|row| row["id"].to_string()).collect();
    (rows.len(), ids.len())
}

#[tokio::test]
async fn a_batch_whose_answer_is_lost_can_be_repeated_and_is_kept_once() {
    let receiver = Receiver::start();
    let (sink, batch) = (sink(&receiver), batch(0..3));
    receiver.set(Mood::LosesAnswers);
    assert_eq!(sink.write(Arc::clone(&batch)).await, Err(NotLogged::Unavailable));
    receiver.set(Mood::Takes);
    assert_eq!(sink.write(batch).await, Ok(()));
    assert_eq!((receiver.inserts(), kept(&receiver)), (2, (3, 3)));
    assert_eq!(sink.measures().taken_and_missing(), (3, 0));
}

#[tokio::test]
async fn batches_that_are_alike_but_for_their_ids_are_kept_both() {
    let receiver = Receiver::start();
    let sink = sink(&receiver);
    for numbers in [0..2, 2..4] {
        sink.write(batch(numbers)).await.unwrap();
    }
    assert_eq!(kept(&receiver), (4, 4));
}

#[tokio::test]
async fn what_is_no_clear_yes_of_clickhouse_is_none_and_may_be_repeated() {
    let receiver = Receiver::start();
    let sink = sink(&receiver);
    for mood in [
        Mood::Hangs,
        Mood::IsSomethingElse,
        // No memory, no such table, no right to insert, too many parts.
        Mood::Fails(500, 241),
        Mood::Fails(404, 60),
        Mood::Fails(403, 497),
        Mood::Fails(500, 252),
        // A failure while the rows were read: the status was sent before.
        Mood::Fails(200, 241),
    ] {
        receiver.set(mood);
        assert_eq!(sink.write(batch(0..2)).await, Err(NotLogged::Unavailable), "{mood:?}");
    }
    assert_eq!(kept(&receiver), (0, 0));
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nobody = sink_at(&format!("http://{gone}"), PASSWORD);
    assert_eq!(nobody.write(batch(0..2)).await, Err(NotLogged::Unavailable));
    let stranger = sink_at(&receiver.url(), "wrong");
    receiver.set(Mood::Takes);
    assert_eq!(stranger.write(batch(0..2)).await, Err(NotLogged::Unavailable));
    assert_eq!(sink.write(batch(0..2)).await, Ok(()));
    assert_eq!(kept(&receiver), (2, 2));
}

#[tokio::test]
async fn what_clickhouse_cannot_read_is_not_offered_again() {
    let receiver = Receiver::start();
    let sink = sink(&receiver);
    for (status, code) in [(400, 27), (400, 117), (500, 469), (413, 0)] {
        receiver.set(Mood::Fails(status, code));
        assert_eq!(sink.write(batch(0..2)).await, Err(NotLogged::Refused), "{status} {code}");
    }
    assert_eq!(sink.measures().taken_and_missing(), (0, 8));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_while_clickhouse_is_away_gets_there_once() {
    let receiver = Receiver::start();
    let sink = Arc::new(sink(&receiver));
    let queue = Queue::start(Arc::<Clickhouse>::clone(&sink), Arc::clone(sink.measures()));
    receiver.set(Mood::Fails(500, 241));
    for number in 0..5 {
        queue.waiting().write(batch(number * 10..number * 10 + 10)).await.unwrap();
    }
    eventually("a failure", async || (receiver.inserts() > 0).then_some(())).await;
    receiver.set(Mood::LosesAnswers);
    eventually("an answer that is lost", async || (kept(&receiver).0 > 0).then_some(())).await;
    receiver.set(Mood::Takes);
    eventually("all rows", async || (queue.waiting().count() == 0).then_some(())).await;
    assert_eq!((kept(&receiver), sink.measures().taken_and_missing()), ((50, 50), (50, 0)));
    queue.stop().await;
}

#[test]
fn warnings_show_neither_what_waits_nor_the_password() {
    let receiver = Receiver::start();
    let shown = format!("{:?}", sink(&receiver));
    assert_eq!(shown, "ClickHouse");
}
