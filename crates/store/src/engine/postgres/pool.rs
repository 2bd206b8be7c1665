//! Connects to PostgreSQL.

use std::time::Duration;

use deadpool_postgres::{
    ClientWrapper, Hook, HookError, Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod,
    Runtime, Timeouts,
};
use tokio_postgres::config::SslMode;
use tokio_postgres::{Config, NoTls};

use super::tls;
use super::url::{self, Server};
use crate::{OpenError, StoreError};

/// The oldest release that its makers still mended when this was written, as `server_version_num`.
const OLDEST: i64 = 140_000;
/// How long to wait for a connection to be made, over all its steps.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a caller waits for a free connection. This also bounds how many wait.
const POOL_WAIT: Duration = Duration::from_secs(5);
/// How long a dead network may swallow what was sent before the connection counts as lost.
const NETWORK_TIMEOUT: Duration = Duration::from_secs(10);
/// Settings of every connection. No statement of ours takes seconds, except migrations of large tables,
/// which lift the limit for themselves; nobody holds a lock while thinking.
/// None runs for as long as it takes to compile one, or to start processes that share it.
pub(crate) const SETTINGS: &str = "SET statement_timeout = '10s';
    SET lock_timeout = '5s';
    SET idle_in_transaction_session_timeout = '10s';
    SET jit = off;
    SET max_parallel_workers_per_gather = 0";

/// Makes the pool and the first connection, and looks at what it leads to.
pub(super) async fn open(url: &str, max_connections: usize) -> Result<Pool, OpenError> {
    let pool = make(url, max_connections)?;
    let client = pool.get().await.map_err(no_connection)?;
    let versions = "SELECT current_setting('server_version_num'), current_setting('server_version'),
        current_setting('server_encoding')";
    let failed = |error: tokio_postgres::Error| OpenError::Connect(error.into());
    let row = client.query_one(versions, &[]).await.map_err(failed)?;
    let [number, found, encoding] = [0, 1, 2].map(|column| row.try_get::<_, String>(column));
    let (number, found, encoding) =
        (number.map_err(failed)?, found.map_err(failed)?, encoding.map_err(failed)?);
    if number.parse::<i64>().is_ok_and(|number| number < OLDEST) {
        return Err(OpenError::TooOld { engine: "PostgreSQL", found, needed: "14" });
    }
    if encoding != "UTF8" {
        return Err(OpenError::Encoding(encoding));
    }
    Ok(pool)
}

/// A pool of connections, of which it makes none yet.
pub(super) fn make(url: &str, max_connections: usize) -> Result<Pool, OpenError> {
    build(url::read(url)?, max_connections)
}

/// A free connection.
pub(super) async fn take(pool: &Pool) -> Result<Object, StoreError> {
    pool.get().await.map_err(|error| match error {
        PoolError::Backend(error) => super::statement::store_error(error),
        other => StoreError::unavailable(other),
    })
}

fn no_connection(error: PoolError) -> OpenError {
    match error {
        PoolError::Backend(error) => not_connected(error),
        other => OpenError::Connect(other.into()),
    }
}

/// Why there is no connection.
pub(super) fn not_connected(error: tokio_postgres::Error) -> OpenError {
    if tls::is_about_trust(&error) {
        OpenError::Untrusted(error.into())
    } else {
        OpenError::Connect(error.into())
    }
}

/// How every connection is made.
pub(super) fn patient(mut config: Config) -> Config {
    config
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_user_timeout(NETWORK_TIMEOUT)
        .keepalives_idle(NETWORK_TIMEOUT);
    if config.get_application_name().is_none() {
        config.application_name("keystile");
    }
    config
}

fn build(server: Server, max_connections: usize) -> Result<Pool, OpenError> {
    let config = patient(server.config);
    // `Fast` asks the connection whether it is closed; a round trip for every use would cost more than
    // trying again does.
    let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = if config.get_ssl_mode() == SslMode::Disable {
        Manager::from_config(config, NoTls, recycling)
    } else {
        Manager::from_config(config, tls::connector(&server.trust)?, recycling)
    };
    let timeouts = Timeouts { wait: Some(POOL_WAIT), create: Some(CONNECT_TIMEOUT), recycle: None };
    let settle = Hook::async_fn(|client: &mut ClientWrapper, _| {
        Box::pin(async move { client.batch_execute(SETTINGS).await.map_err(HookError::Backend) })
    });
    let pool = Pool::builder(manager).max_size(max_connections.max(1)).runtime(Runtime::Tokio1);
    let pool = pool.timeouts(timeouts).post_create(settle).build();
    pool.map_err(|error| OpenError::Connect(error.into()))
}
