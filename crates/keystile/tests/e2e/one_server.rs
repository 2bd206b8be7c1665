//! One server serves from a PostgreSQL database at a time.

use std::process::Command;

use keystile_store::{Location, Store};
use keystile_testkit::http::NOTHING;
use keystile_testkit::postgres::Postgres;
use keystile_testkit::proxy::Fault;
use keystile_testkit::server::Plan;
use keystile_testkit::wait::eventually;
use serde_json::json;

use crate::doubt::Bed;
use crate::world::{KEYSTILE, World, text};

async fn status(world: &World, path: &str) -> u16 {
    world.http.json("GET", path, "", &NOTHING).await.status
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_server_does_not_start_and_tools_run_beside_the_first() {
    let database = Postgres::shared().database();
    let mut world = World::on_postgres(&database).await;
    let plan = Plan::dev(KEYSTILE).own_database().flag("--database-url", &database.url());
    let mut second = plan.run("second");
    assert!(!second.wait().success());
    assert!(
        second.stderr().contains("another Keystile server serves from this database"),
        "{}",
        second.stderr()
    );
    let data = world.server.plan().data_dir();
    for tool in [&["migrate"][..], &["admin", "remove-second-factor", "owner@localhost"]] {
        let mut command = Command::new(KEYSTILE);
        command.args(tool).arg("--data-dir").arg(&data).args(["--database-url", &database.url()]);
        let output = command.env_clear().output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(status(&world, "/readyz").await, 200);
    world.create(&json!({ "name": "goes on" })).await;
    // Whoever stops lets go of it.
    world.server.stop();
    world.start_again();
    assert_eq!(status(&world, "/readyz").await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_replaced_trusts_its_memory_no_more() {
    let bed = Bed::new().await;
    let key = bed.known().await;
    bed.proxy.set(Fault::Refuse);
    bed.proxy.cut_all();
    assert_eq!(bed.code(&key).await, "allowed", "a database that is away stops nobody");
    // What readiness said before may be passed on for a moment.
    eventually("the server to be not ready", async || {
        (status(&bed.world, "/readyz").await == 503).then_some(())
    })
    .await;
    let url = bed.postgres.url().to_owned();
    let other = Store::open(Location::Postgres { url, max_connections: 1 }).await.unwrap();
    let helm = other.take_helm().await.unwrap();
    bed.postgres.run("UPDATE api_keys SET enabled = 0 WHERE name = 'known'").unwrap();
    bed.proxy.set(Fault::None);

    let path = bed.world.authz("production");
    let refused = async || {
        let credential = bed.world.asker();
        let answer = bed.world.http.json("GET", &path, &credential, &NOTHING).await;
        (answer.status == 503).then_some(answer)
    };
    let refused = eventually("verification to be refused", refused).await;
    refused.expect_problem(503, "enforcement_unavailable");
    assert_eq!(status(&bed.world, "/readyz").await, 503);
    let revoked = bed.world.change("POST", text(&key, "id"), "/revoke", &NOTHING).await;
    revoked.expect_problem(503, "unavailable");

    drop(helm);
    eventually("the first server to be back", async || {
        (status(&bed.world, "/readyz").await == 200).then_some(())
    })
    .await;
    assert_eq!(bed.code(&key).await, "key_inactive");
    bed.world.change("POST", text(&key, "id"), "/revoke", &NOTHING).await.expect(200);
}
