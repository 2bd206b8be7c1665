//! A connection while it is in use.

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{ClientWrapper, Object, Pool};
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::{pool, statement};
use crate::{Doubt, StoreError};

/// How long a connection may take to answer what nobody waits for any more, before it is closed instead of given to
/// somebody else.
const LAST_ANSWER: Duration = Duration::from_secs(1);

/// A connection in use. Unless it is given back, because all was answered, it is cleared first: a transaction is rolled
/// back, also that of a future that was given up half way, and nobody gets the connection before the server has said
/// so.
pub(super) struct Session {
    client: Arc<Object>,
    begun: Begun,
}

/// What the server may still have to answer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Begun {
    Nothing,
    Statements,
    Transaction,
}

impl Session {
    /// For statements of their own.
    pub(super) async fn reading(pool: &Pool) -> Result<Self, StoreError> {
        Ok(Self { client: Arc::new(pool::take(pool).await?), begun: Begun::Statements })
    }

    /// For a transaction.
    pub(super) async fn writing(pool: &Pool) -> Result<Self, StoreError> {
        Ok(Self { client: Arc::new(pool::take(pool).await?), begun: Begun::Transaction })
    }

    pub(super) fn client(&self) -> &ClientWrapper {
        &self.client
    }

    /// Commits, and gives the connection back.
    pub(super) async fn commit(self, doubt: Doubt) -> Result<(), StoreError> {
        let committed = statement::commit(self.client(), doubt).await;
        if committed.is_ok() {
            self.give_back();
        }
        committed
    }

    /// Everything was answered.
    pub(super) fn give_back(mut self) {
        self.begun = Begun::Nothing;
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let last = match self.begun {
            Begun::Nothing => return,
            Begun::Statements => "",
            Begun::Transaction => "ROLLBACK",
        };
        // Where no runtime is, no connection works.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(clear(Arc::clone(&self.client), last));
        }
    }
}

/// Gives the connection back to the pool when it has answered this and all before it, and closes it otherwise.
async fn clear(client: Arc<Object>, last: &str) {
    let answered = timeout(LAST_ANSWER, client.batch_execute(last)).await;
    if !matches!(answered, Ok(Ok(()))) {
        // The session that shared it is gone since it waited.
        drop(Arc::into_inner(client).map(Object::take));
    }
}
