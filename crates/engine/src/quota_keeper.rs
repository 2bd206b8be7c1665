//! Writes what was charged about once a second, and gives back what is leased and not needed. At the start it takes up what another run has
//! left.

use std::sync::Arc;
use std::time::Duration;

use keystile_core::{Clock, Entropy, NanoUsd};
use keystile_store::{ServerId, Store};
use keystile_verify::{Return, UnwrittenCharges, Verifier};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::{EngineError, SystemEntropy};

/// Pause between two rounds. What was charged within it is counted as lost if the process is killed.
const EVERY: Duration = Duration::from_secs(1);
/// For so long a server that stops tries to write what is charged: as long as a database may take to come back from a failover, and short
/// beside the half minute that supervisors usually leave. A write that hangs is waited for beyond it.
const AT_THE_END: Duration = Duration::from_secs(5);
/// Pause between two tries at the end.
const TRY_AGAIN: Duration = Duration::from_millis(250);
/// Most keys of which it is told what was not written.
const KEYS_TOLD: usize = 100;

/// The task that keeps.
pub(crate) struct QuotaKeeper {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

fn random() -> Result<u128, EngineError> {
    let mut bytes = [0; 16];
    let filled = SystemEntropy.fill(&mut bytes);
    filled.map_err(|error| EngineError::because("this run of the server cannot be named", error))?;
    Ok(u128::from_ne_bytes(bytes))
}

impl QuotaKeeper {
    /// Takes up what other runs have left, then keeps what is charged from now on.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub(crate) async fn start(
        store: &Store,
        server: ServerId,
        verifier: Arc<Verifier>,
        clock: &dyn Clock,
    ) -> Result<Self, EngineError> {
        take_up(store, server, &verifier, clock).await?;
        let (stop, stopped) = oneshot::channel();
        Ok(Self { stop, task: tokio::spawn(run(verifier, stopped)) })
    }

    /// Writes all that was charged and gives back all that is leased and not held.
    pub(crate) async fn stop(self) {
        drop(self.stop);
        if self.task.await.is_err() {
            tracing::error!("the keeping of budgets ended with a panic");
        }
    }
}

/// Takes up what servers have left that run no more.
pub(crate) async fn take_up(
    store: &Store,
    server: ServerId,
    verifier: &Verifier,
    clock: &dyn Clock,
) -> Result<(), EngineError> {
    let (mut adopted, mut charged, mut lost) = (0, 0, 0);
    loop {
        let taken = store.take_up_quota(server, clock.now(), random()?).await;
        let taken = taken
            .map_err(|error| EngineError::because("what is left of budgets cannot be taken up", error))?;
        adopted += taken.adopted.len();
        charged += taken.charged;
        lost += taken.lost.as_nanos();
        taken.adopted.into_iter().for_each(|hold| verifier.adopt_hold(hold));
        if !taken.is_partial {
            break;
        }
    }
    if charged > 0 || lost > 0 {
        tracing::warn!(
            charged_holds = charged,
            lost = %NanoUsd::from_nanos(lost),
            "a server has ended without settling its budgets; the ledger tells what counts as spent"
        );
    }
    if adopted > 0 {
        tracing::info!(holds = adopted, "holds of callers go on");
    }
    Ok(())
}

async fn run(verifier: Arc<Verifier>, mut stopped: oneshot::Receiver<()>) {
    let mut works = true;
    loop {
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            _ = &mut stopped => break,
        }
        let kept = verifier.settle_up(Return::Idle).await;
        match (kept.is_ok(), works) {
            (false, true) => tracing::warn!("what is charged cannot be written now; it waits"),
            (true, false) => tracing::info!("what is charged is written again"),
            (true, true) | (false, false) => {}
        }
        works = kept.is_ok();
    }
    end(&verifier).await;
}

/// Writes all that was charged, trying for a while. What cannot be written is told in sums, as nothing else will remember it.
async fn end(verifier: &Verifier) {
    let until = Instant::now() + AT_THE_END;
    while verifier.settle_up(Return::All).await.is_err()
        && verifier.quota_stats().charges_waiting > 0
        && Instant::now() < until
    {
        tokio::time::sleep(TRY_AGAIN).await;
    }
    let unwritten = verifier.unwritten_charges().await;
    if !unwritten.is_empty() {
        tell_unwritten(&unwritten);
    }
}

fn tell_unwritten(keys: &[UnwrittenCharges]) {
    let sum = Sum::of(keys);
    tracing::error!(
        charges = sum.charges,
        keys = keys.len(),
        tokens = sum.tokens,
        cost = %sum.cost,
        counted = %sum.counted,
        missing = %sum.missing,
        held = %sum.held,
        "charges were not written, as the database is away or refuses them: `counted` stands in leases and counts as spent; `held` is written \
         as held, and charged in full after the next start unless its callers settle it; `missing` will be in no ledger and no sum unless \
         somebody enters it; the next lines tell of which keys"
    );
    for key in keys.iter().take(KEYS_TOLD) {
        tracing::error!(
            tenant_id = %key.tenant_id,
            key_id = %key.key_id,
            charges = key.charges,
            tokens = key.tokens,
            cost = %key.cost,
            counted = %key.leased,
            missing = %key.missing,
            held = %key.held,
            "charges of a key were not written"
        );
    }
    if keys.len() > KEYS_TOLD {
        tracing::error!(
            keys = keys.len() - KEYS_TOLD,
            "charges of further keys, each of less, were not written"
        );
    }
}

/// What all keys together were charged and is not written.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sum {
    charges: usize,
    tokens: u64,
    cost: NanoUsd,
    /// What of the cost stands in leases.
    counted: NanoUsd,
    /// What nothing stands for.
    missing: NanoUsd,
    /// What holds stand for that are written as open.
    held: NanoUsd,
}

impl Sum {
    fn of(keys: &[UnwrittenCharges]) -> Self {
        let sum = |one: NanoUsd, other: NanoUsd| {
            NanoUsd::from_nanos(one.as_nanos().saturating_add(other.as_nanos()))
        };
        keys.iter().fold(Self::default(), |all, key| Self {
            charges: all.charges + key.charges,
            tokens: all.tokens.saturating_add(key.tokens),
            cost: sum(all.cost, key.cost),
            counted: sum(all.counted, key.leased),
            missing: sum(all.missing, key.missing),
            held: sum(all.held, key.held),
        })
    }
}

#[cfg(test)]
mod tests {
    use keystile_core::{KeyId, TenantId};

    use super::*;

    #[test]
    fn what_keys_are_charged_is_summed_up() {
        let nano = NanoUsd::from_nanos;
        let key = |number: u128, [cost, leased, held, missing]: [i64; 4]| UnwrittenCharges {
            tenant_id: TenantId::from_u128(1),
            key_id: KeyId::from_u128(number),
            charges: 2,
            tokens: 10,
            cost: nano(cost),
            leased: nano(leased),
            held: nano(held),
            missing: nano(missing),
        };
        let sum = Sum::of(&[key(1, [500, 0, 40, 460]), key(2, [300, 250, 300, 0])]);
        let expected = Sum {
            charges: 4,
            tokens: 20,
            cost: nano(800),
            counted: nano(250),
            missing: nano(460),
            held: nano(340),
        };
        assert_eq!(sum, expected);
    }
}
