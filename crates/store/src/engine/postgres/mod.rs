//! PostgreSQL: a bounded pool, and transactions whose statements are sent together where they can.

mod helm;
mod member;
mod pool;
mod session;
mod snapshot;
mod statement;
mod tls;
mod url;

use deadpool_postgres::Pool;
use futures_util::future;

use crate::tx::{Tx, Work};
use crate::{Doubt, Load, OpenError, StoreError, noting};
use session::Session;

pub(crate) use helm::{Helm, serves_nobody, serves_only_nodes};
pub(crate) use member::{Member, Messages};
#[cfg(test)]
pub(crate) use pool::SETTINGS;
pub(crate) use snapshot::Snapshot;
#[cfg(test)]
pub(crate) use statement::translated;
pub(crate) use statement::{be_brief, be_patient, each, execute, lock_schema, prepare_all, query, script};
pub(crate) use url::shown;

/// How often a transaction is tried that PostgreSQL ended for the sake of another one, or whose connection
/// was found dead before its commit. One that fails so often meets more than bad luck.
const MAX_ATTEMPTS: u32 = 3;

/// Connections to one database.
pub(crate) struct Engine {
    pool: Pool,
    /// Makes the connection that holds the lock of a server.
    aside: Pool,
    /// Where a node of several makes the connection on which it listens.
    url: String,
}

impl Engine {
    pub(crate) async fn open(url: &str, max_connections: usize) -> Result<Self, OpenError> {
        let (pool, aside) = (pool::open(url, max_connections).await?, pool::make(url, 1)?);
        Ok(Self { pool, aside, url: url.to_owned() })
    }

    pub(crate) async fn write<A: Send, R>(&self, mut args: A, work: Work<A, R>) -> Result<R, StoreError> {
        let mut attempt = 1;
        loop {
            let session = Session::writing(&self.pool).await?;
            match transact(&session, &mut args, work).await {
                Ok((result, doubt)) => {
                    session.commit(doubt).await?;
                    noting::note(doubt);
                    return Ok(result);
                }
                Err(error) if attempt < MAX_ATTEMPTS && statement::may_try_again(&error) => {
                    tracing::debug!(attempt, ?error, "a transaction is tried again");
                    attempt += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    pub(crate) async fn read<A: Send, R>(&self, mut args: A, work: Work<A, R>) -> Result<R, StoreError> {
        let mut attempt = 1;
        loop {
            let session = Session::reading(&self.pool).await?;
            match work(&mut args, &mut Tx::Postgres(session.client())).await {
                Ok(result) => {
                    session.give_back();
                    return Ok(result);
                }
                Err(error) if attempt < MAX_ATTEMPTS && statement::may_try_again(&error) => attempt += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// The same, with a view of one moment for all statements.
    pub(crate) async fn read_at_once<A: Send, R>(
        &self,
        mut args: A,
        work: Work<A, R>,
    ) -> Result<R, StoreError> {
        let mut attempt = 1;
        loop {
            let session = Session::writing(&self.pool).await?;
            match look(&session, &mut args, work).await {
                Ok(result) => {
                    session.give_back();
                    return Ok(result);
                }
                Err(error) if attempt < MAX_ATTEMPTS && statement::may_try_again(&error) => attempt += 1,
                Err(error) => return Err(error),
            }
        }
    }

    pub(crate) fn helm(&self) -> Helm {
        Helm::new(self.aside.clone())
    }

    /// The connection of a node, and what comes on it unasked.
    pub(crate) async fn member(&self) -> Result<(Member, Messages), OpenError> {
        Member::connect(&self.url).await
    }

    /// What its connections do now.
    pub(crate) fn load(&self) -> Load {
        let pool = self.pool.status();
        Load::Postgres { open: pool.size, idle: pool.available, most: pool.max_size, waiting: pool.waiting }
    }

    pub(crate) fn close(&self) {
        self.pool.close();
    }
}

/// Reads as of one moment. `BEGIN` travels together with the first statement.
async fn look<A, R>(session: &Session, args: &mut A, work: Work<A, R>) -> Result<R, StoreError> {
    let mut tx = Tx::Postgres(session.client());
    let begin = statement::begin_look(session.client());
    let (begun, result) = future::join(begin, work(args, &mut tx)).await;
    begun?;
    let result = result?;
    statement::end_look(session.client()).await?;
    Ok(result)
}

/// `BEGIN` travels together with the first statement.
async fn transact<A, R>(session: &Session, args: &mut A, work: Work<A, R>) -> Result<(R, Doubt), StoreError> {
    let mut tx = Tx::Postgres(session.client());
    let begin = statement::begin(session.client());
    let (begun, result) = future::join(begin, work(args, &mut tx)).await;
    let doubt = begun?;
    Ok((result?, doubt))
}
