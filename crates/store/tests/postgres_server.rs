//! What only a server can do to us: go away, refuse, or keep half a transaction.

#![expect(clippy::unwrap_used, reason = "a case that fails has to panic")]

#[path = "behaviour/sample.rs"]
#[expect(dead_code, reason = "shared with the behaviour suite, which uses all of it")]
mod sample;

use std::error::Error;
use std::net::SocketAddr;
use std::task::{Context, Waker};
use std::time::Duration;

use keystile_core::{Action, ApiKey};
use keystile_store::{Doubt, Held, Import, Location, OpenError, Store, StoreError, Unique};
use keystile_testkit::postgres::{Database, Durability, Postgres};
use keystile_testkit::proxy::{Fault, Hears, Proxy};
use sample::World;
use tokio::time::timeout;

async fn open(url: String, max_connections: usize) -> Result<Store, OpenError> {
    Store::open(Location::Postgres { url, max_connections }).await
}

async fn store(database: &Database<'_>) -> Store {
    let store = open(database.url(), 1).await.unwrap();
    store.migrate().await.unwrap();
    store
}

fn said(error: &OpenError) -> String {
    let mut said = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        said = format!("{said}: {cause}");
        source = cause.source();
    }
    said
}

#[tokio::test]
async fn a_server_that_is_away_is_named_without_the_password() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let refused = open(format!("postgres://ada:hunter2@127.0.0.1:{port}/keystile"), 1).await.unwrap_err();
    assert!(matches!(refused, OpenError::Connect(_)));
    assert!(!said(&refused).contains("hunter2"), "{}", said(&refused));
}

#[tokio::test]
async fn encryption_that_was_asked_for_is_not_given_up() {
    let database = Postgres::shared().database();
    // The server of the tests has no certificate.
    let refused = open(format!("{}?sslmode=require", database.url()), 1).await.unwrap_err();
    assert!(said(&refused).to_lowercase().contains("tls"), "{}", said(&refused));
    open(format!("{}?sslmode=prefer", database.url()), 1).await.unwrap().ready().await.unwrap();
}

#[tokio::test]
async fn a_database_that_cannot_hold_every_text_is_refused() {
    let server = Postgres::shared();
    let name = format!("latin_{}", std::process::id());
    server.run(&format!("CREATE DATABASE {name} ENCODING 'LATIN1' TEMPLATE template0")).unwrap();
    let url = server.url().rsplit_once('/').unwrap().0.to_owned();
    let refused = open(format!("{url}/{name}"), 1).await.unwrap_err();
    server.run(&format!("DROP DATABASE {name} WITH (FORCE)")).unwrap();
    assert!(matches!(&refused, OpenError::Encoding(found) if found == "LATIN1"), "{refused}");
}

#[tokio::test]
async fn connections_that_the_server_cut_are_replaced() {
    let database = Postgres::shared().database();
    let store = store(&database).await;
    let world = World::founded(&store).await;
    let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    database.run(cut).unwrap();
    let key = world.created(&store).await;
    database.run(cut).unwrap();
    assert_eq!(world.read(&store, key.id).await, key);
    store.close().await;
}

/// Gives a creation up after every number of polls it can take: the one connection there is stays usable,
/// and each key is there with its audit entry or not at all.
#[tokio::test]
async fn a_transaction_that_is_given_up_leaves_nothing_behind() {
    let database = Postgres::shared().database();
    let store = store(&database).await;
    let world = World::founded(&store).await;
    let (mut polls, mut expected) = (0, 1);
    loop {
        let key = world.key();
        let mut creation = Box::pin(store.create_key(key.clone(), world.entry(Action::KeyCreate, key.id)));
        let mut done = false;
        for _ in 0..polls {
            done = creation.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready();
            // Lets the connection's task work, so that the next poll finds the answer.
            tokio::task::yield_now().await;
            store_answers(&database);
            if done {
                break;
            }
        }
        drop(creation);
        let there = store.key(world.tenant.id, key.id).await.unwrap().is_some();
        expected += usize::from(there);
        assert_eq!(world.log(&store).await.len(), expected, "after {polls} polls");
        if done {
            assert!(there);
            break;
        }
        polls += 1;
    }
    assert!(polls >= 3, "{polls}");
}

/// A round trip to the server by another connection: by then, ours has been answered, too.
fn store_answers(database: &Database<'_>) {
    database.run("SELECT 1").unwrap();
}

/// A proxy before the server, and the database's URL through it.
fn by_proxy(database: &Database<'_>) -> (Proxy, String) {
    let url = database.url();
    let address = url.split_once('@').unwrap().1.split('/').next().unwrap();
    let proxy = Proxy::start(address.parse::<SocketAddr>().unwrap()).unwrap();
    let url = url.replace(address, &proxy.address().to_string());
    (proxy, url)
}

