//! One server serves from a database at a time: what it keeps in memory is told of its own changes only.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::engine::{Engine, postgres};
use crate::{OpenError, Store};

/// How long a server that starts waits for one that ends.
const HANDOVER: Duration = Duration::from_secs(3);
/// Pause between two attempts.
const PAUSE: Duration = Duration::from_millis(200);

/// The right to serve from a database. It ends with the value.
///
/// On SQLite it is that of whoever has opened the data file. On PostgreSQL it is an advisory lock of a connection of its
/// own, which can be lost. From the moment when that is noticed, which takes at most six seconds, the store that gave it
/// is adrift: it reads and writes nothing, until [`Self::retake`] and [`Self::resume`] have succeeded. Tools that do not
/// serve need no such right.
pub struct Helm {
    lock: Option<postgres::Helm>,
    adrift: Arc<AtomicBool>,
}

impl std::fmt::Debug for Helm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Helm")
    }
}

impl Store {
    /// Takes the right to serve, once.
    ///
    /// # Errors
    /// [`OpenError::Served`] when another server has it; otherwise when the database does not answer.
    pub async fn take_helm(&self) -> Result<Helm, OpenError> {
        let lock = match self.engine() {
            Engine::Sqlite(_) => None,
            Engine::Postgres(engine) => Some(engine.helm()),
        };
        let mut helm = Helm { lock, adrift: Arc::clone(self.adrift()) };
        let started = Instant::now();
        loop {
            match helm.retake().await {
                Ok(()) => return Ok(helm),
                Err(OpenError::Served) if started.elapsed() < HANDOVER => tokio::time::sleep(PAUSE).await,
                Err(error) => return Err(error),
            }
        }
    }
}

impl Helm {
    /// Ends when the right has been lost; on SQLite never.
    pub async fn lost(&mut self) {
        match &mut self.lock {
            Some(lock) => lock.lost().await,
            None => std::future::pending().await,
        }
        self.adrift.store(true, Ordering::SeqCst);
    }

    /// Sets the store adrift for good, before the right is let go of: what is read afterwards might be another's by then.
    pub fn cast_off(&self) {
        self.adrift.store(true, Ordering::SeqCst);
    }

    /// Tries to take the right again. The store stays adrift: first, whoever remembers anything of it has to forget it,
    /// as others may have changed it.
    ///
    /// # Errors
    /// [`OpenError::Served`] when another server has it; otherwise when the database does not answer.
    pub async fn retake(&mut self) -> Result<(), OpenError> {
        match &mut self.lock {
            Some(lock) => lock.take().await,
            None => Ok(()),
        }
    }

    /// Lets the store read and write again.
    pub fn resume(&self) {
        self.adrift.store(false, Ordering::SeqCst);
    }
}
