//! The lock that one server holds on a database, by a connection of its own.

use std::time::Duration;

use deadpool_postgres::{ClientWrapper, Object, Pool};
use tokio::time::{sleep, timeout};

use super::{pool, statement};
use crate::{OpenError, StoreError};

/// Pause between two looks whether the connection still works.
const BEAT: Duration = Duration::from_secs(1);
/// How long a look may take.
const ANSWER: Duration = Duration::from_secs(5);
/// How long one attempt to take the lock may take.
const ATTEMPT: Duration = Duration::from_secs(2);
/// The server lets go of a holder that has fallen silent after 25 seconds: later than the holder notices.
pub(super) const KEEPALIVES: &str =
    "SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3";
/// A connection of ours that was lost may live on at the server, and with it the lock.
const END_FORMER: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE pid = $1 AND CAST(backend_start AS TEXT) = $2 AND usename = current_user";
/// The first number is `keys` in ASCII; the second tells apart the schemas of one database.
const TAKE: &str = "SELECT pg_try_advisory_lock(1801812339, hashtext(current_schema()))";
const OWN: &str =
    "SELECT pid, CAST(backend_start AS TEXT) FROM pg_stat_activity WHERE pid = pg_backend_pid()";

/// The same until a transaction ends, alone or beside nodes.
const TAKE_BRIEFLY: &str = "SELECT pg_try_advisory_xact_lock(1801812339, hashtext(current_schema()))";
const SHARE_BRIEFLY: &str = "SELECT pg_try_advisory_xact_lock_shared(1801812339, hashtext(current_schema()))";

/// Whether no server has the lock; until the transaction ends, none gets it.
pub(crate) async fn serves_nobody(client: &ClientWrapper) -> Result<bool, StoreError> {
    takes(client, TAKE_BRIEFLY).await
}

/// Whether only nodes have the lock; until the transaction ends, no server gets it that serves alone.
pub(crate) async fn serves_only_nodes(client: &ClientWrapper) -> Result<bool, StoreError> {
    takes(client, SHARE_BRIEFLY).await
}

async fn takes(client: &ClientWrapper, sql: &str) -> Result<bool, StoreError> {
    let taken = client.query_one(sql, &[]).await.and_then(|row| row.try_get(0));
    taken.map_err(statement::store_error)
}

/// The lock, or what is left of it.
pub(crate) struct Helm {
    pool: Pool,
    client: Option<ClientWrapper>,
    /// The server's process for the last connection that held it, and since when it runs.
    former: Option<(i32, String)>,
}

impl Helm {
    /// `pool` is used for nothing else.
    pub(super) const fn new(pool: Pool) -> Self {
        Self { pool, client: None, former: None }
    }

    /// Tries to take the lock.
    pub(crate) async fn take(&mut self) -> Result<(), OpenError> {
        self.client = None;
        let late = |_| StoreError::unavailable("taking the lock of the server lasts too long");
        timeout(ATTEMPT, self.try_take()).await.map_err(late)?
    }

    async fn try_take(&mut self) -> Result<(), OpenError> {
        let client = Object::take(pool::take(&self.pool).await?);
        let failed = |error| OpenError::Store(statement::store_error(error));
        client.batch_execute(KEEPALIVES).await.map_err(failed)?;
        let mut own_is_left = false;
        if let Some((process, since)) = &self.former {
            own_is_left = client.execute(END_FORMER, &[process, since]).await.map_err(failed)? > 0;
        }
        if !client.query_one(TAKE, &[]).await.and_then(|row| row.try_get::<_, bool>(0)).map_err(failed)? {
            let left = StoreError::unavailable("the connection that was lost holds the lock still");
            return Err(if own_is_left { left.into() } else { OpenError::Served });
        }
        let own = client.query_one(OWN, &[]).await.map_err(failed)?;
        self.former = Some((own.try_get(0).map_err(failed)?, own.try_get(1).map_err(failed)?));
        self.client = Some(client);
        Ok(())
    }

    /// Ends when the connection no longer works, at once if it never did.
    pub(crate) async fn lost(&mut self) {
        if let Some(client) = &self.client {
            while matches!(timeout(ANSWER, client.batch_execute("")).await, Ok(Ok(()))) {
                sleep(BEAT).await;
            }
        }
        self.client = None;
    }
}
