//! Events that were refused before anybody tried to keep them, to be counted.

use keystile_core::event::Outcome;
use keystile_core::{Stamp, Timestamp};

use super::spaces;
use super::tally::Tally;
use crate::row::Read;
use crate::tx::Tx;
use crate::{Store, StoreError};

/// How many events of one sender broke a rule or could not be read in one minute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedEvents {
    /// What their key puts on events.
    pub stamp: Stamp,
    /// When the last of them was received.
    pub received_at: Timestamp,
    /// How many.
    pub count: u64,
}

impl Store {
    /// Counts events that were refused, in one transaction.
    ///
    /// # Errors
    /// When the database is unavailable; none is counted then.
    pub async fn count_refused_events(&self, refused: Vec<RefusedEvents>) -> Result<(), StoreError> {
        self.write_quietly(refused, |refused, tx| Box::pin(count(refused, tx))).await
    }
}

async fn count(refused: &[RefusedEvents], tx: &mut Tx<'_>) -> Read<()> {
    let (numbers, _) = spaces::enter(refused.iter().map(|one| &one.stamp), tx).await?;
    let mut tally = Tally::default();
    for RefusedEvents { stamp, received_at, count } in refused {
        let Some(numbers) = numbers.get(stamp) else {
            return Err(StoreError::Corrupt("events have no space".to_owned()));
        };
        tally.count(*numbers, *received_at, Outcome::Invalid, *count);
    }
    tally.keep(tx).await
}
