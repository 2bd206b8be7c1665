//! Nodes whose versions are exchanged one by one, and what nodes say to each other.

#![expect(clippy::unwrap_used, reason = "a case that fails has to panic")]

use std::time::Duration;

use keystile_core::{NodeId, Timestamp};
use keystile_store::{Hearing, Location, Member, Message, NewNode, OpenError, Question, Reply, Store, Told};
use keystile_testkit::postgres::{Database, Postgres};

/// Longer than any case takes.
const LEASE: Duration = Duration::from_secs(30);
/// Takes the last step back.
const UNDO: &str = "DELETE FROM schema_migrations WHERE version = 34;
    ALTER TABLE ledger DROP COLUMN tokens_held;
    ALTER TABLE nodes DROP COLUMN knows_schema;
    ALTER TABLE schema_migrations DROP COLUMN survived_by";
/// A later version has done a step that this one does not survive.
const LATER: &str =
    "INSERT INTO schema_migrations (version, name, survived_by) VALUES (9999, '9999_from_the_future', 9999)";

struct Bed {
    database: Database<'static>,
    store: Store,
}

struct Node {
    new: NewNode,
    member: Member,
    hearing: Hearing,
}

impl Bed {
    async fn new() -> Self {
        let database = Postgres::shared().database();
        let bed = Self { store: open(&database).await, database };
        bed.store.migrate().await.unwrap();
        bed
    }

    async fn node(&self, number: u128) -> Result<Node, OpenError> {
        let id = NodeId::from_parts(Timestamp::from_millis(1_700_000_000_000), number);
        let new = NewNode {
            id,
            name: format!("node {number}"),
            address: "127.0.0.1:1".to_owned(),
            version: "1.2.3".to_owned(),
            lease: LEASE,
        };
        let (member, hearing, _) = open(&self.database).await.as_node(id).join(&new).await?;
        Ok(Node { new, member, hearing })
    }

    fn nodes(&self) -> String {
        self.database.query("SELECT count(*) FROM nodes").unwrap().trim().to_owned()
    }
}

async fn open(database: &Database<'_>) -> Store {
    Store::open(Location::Postgres { url: database.url(), max_connections: 2 }).await.unwrap()
}

impl Node {
    async fn is_told(&mut self) -> Message {
        loop {
            match self.hearing.next().await.unwrap() {
                Told::Message(message) => return message,
                Told::Changed(..) | Told::Applied(..) => {}
            }
        }
    }
}

#[tokio::test]
async fn nodes_go_on_while_another_brings_the_database_up_to_date() {
    let bed = Bed::new().await;
    let node = bed.node(1).await.unwrap();
    bed.database.run(UNDO).unwrap();
    let applied = bed.store.migrate_beside_others().await.unwrap();
    assert_eq!(applied.iter().map(|step| step.version).collect::<Vec<_>>(), [34]);
    assert_eq!(bed.store.migrate_beside_others().await.unwrap(), []);
    bed.node(2).await.unwrap();
    node.member.leave().await.unwrap();
}

#[tokio::test]
async fn nobody_migrates_beside_a_server_that_serves_alone() {
    let bed = Bed::new().await;
    bed.database.run(UNDO).unwrap();
    let _helm = bed.store.take_helm().await.unwrap();
    let beside = open(&bed.database).await;
    assert!(matches!(beside.migrate_beside_others().await, Err(OpenError::Served)));
    assert_eq!(bed.store.migrate().await.unwrap().len(), 1);
    assert_eq!(beside.migrate_beside_others().await.unwrap(), []);
}

#[tokio::test]
async fn a_step_gives_way_to_who_has_a_table_in_use() {
    let bed = Bed::new().await;
    let _node = bed.node(1).await.unwrap();
    bed.database.run(UNDO).unwrap();
    let (client, connection) =
        tokio_postgres::connect(&bed.database.url(), tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute("BEGIN; SELECT FROM ledger").await.unwrap();
    let failed = bed.store.migrate_beside_others().await.unwrap_err();
    assert!(matches!(failed, OpenError::Store(keystile_store::StoreError::Unavailable(_))), "{failed}");
    client.batch_execute("COMMIT").await.unwrap();
    assert_eq!(bed.store.migrate_beside_others().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_node_does_not_join_when_somebody_has_just_migrated_beyond_it() {
    let bed = Bed::new().await;
    bed.database.run(LATER).unwrap();
    let refused = bed.node(1).await.map(drop).unwrap_err();
    assert!(matches!(refused, OpenError::SchemaTooNew { found: 9999, .. }), "{refused}");
    assert_eq!(bed.nodes(), "0", "nobody waits for it");
}

#[tokio::test]
async fn a_message_reaches_the_node_that_it_is_for() {
    let bed = Bed::new().await;
    let (one, mut two, mut three) =
        (bed.node(1).await.unwrap(), bed.node(2).await.unwrap(), bed.node(3).await.unwrap());
    let asks = |number| Message::Asks { from: one.new.id, number, question: Question::Write };
    let replies = Message::Replies { number: 1, reply: Reply::Over };
    let (to_two, to_three) = (two.new.id, three.new.id);
    one.member.tell(&[(to_two, asks(1)), (to_three, replies.clone()), (to_two, asks(2))]).await.unwrap();
    assert_eq!([two.is_told().await, two.is_told().await], [asks(1), asks(2)]);
    assert_eq!(three.is_told().await, replies);
    assert_eq!(three.hearing.waiting(), None);
    one.member.tell(&[]).await.unwrap();
}