/// Loses the connection while the server commits a new key.
async fn lost(world: &World, store: &Store, proxy: &Proxy) -> (ApiKey, Doubt) {
    let key = world.key();
    proxy.set(Fault::Cut { after: vec!["key.create", "COMMIT"], server: Hears::All });
    let created = store.create_key(key.clone(), world.entry(Action::KeyCreate, key.id)).await;
    let doubt = created.map_err(|error| match error {
        StoreError::InDoubt { doubt, .. } => Ok(doubt),
        other => Err(other),
    });
    (key, doubt.unwrap_err().unwrap())
}

#[tokio::test]
async fn a_transaction_in_doubt_has_ended_when_all_that_it_does_is_seen() {
    let database = Postgres::shared().database();
    let (proxy, url) = by_proxy(&database);
    let store = open(url, 2).await.unwrap();
    store.migrate().await.unwrap();
    let world = World::founded(&store).await;
    let slow = "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(1); RETURN NULL; END';
        CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON api_keys
            DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION slow();";
    database.run(slow).unwrap();
    let (key, doubt) = lost(&world, &store, &proxy).await;
    assert!(!store.has_ended(doubt).await.unwrap());
    assert_eq!(store.key(world.tenant.id, key.id).await.unwrap(), None);
    // The database ends it within seconds; a case that takes longer is ended by the runner.
    while !store.has_ended(doubt).await.unwrap() {}
    assert_eq!(world.read(&store, key.id).await, key);
    store.close().await;
}

#[tokio::test]
async fn a_transaction_in_doubt_has_ended_for_a_database_in_the_place_of_its_own() {
    let servers = [(), ()].map(|()| Postgres::start(Durability::Off).unwrap());
    let [own, other] = servers.each_ref().map(Postgres::database);
    let count = "DO 'BEGIN FOR i IN 1..5000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END'";
    own.run(count).unwrap();
    let (proxy, url) = by_proxy(&own);
    let store = open(url, 1).await.unwrap();
    store.migrate().await.unwrap();
    let (_, doubt) = lost(&World::founded(&store).await, &store, &proxy).await;
    assert!(open(other.url(), 1).await.unwrap().has_ended(doubt).await.unwrap());
}

/// Longer than anything here waits.
const FROZEN: Fault = Fault::Delay(Duration::from_secs(30));

#[tokio::test]
async fn nobody_gets_a_connection_on_which_somebody_gave_up_waiting() {
    let database = Postgres::shared().database();
    let (proxy, url) = by_proxy(&database);
    let store = open(url, 1).await.unwrap();
    store.migrate().await.unwrap();
    let world = World::founded(&store).await;
    let key = world.key();
    let patience = Duration::from_millis(200);
    for writes in [false, true] {
        proxy.set(FROZEN);
        let given_up = if writes {
            let creation = store.create_key(key.clone(), world.entry(Action::KeyCreate, key.id));
            timeout(patience, creation).await.is_err()
        } else {
            timeout(patience, store.ready()).await.is_err()
        };
        assert!(given_up, "it was answered");
        proxy.set(Fault::None);
        timeout(Duration::from_secs(4), store.ready()).await.unwrap().unwrap();
    }
    assert_eq!(store.key(world.tenant.id, key.id).await.unwrap(), None);
}

/// Another key gets the secret, and loses it, between what the import is told and what it writes.
#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_retired_during_an_import_is_not_imported() {
    let database = Postgres::shared().database();
    let store = open(database.url(), 2).await.unwrap();
    store.migrate().await.unwrap();
    let world = World::founded(&store).await;
    let imported = world.key();
    let other = ApiKey { secret: imported.secret.clone(), ..world.key() };
    let (next, id, tenant_id) = (world.key().secret, other.id, world.tenant.id);
    let (made, renewed) = (world.entry(Action::KeyCreate, id), world.entry(Action::KeyRegenerate, id));
    let (beside, digests) = (store.clone(), vec![imported.secret.digest]);
    let decide = move |held: &Held| {
        assert!(held.own.is_empty() && held.taken.is_empty());
        let meanwhile = async move {
            beside.create_key(other, made).await.unwrap();
            let renew = |key: &mut ApiKey| {
                key.secret = next;
                Ok::<_, ()>(Some(renewed))
            };
            beside.change_key(tenant_id, id, renew).await.unwrap().unwrap().unwrap();
        };
        tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(meanwhile));
        Ok::<_, ()>(Import { keys: vec![imported], audit: Vec::new(), told: () })
    };
    let outcome = store.import_keys(tenant_id, digests, decide).await;
    assert!(matches!(outcome, Err(StoreError::Conflict(Unique::Secret))), "{outcome:?}");
}
