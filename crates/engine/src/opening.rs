//! Opening what an engine stands on, which tools beside a server open as well.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use keystile_manage::ControlPlane;
use keystile_store::{Location, Migration, OpenError, Store, StoreError};
use tokio::time::Instant;

use crate::private_file::make_private;
use crate::{EngineError, EngineSettings, SystemClock, SystemEntropy, encryption_key, signing};

pub(crate) const UNOPENED: &str = "the database cannot be opened";
const UNMIGRATED: &str = "the database cannot be brought up to date";

/// How long whoever migrates waits for servers that end.
const HANDOVER: Duration = Duration::from_secs(3);
/// How long it tries to get at tables that others have in use for longer than a moment, such as a backup that is being made.
const IN_USE: Duration = Duration::from_secs(60);
/// Pause between two attempts, in which whoever has waited behind the last one goes on.
const PAUSE: Duration = Duration::from_millis(500);

/// Opens the database, beside servers on PostgreSQL if need be, and brings it to the form this version needs.
///
/// # Errors
/// When it cannot be opened, was made by a newer version, or has to be changed in a way that servers do not survive that run.
pub async fn open_store(settings: &EngineSettings) -> Result<Store, EngineError> {
    let store = connect(settings).await?;
    migrate_beside_others(&store).await?;
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

/// Brings the database up to date, for who has the right to serve alone.
pub(crate) async fn migrate(store: &Store) -> Result<(), EngineError> {
    let applied = store.migrate().await.map_err(unmigrated)?;
    applied.iter().for_each(tell);
    Ok(())
}

/// Brings the database up to date if it is not, also beside nodes that survive that.
pub(crate) async fn migrate_beside_others(store: &Store) -> Result<(), EngineError> {
    match store.check_schema().await {
        Ok(()) => return Ok(()),
        Err(OpenError::SchemaBehind { .. }) => {}
        Err(other) => return Err(EngineError::because(UNOPENED, other)),
    }
    let began = Instant::now();
    loop {
        let error = match store.migrate_beside_others().await {
            Ok(applied) => {
                applied.iter().for_each(tell);
                return Ok(());
            }
            Err(error) => error,
        };
        let patience = match error {
            OpenError::Served | OpenError::NotSurvived { .. } => HANDOVER,
            OpenError::Store(StoreError::Unavailable(_)) => IN_USE,
            _ => Duration::ZERO,
        };
        if began.elapsed() >= patience {
            return Err(unmigrated(error));
        }
        tracing::info!(
            error = &error as &dyn std::error::Error,
            "the database cannot be brought up to date yet"
        );
        tokio::time::sleep(PAUSE).await;
    }
}

fn tell(step: &Migration) {
    tracing::info!(version = step.version, name = step.name, "migrated the database");
}

fn unmigrated(error: OpenError) -> EngineError {
    EngineError::because(UNMIGRATED, error)
}

fn make_private_folder(path: &Path) -> Result<(), EngineError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|error| {
        EngineError::because(format!("the data folder {} cannot be made", path.display()), error)
    })
}
