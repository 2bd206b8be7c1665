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
/// For so long a server that stops tries to write what is charged and to give leases back: as long as a database may take to come back from
/// a failover, more than twice the five seconds after which the store says that it is busy, so that this alone loses nothing, and short
/// beside the half minute that supervisors usually leave. A write that hangs is waited for beyond it.
const AT_THE_END: Duration = Duration::from_secs(12);
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

/// Writes all that was charged and gives all leases back, trying for a while: a lease that stays is entered as lost. What cannot be written is
/// told in sums, as nothing else will remember it.
async fn end(verifier: &Verifier) {
    let until = Instant::now() + AT_THE_END;
    while verifier.settle_up(Return::All).await.is_err() && Instant::now() < until {
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
    use std::sync::atomic::{AtomicUsize, Ordering};

    use keystile_core::quota::{
        Actual, BudgetTime, Day, LeaseAsk, LeaseTruth, Leased, OpenHold, Origin, QuotaBatch, Whose,
    };
    use keystile_core::route::Table;
    use keystile_core::{
        ApplicationId, BudgetPeriod, Digest, Environment, HoldId, KeyId, KeyReading, TenantId, Timestamp,
        Upstreams,
    };
    use keystile_verify::{
        Bounds, BoxFuture, Budgets, KeySource, NotWritten, OneNode, SourceUnavailable, UsageBatch, Use,
    };

    use super::*;
    use crate::SystemClock;

    /// Nobody asks for keys.
    struct NoKeys;

    impl KeySource for NoKeys {
        fn facts(&self, _: Vec<Digest>) -> BoxFuture<'_, Result<Vec<KeyReading>, SourceUnavailable>> {
            Box::pin(async { Err(SourceUnavailable) })
        }

        fn routing(&self, _: ApplicationId) -> BoxFuture<'_, Result<Option<Table>, SourceUnavailable>> {
            Box::pin(async { Err(SourceUnavailable) })
        }

        fn upstreams(&self, _: TenantId) -> BoxFuture<'_, Result<Upstreams, SourceUnavailable>> {
            Box::pin(async { Err(SourceUnavailable) })
        }

        fn touch(&self, _: Vec<Use>) -> BoxFuture<'_, Result<(), SourceUnavailable>> {
            Box::pin(async { Err(SourceUnavailable) })
        }

        fn count(&self, _: UsageBatch) -> BoxFuture<'_, Result<(), SourceUnavailable>> {
            Box::pin(async { Err(SourceUnavailable) })
        }
    }

    /// Takes every charge, and hears what is leased at the third time it is told.
    #[derive(Default)]
    struct HardOfHearing {
        told: AtomicUsize,
    }

    impl Budgets for HardOfHearing {
        fn lease(&self, _: LeaseAsk) -> BoxFuture<'_, Result<Leased, SourceUnavailable>> {
            Box::pin(async { Err(SourceUnavailable) })
        }

        fn write(&self, _: Arc<QuotaBatch>) -> BoxFuture<'_, Result<(), NotWritten>> {
            Box::pin(async { Ok(()) })
        }

        fn give_up(&self, _: &QuotaBatch) {}

        fn true_up(&self, truth: LeaseTruth) -> BoxFuture<'_, Result<(), SourceUnavailable>> {
            assert_eq!(truth.leased, NanoUsd::ZERO, "all is written, and the rest given back");
            let times = self.told.fetch_add(1, Ordering::Relaxed) + 1;
            Box::pin(async move { if times < 3 { Err(SourceUnavailable) } else { Ok(()) } })
        }
    }

    /// A hold of 500 of a budget by the day.
    fn hold(now: Timestamp) -> OpenHold {
        let key_id = KeyId::from_u128(2);
        OpenHold {
            id: HoldId::from_u128(3),
            whose: Whose {
                tenant_id: TenantId::from_u128(1),
                key_id,
                lineage_id: Some(key_id),
                application_id: ApplicationId::from_u128(4),
                customer_id: None,
                environment: Environment::Production,
            },
            origin: Origin::Caller,
            opened_at: now,
            deadline_at: now.plus(Duration::from_secs(900)),
            tokens: 0,
            cost: NanoUsd::from_nanos(500),
            budget: Some(BudgetTime { period: BudgetPeriod::Day, first_day: Day::of(now) }),
            model: Box::default(),
            request_id: Box::default(),
        }
    }

    #[tokio::test]
    async fn leases_are_given_back_at_the_end_though_all_charges_were_written_before() {
        let (clock, budgets) = (Arc::new(SystemClock), Arc::new(HardOfHearing::default()));
        let limiter = OneNode::new(Arc::clone(&clock) as _);
        let authority: Arc<dyn Budgets> = Arc::clone(&budgets) as _;
        let hold = hold(clock.now());
        let (tenant_id, id) = (hold.whose.tenant_id, hold.id);
        let verifier = Verifier::with_budgets(Arc::new(NoKeys), limiter, authority, clock, Bounds::default());
        verifier.adopt_hold(hold);
        let actual = Actual { cost: Some(NanoUsd::from_nanos(200)), ..Actual::default() };
        verifier.settle_hold(tenant_id, id, &actual).unwrap();
        end(&verifier).await;
        let stats = verifier.quota_stats();
        assert_eq!((budgets.told.load(Ordering::Relaxed), stats.charges_waiting, stats.accounts), (3, 0, 0));
    }

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
