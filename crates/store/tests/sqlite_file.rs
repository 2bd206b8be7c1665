//! The data file: who may read it, and who may use it.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use keystile_store::{Location, OpenError, Store};

async fn open(path: &Path) -> Result<Store, OpenError> {
    Store::open(Location::Sqlite(path.to_owned())).await
}

#[tokio::test]
async fn a_second_opener_is_refused_until_the_first_has_closed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keystile.db");
    let first = open(&path).await.unwrap();
    let refused = open(&path).await.unwrap_err();
    assert!(matches!(&refused, OpenError::InUse { .. }), "{refused}");
    assert!(refused.to_string().contains("keystile.db"));
    first.close().await;
    open(&path).await.unwrap();
}

#[tokio::test]
async fn the_data_file_and_its_folder_are_their_owners_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/folder/keystile.db");
    let store = open(&path).await.unwrap();
    store.migrate().await.unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    for entry in path.parent().unwrap().read_dir().unwrap() {
        let entry = entry.unwrap().path();
        assert_eq!(mode(&entry), 0o600, "{}", entry.display());
    }
}

#[tokio::test]
async fn closing_leaves_nothing_in_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keystile.db");
    let store = open(&path).await.unwrap();
    store.migrate().await.unwrap();
    store.close().await;
    assert!(!folder.path().join("keystile.db-wal").exists());
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keystile.db");
    std::fs::write(&path, "this is a letter, not a database\n".repeat(100)).unwrap();
    let refused = open(&path).await.unwrap_err();
    assert!(matches!(&refused, OpenError::File { .. }), "{refused}");
}
