//! The connection of a node: it holds the lock that nodes share, listens, and renews the lease.

use std::future::poll_fn;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_postgres::config::SslMode;
use tokio_postgres::types::ToSql;
use tokio_postgres::{AsyncMessage, Client, Connection, NoTls, Notification};

use super::helm::KEEPALIVES;
use super::{pool, statement, tls, url};
use crate::row::Row;
use crate::value::Value;
use crate::{OpenError, StoreError};

/// Messages that wait to be heard. What finds no room is lost, and learned with the next renewal.
const WAITING: usize = 4_096;
/// How long an answer may take, but for the one that the caller bounds.
const ANSWER: Duration = Duration::from_secs(5);
/// Others must be able to rely on a renewal that was answered, also when the database is killed.
const LISTEN: &str = "SET synchronous_commit = on; LISTEN keystile_changes; LISTEN keystile_acks";
/// The lock that a server takes which serves alone, as those take it who share it.
const SHARE: &str = "SELECT pg_try_advisory_lock_shared(1801812339, hashtext(current_schema()))";
/// That of the one node that does what only one may do.
const LEAD: &str = "SELECT pg_try_advisory_lock(1801812340, hashtext(current_schema()))";

/// What came on the connection unasked; it ends with the connection.
pub(crate) type Messages = mpsc::Receiver<Notification>;

/// The connection. Its locks end with it.
pub(crate) struct Member {
    client: Client,
}

impl Member {
    /// Connects and listens. All changes that are committed after this are told.
    pub(crate) async fn connect(url: &str) -> Result<(Self, Messages), OpenError> {
        let server = url::read(url)?;
        let config = pool::patient(server.config);
        let (client, messages) = if config.get_ssl_mode() == SslMode::Disable {
            let (client, connection) = config.connect(NoTls).await.map_err(pool::not_connected)?;
            (client, listen(connection))
        } else {
            let tls = tls::connector(&server.trust)?;
            let (client, connection) = config.connect(tls).await.map_err(pool::not_connected)?;
            (client, listen(connection))
        };
        let member = Self { client };
        for settings in [pool::SETTINGS, KEEPALIVES, LISTEN] {
            member.run(settings).await?;
        }
        Ok((member, messages))
    }

    /// Takes the lock beside other nodes, unless a server has it that serves alone.
    pub(crate) async fn share(&self) -> Result<bool, StoreError> {
        self.is_so(SHARE).await
    }

    /// Takes the lock of the node that leads, unless another has it.
    pub(crate) async fn lead(&self) -> Result<bool, StoreError> {
        self.is_so(LEAD).await
    }

    /// Waits for whoever changes the schema.
    pub(crate) async fn wait_for_schema(&self) -> Result<(), StoreError> {
        self.run(&statement::wait_for_schema()).await
    }

    /// Runs a text of several statements.
    pub(crate) async fn run(&self, sql: &str) -> Result<(), StoreError> {
        in_time(self.client.batch_execute(sql)).await
    }

    /// Runs one statement and gives its rows.
    pub(crate) async fn query(&self, sql: &str, values: &[Value]) -> Result<Vec<Row>, StoreError> {
        Value::check(values)?;
        let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| value as _).collect();
        statement::read_rows(&in_time(self.client.query(sql, &values)).await?)
    }

    async fn is_so(&self, sql: &str) -> Result<bool, StoreError> {
        let row = in_time(self.client.query_one(sql, &[])).await?;
        row.try_get(0).map_err(statement::store_error)
    }
}

async fn in_time<T>(answer: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<T, StoreError> {
    match timeout(ANSWER, answer).await {
        Ok(answered) => answered.map_err(statement::store_error),
        Err(_) => Err(StoreError::unavailable("the connection of this node is silent")),
    }
}

/// Lets the connection work in a task of its own, which ends with it.
fn listen<S, T>(connection: Connection<S, T>) -> Messages
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (heard, messages) = mpsc::channel(WAITING);
    tokio::spawn(work(connection, heard));
    messages
}

async fn work<S, T>(mut connection: Connection<S, T>, heard: mpsc::Sender<Notification>)
where
    S: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        match poll_fn(|context| connection.poll_message(context)).await {
            Some(Ok(AsyncMessage::Notification(message))) => {
                if heard.try_send(message).is_err() {
                    tracing::debug!("a notification found no room");
                }
            }
            Some(Ok(_)) => {}
            Some(Err(error)) => {
                let error: &dyn std::error::Error = &error;
                return tracing::debug!(error, "the connection of this node has failed");
            }
            None => return,
        }
    }
}
