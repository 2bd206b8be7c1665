//! The one handle to the rows.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use keystile_core::NodeId;
use tokio::sync::Notify;

use crate::engine::Engine;
use crate::measures::Measures;
use crate::migrate::{self, Migration};
use crate::once::{self, Receipt};
use crate::tx::{Tx, Work};
use crate::{Location, OpenError, StoreError, schema};

/// The rows. Clones share the connections.
#[derive(Clone)]
pub struct Store {
    engine: Arc<Engine>,
    changed: Arc<Notify>,
    sealed: Arc<Notify>,
    adrift: Arc<AtomicBool>,
    measures: Arc<Measures>,
    receipt: Option<Receipt>,
    /// Which of several servers this is, if there may be several.
    node: Option<NodeId>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Store")
    }
}

impl Store {
    /// Connects. Before serving, [`Self::migrate`] or [`Self::check_schema`] must succeed.
    ///
    /// # Errors
    /// When the database cannot be reached or is too old, or another process serves from the data file.
    pub async fn open(location: Location) -> Result<Self, OpenError> {
        let engine = Arc::new(Engine::open(&location).await?);
        let measures = Arc::new(Measures::new());
        let (changed, sealed, adrift) = (Arc::default(), Arc::default(), Arc::default());
        Ok(Self { engine, changed, sealed, adrift, measures, receipt: None, node: None })
    }

    /// Brings the schema up to date and says what that took; nothing when it was. For who has the right to serve alone.
    ///
    /// # Errors
    /// When a later program has migrated the database in a way that this one does not survive, or a statement fails; nothing is changed then.
    pub async fn migrate(&self) -> Result<Vec<Migration>, OpenError> {
        self.write_quietly((), |(), tx| Box::pin(migrate::apply(tx))).await?
    }

    /// The same, also while nodes serve, if all of them survive it. A step waits two seconds at most for what others do with a table, as they would
    /// wait behind it.
    ///
    /// # Errors
    /// [`OpenError::NotSurvived`] when nodes run that would not, [`OpenError::Served`] when a server serves alone; otherwise as
    /// [`Self::migrate`], and what was done before it failed stays.
    pub async fn migrate_beside_others(&self) -> Result<Vec<Migration>, OpenError> {
        let mut all = Vec::new();
        loop {
            let applied = self.write_quietly((), |(), tx| Box::pin(migrate::apply_beside(tx))).await??;
            if applied.is_empty() {
                return Ok(all);
            }
            all.extend(applied);
        }
    }

    /// Whether this program can serve with the schema: it is the one that it knows, or a later one that it survives.
    ///
    /// # Errors
    /// Says which it has and which is needed.
    pub async fn check_schema(&self) -> Result<(), OpenError> {
        self.read((), |(), tx| Box::pin(schema::read(tx))).await?.check_served()
    }

    /// The same rows, where each transaction that writes commits together with the receipt, or not at all.
    #[must_use]
    pub fn signing(&self, receipt: Receipt) -> Self {
        Self { receipt: Some(receipt), ..self.clone() }
    }

    /// The same rows without any receipt.
    #[must_use]
    pub fn plain(&self) -> Self {
        Self { receipt: None, ..self.clone() }
    }

    /// The same rows, for a node of this name: what it writes of itself does not touch what others wrote of themselves. It reads also while
    /// it is adrift, as it keeps nothing then.
    #[must_use]
    pub fn as_node(&self, id: NodeId) -> Self {
        Self { node: Some(id), ..self.clone() }
    }

    /// Asks the database for a sign of life.
    ///
    /// # Errors
    /// When there is none.
    pub async fn ready(&self) -> Result<(), StoreError> {
        let work: Work<(), ()> =
            |(), tx| Box::pin(async move { tx.query("SELECT 1 AS one", &[]).await.map(drop) });
        self.read((), work).await
    }

    /// Waits until this process has written something that may have an audit entry, since it last waited. For one
    /// who waits; what other processes write is not noticed.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Waits until this process has sealed entries of a log, since it last waited. For one who waits; what other processes seal
    /// is not noticed.
    pub async fn sealed(&self) {
        self.sealed.notified().await;
    }

    /// Wakes whoever waits for sealed entries.
    pub(crate) fn note_sealed(&self) {
        self.sealed.notify_one();
    }

    /// Finishes what was begun and lets go of the database. Later calls are answered as unavailable.
    pub async fn close(&self) {
        self.engine.close().await;
    }

    /// A transaction that may have an audit entry.
    pub(crate) async fn write<A, R>(&self, args: A, work: Work<A, R>) -> Result<R, StoreError>
    where
        A: Send + 'static,
        R: Send + 'static,
    {
        self.refuse_adrift()?;
        let written = match self.receipt {
            None => self.measures.writes.of(self.engine.write(args, work)).await,
            Some(receipt) => {
                let signed: Work<(A, Work<A, R>, Receipt), R> =
                    |(args, work, receipt), tx| Box::pin(sign(args, *work, *receipt, tx));
                self.measures.writes.of(self.engine.write((args, work, receipt), signed)).await
            }
        };
        self.changed.notify_one();
        written
    }

    /// A transaction that has none.
    pub(crate) async fn write_quietly<A, R>(&self, args: A, work: Work<A, R>) -> Result<R, StoreError>
    where
        A: Send + 'static,
        R: Send + 'static,
    {
        self.refuse_adrift()?;
        self.measures.writes.of(self.engine.write(args, work)).await
    }

    pub(crate) async fn read<A, R>(&self, args: A, work: Work<A, R>) -> Result<R, StoreError>
    where
        A: Send + 'static,
        R: Send + 'static,
    {
        // A node that is adrift keeps nothing of what it reads.
        if self.node.is_none() {
            self.refuse_adrift()?;
        }
        self.measures.reads.of(self.engine.read(args, work)).await
    }

    /// The same for statements that have to see one moment where an engine cannot be told by rows how far to read; see [`Engine::read_at_once`].
    pub(crate) async fn read_at_once<A, R>(&self, args: A, work: Work<A, R>) -> Result<R, StoreError>
    where
        A: Send + 'static,
        R: Send + 'static,
    {
        if self.node.is_none() {
            self.refuse_adrift()?;
        }
        self.measures.reads.of(self.engine.read_at_once(args, work)).await
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(crate) fn own_measures(&self) -> &Measures {
        &self.measures
    }

    /// Which of several servers this is.
    pub(crate) const fn node(&self) -> Option<NodeId> {
        self.node
    }

    /// Whether the right to serve was lost.
    pub(crate) const fn adrift(&self) -> &Arc<AtomicBool> {
        &self.adrift
    }

    pub(crate) fn refuse_adrift(&self) -> Result<(), StoreError> {
        if self.adrift.load(Ordering::SeqCst) {
            return Err(StoreError::unavailable("the right to serve from this database was lost"));
        }
        Ok(())
    }
}

async fn sign<A: Send, R: Send>(
    args: &mut A,
    work: Work<A, R>,
    receipt: Receipt,
    tx: &mut Tx<'_>,
) -> Result<R, StoreError> {
    let result = work(args, tx).await?;
    once::sign(receipt, tx).await?;
    Ok(result)
}
