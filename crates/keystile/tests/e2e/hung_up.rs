//! Calls whose clients do not wait for the answer.

use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use keystile_testkit::postgres::{Database, Postgres};
use keystile_testkit::wait::{eventually, until};
use serde_json::{Value, json};

use crate::world::{World, as_key, text};

/// Keeps everybody from the table of keys until it is ended, or for as long as anything is waited for.
const LOCK: &str = "BEGIN; LOCK TABLE api_keys; SELECT pg_sleep(60)";
/// Whoever does.
const LOCKING: &str = "FROM pg_locks JOIN pg_database ON pg_database.oid = database
    WHERE datname = current_database() AND relation = 'api_keys'::regclass
        AND mode = 'AccessExclusiveLock' AND granted";
/// Reads that wait for it: of the list, and of the key that two ask about.
const WAITING: &str = "SELECT 'both wait' FROM pg_locks JOIN pg_database ON pg_database.oid = database
    WHERE datname = current_database() AND relation = 'api_keys'::regclass
        AND mode = 'AccessShareLock' AND NOT granted HAVING count(*) >= 2";

fn lock_keys(database: &Arc<Database<'static>>) -> JoinHandle<()> {
    let locking = Arc::clone(database);
    // It is ended by force, of which it complains.
    let lock = thread::spawn(move || drop(locking.run(LOCK)));
    until("the keys to be locked", || {
        let locks = database.query(&format!("SELECT 'locked' {LOCKING}")).unwrap();
        locks.contains("locked").then_some(())
    });
    lock
}

/// Sends a request; whoever drops the connection hangs up.
fn ask(world: &World, call: &str, credential: &str, body: &str) -> TcpStream {
    let mut stream = TcpStream::connect(world.server.address()).unwrap();
    let length = body.len();
    let request = format!(
        "{call} HTTP/1.1\r\nhost: a\r\nauthorization: {credential}\r\nx-forwarded-uri: /orders/7\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_whose_clients_hang_up_before_the_answer_are_in_the_log() {
    let database = Arc::new(Postgres::shared().database());
    let world = World::on_postgres(&database).await;
    let unknown = world.create(&json!({ "name": "never asked for" })).await;
    let (owner, secret) = (text(&unknown, "created_by"), text(&unknown, "secret"));
    // Who asks comes into memory, and nothing has been waited for in vain.
    world.verify(&json!({ "key": "sk_x" })).await;
    assert!(world.logged("&status=499").await.is_empty());

    let lock = lock_keys(&database);
    let (keys, authz) = (world.keys(), world.authz("production"));
    let asked = [
        ask(&world, &format!("GET {keys}"), &world.owner, ""),
        ask(&world, "POST /api/v1/keys/verify", &world.asker(), &json!({ "key": secret }).to_string()),
        ask(&world, &format!("GET {authz}"), &as_key(secret), ""),
    ];
    until("the keys to be asked for", || {
        database.query(WAITING).unwrap().contains("both wait").then_some(())
    });
    drop(asked);
    let all = async || {
        let rows = world.logged("&code=client_closed_request").await;
        (rows.len() == 3).then_some(rows)
    };
    let mut rows = eventually("all three to be in the log", all).await;
    database.query(&format!("SELECT pg_terminate_backend(pid) {LOCKING}")).unwrap();
    lock.join().unwrap();

    rows.sort_by_key(|row| text(row, "face").to_owned());
    let [passage, called, asked] = &rows[..] else { panic!("{rows:?}") };
    assert_eq!([passage, called, asked].map(|row| text(row, "face")), ["authz", "management", "verify"]);
    for row in &rows {
        assert_eq!((&row["status"], &row["bytes_out"]), (&json!(499), &Value::Null), "{row}");
        assert!(row["duration_micros"].is_u64() && row["request_id"].is_string(), "{row}");
    }
    assert_eq!((text(called, "caller"), text(called, "path")), (owner, keys.as_str()));
    assert_eq!(text(asked, "key_id"), world.credentials.keys["production"].id, "who asked");
    let application = json!(world.credentials.application_id);
    assert_eq!((text(passage, "path"), &passage["application_id"]), ("/orders/7", &application));
    let refused = world.logged("&result=refused&status=4xx").await;
    assert!(rows.iter().all(|row| refused.contains(row)), "{refused:?}");
    // Whoever waits is told, and logged once.
    world.verify(&json!({ "key": secret })).await;
    let of_key = world.logged(&format!("&key_id={}", text(&unknown, "id"))).await;
    assert_eq!((of_key.len(), text(&of_key[0], "code")), (1, "allowed"));
}
