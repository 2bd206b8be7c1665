//! The schema: brought up to date once, never taken back.

use std::error::Error as _;

use keystile_store::{Location, OpenError, Store};

use crate::bed::Bed;

pub(crate) async fn migrations_run_once(bed: &Bed) {
    let store = bed.open().await;
    let applied = store.migrate().await.unwrap();
    assert_eq!(applied[0].version, 1);
    assert_eq!(store.migrate().await.unwrap(), []);
    store.check_schema().await.unwrap();
    store.close().await;
    let store = bed.open().await;
    assert_eq!(store.migrate().await.unwrap(), []);
}

pub(crate) async fn an_empty_database_is_not_served(bed: &Bed) {
    let store = bed.open().await;
    let refused = store.check_schema().await.unwrap_err();
    assert!(matches!(refused, OpenError::SchemaBehind { found: 0, .. }), "{refused}");
    assert!(refused.source().is_none());
}

pub(crate) async fn a_schema_from_the_future_is_refused(bed: &Bed) {
    let store = bed.store().await;
    store.close().await;
    bed.run_sql("INSERT INTO schema_migrations (version, name) VALUES (9999, '9999_from_the_future')");
    let store = bed.open().await;
    for refused in [store.check_schema().await.unwrap_err(), store.migrate().await.unwrap_err()] {
        assert!(matches!(refused, OpenError::SchemaTooNew { found: 9999, .. }), "{refused}");
    }
}

pub(crate) async fn concurrent_migrations_run_once(bed: &Bed) {
    let first = bed.open().await;
    let second = match bed.location() {
        Location::Sqlite(_) => first.clone(),
        server @ Location::Postgres { .. } => Store::open(server).await.unwrap(),
    };
    let (one, other) = tokio::join!(first.migrate(), second.migrate());
    let applied = [one.unwrap(), other.unwrap()].concat();
    assert!(applied.iter().map(|migration| migration.version).eq(1..=i64::try_from(applied.len()).unwrap()));
}
