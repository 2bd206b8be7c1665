//! Redis as the authority of limits.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use keystile_verify::{Answer, BoxFuture, RateAuthority, SourceUnavailable, Statement};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisError};
use tokio::sync::Mutex;

use crate::script::{Call, RateScript};
use crate::url::RedisUrl;

/// A connection may take so many times as long as an answer: it is made of several.
const TO_CONNECT: u32 = 3;

/// One node's way to Redis. It has one connection, as its statements are made one after the other; whatever goes wrong there ends it, and the
/// next statement makes another.
pub struct RedisAuthority {
    client: Client,
    node: String,
    patience: Duration,
    script: RateScript,
    connection: Mutex<Option<MultiplexedConnection>>,
    is_away: AtomicBool,
}

/// Why nothing was heard.
#[derive(Debug, thiserror::Error)]
enum Unheard {
    #[error(transparent)]
    Redis(#[from] RedisError),
    #[error("it took longer than {0:?}")]
    Late(Duration),
    #[error("the answer of the script makes no sense")]
    Nonsense,
}

impl RedisAuthority {
    /// For the node that is called `node` among all that there ever were; an answer may take as long as `patience`.
    ///
    /// # Errors
    /// When there can be no client for this address.
    pub fn new(url: RedisUrl, node: String, patience: Duration) -> Result<Arc<Self>, RedisError> {
        // Whoever had one installed before has the same.
        let _is_installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
        Ok(Arc::new(Self {
            client: Client::open(url.into_info())?,
            node,
            patience,
            script: RateScript::new(),
            connection: Mutex::new(None),
            is_away: AtomicBool::new(false),
        }))
    }

    async fn ask(&self, statements: &[Statement], nodes: u64) -> Result<Answer, Unheard> {
        let mut slot = self.connection.lock().await;
        let mut connection = match slot.take() {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        let invocation = self.script.invocation(&self.node, nodes, statements);
        let asked = tokio::time::timeout(self.patience, invocation.invoke_async::<Call>(&mut connection));
        let call = asked.await.map_err(|_| Unheard::Late(self.patience))??;
        *slot = Some(connection);
        RateScript::read(call, statements).ok_or(Unheard::Nonsense)
    }

    async fn connect(&self) -> Result<MultiplexedConnection, Unheard> {
        let patience = self.patience * TO_CONNECT;
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(patience))
            .set_response_timeout(Some(self.patience));
        let connecting = self.client.get_multiplexed_async_connection_with_config(&config);
        let connected = tokio::time::timeout(patience, connecting).await;
        Ok(connected.map_err(|_| Unheard::Late(patience))??)
    }

    /// Says it once when Redis goes away, and once when it is back.
    fn note(&self, unheard: Option<&Unheard>) {
        let was_away = self.is_away.swap(unheard.is_some(), Ordering::Relaxed);
        match unheard {
            Some(error) if !was_away => {
                let error: &dyn std::error::Error = error;
                tracing::warn!(error, "Redis does not answer: limits are applied as they say for that");
            }
            None if was_away => tracing::info!("Redis answers again"),
            Some(_) | None => {}
        }
    }
}

impl RateAuthority for RedisAuthority {
    fn state(
        &self,
        statements: Arc<[Statement]>,
        nodes: u64,
    ) -> BoxFuture<'_, Result<Answer, SourceUnavailable>> {
        Box::pin(async move {
            let asked = self.ask(&statements, nodes).await;
            self.note(asked.as_ref().err());
            asked.map_err(|_| SourceUnavailable)
        })
    }
}
