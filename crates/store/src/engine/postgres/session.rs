//! A connection while it is in a transaction.

use std::pin::pin;
use std::task::{Context, Waker};

use deadpool_postgres::{ClientWrapper, Object, Pool};

use super::{pool, statement};
use crate::StoreError;

/// A connection with a transaction. Unless it is committed, it is rolled back when this is dropped, also
/// with a future that is given up half way.
pub(super) struct Session {
    client: Object,
    committed: bool,
}

impl Session {
    pub(super) async fn begin(pool: &Pool) -> Result<Self, StoreError> {
        Ok(Self { client: pool::take(pool).await?, committed: false })
    }

    pub(super) fn client(&self) -> &ClientWrapper {
        &self.client
    }

    pub(super) async fn commit(mut self) -> Result<(), StoreError> {
        self.client.batch_execute("COMMIT").await.map_err(statement::commit_error)?;
        self.committed = true;
        Ok(())
    }
}

impl Drop for Session {
    /// The first poll sends the statement; whoever gets the connection next is served after it.
    fn drop(&mut self) {
        if !self.committed {
            let sent = pin!(self.client.batch_execute("ROLLBACK"));
            let _answered_later = sent.poll(&mut Context::from_waker(Waker::noop()));
        }
    }
}
