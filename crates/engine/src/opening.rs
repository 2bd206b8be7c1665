//! Opening what an engine stands on, which tools beside a server open as well.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;

use keystile_manage::ControlPlane;
use keystile_store::{Location, Store};

use crate::private_file::make_private;
use crate::{EngineError, EngineSettings, SystemClock, SystemEntropy, encryption_key, signing};

pub(crate) const UNOPENED: &str = "the database cannot be opened";

/// Opens the database, beside a server on PostgreSQL if need be, and brings it to the form this version needs.
///
/// # Errors
/// When it cannot be opened, or was made by a newer version.
pub async fn open_store(settings: &EngineSettings) -> Result<Store, EngineError> {
    let store = connect(settings).await?;
    migrate(&store).await?;
    Ok(store)
}

/// Brings the control plane together with its keys, which are made on the first start.
///
/// # Errors
/// When a key cannot be read or made, or is not the one that this database was used with.
pub async fn control_plane(settings: &EngineSettings, store: &Store) -> Result<ControlPlane, EngineError> {
    let signing = signing::load(&settings.signing_key_file)?;
    let vault = encryption_key::load(&settings.encryption_key_file, store, &SystemEntropy).await?;
    let control =
        ControlPlane::new(store.clone(), Arc::new(SystemClock), Arc::new(SystemEntropy), signing, vault)
            .map_err(|error| EngineError::because("the control plane did not start", error))?;
    Ok(match &settings.request_log_elsewhere {
        Some(elsewhere) => control.with_log_elsewhere(&elsewhere.name),
        None => control,
    })
}

pub(crate) async fn connect(settings: &EngineSettings) -> Result<Store, EngineError> {
    make_private_folder(&settings.data_dir)?;
    if let Location::Sqlite(file) = &settings.location {
        for suffix in ["", "-wal", "-shm"] {
            let mut name = file.clone().into_os_string();
            name.push(suffix);
            make_private(name.as_ref());
        }
    }
    let store = Store::open(settings.location.clone()).await;
    store.map_err(|error| EngineError::because(UNOPENED, error))
}

pub(crate) async fn migrate(store: &Store) -> Result<(), EngineError> {
    let applied = store
        .migrate()
        .await
        .map_err(|error| EngineError::because("the database cannot be brought up to date", error))?;
    for migration in applied {
        tracing::info!(version = migration.version, name = migration.name, "migrated the database");
    }
    Ok(())
}

fn make_private_folder(path: &Path) -> Result<(), EngineError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|error| {
        EngineError::because(format!("the data folder {} cannot be made", path.display()), error)
    })
}
