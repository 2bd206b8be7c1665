//! A connection while it is in a transaction.

use std::pin::pin;
use std::task::{Context, Waker};

use deadpool_postgres::ClientWrapper;

use super::statement;
use crate::{Doubt, StoreError};

/// A connection with a transaction. Unless it is committed, it is rolled back when this is dropped, also
/// with a future that is given up half way.
pub(super) struct Session<'c> {
    client: &'c ClientWrapper,
    committed: bool,
}

impl<'c> Session<'c> {
    pub(super) const fn on(client: &'c ClientWrapper) -> Self {
        Self { client, committed: false }
    }

    pub(super) const fn client(&self) -> &'c ClientWrapper {
        self.client
    }

    pub(super) async fn commit(mut self, doubt: Doubt) -> Result<(), StoreError> {
        statement::commit(self.client, doubt).await?;
        self.committed = true;
        Ok(())
    }
}

impl Drop for Session<'_> {
    /// The first poll sends the statement; whoever gets the connection next is served after it.
    fn drop(&mut self) {
        if !self.committed {
            let sent = pin!(self.client.batch_execute("ROLLBACK"));
            let _answered_later = sent.poll(&mut Context::from_waker(Waker::noop()));
        }
    }
}
