//! The right to serve from a database: alone, or as one of several nodes.

use std::sync::Arc;

use keystile_core::{Clock, Entropy, NodeId};
use keystile_manage::ControlPlane;
use keystile_store::{Helm, NewNode, OpenError, ServerId, Store};
use keystile_verify::{Bounds, Budgets, KeySource, Limiter, OneNode, SharedLimits, Verifier};

use crate::cluster::{Joined, Membership};
use crate::helm::Watch;
use crate::journal::Journal;
use crate::opening::{UNOPENED, migrate, migrate_beside_others};
use crate::shared_rates::shared_limits;
use crate::{Cluster, ClusterSettings, EngineError, RateSettings, SystemEntropy};

/// The right, just taken.
pub(crate) enum Place {
    /// No other server serves.
    Alone(Box<Helm>),
    /// Others may.
    Among(Box<Among>),
}

/// One of several, and what it shares its limits through.
pub(crate) struct Among {
    node: NewNode,
    joined: Joined,
    rates: Option<RateSettings>,
}

/// The right, while it is watched over.
pub(crate) enum Kept {
    Alone(Watch),
    Among(Membership),
}

impl Place {
    /// Takes the right and brings the database up to date. Nodes do that beside others only if these survive it.
    pub(crate) async fn take(
        store: &Store,
        settings: Option<&ClusterSettings>,
        clock: &dyn Clock,
    ) -> Result<(Self, Store), EngineError> {
        let Some(settings) = settings else {
            let helm = store.take_helm().await.map_err(unopened)?;
            migrate(store).await?;
            store.forget_nodes().await.map_err(|error| unopened(error.into()))?;
            return Ok((Self::Alone(Box::new(helm)), store.clone()));
        };
        migrate_beside_others(store).await?;
        let node = NewNode {
            id: NodeId::from_parts(clock.now(), random()?),
            name: settings.name.clone(),
            address: settings.address.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            lease: settings.lease,
        };
        let store = store.as_node(node.id);
        let joined = Joined::join(&store, &node, clock).await.map_err(unopened)?;
        tracing::info!(node = %node.id, name = node.name, lease = ?node.lease, "this node has joined the others");
        if settings.rates.is_none() {
            tracing::warn!(
                "limits are counted by each node, as there is no --redis-url: of n nodes together a key may use n times as much"
            );
        }
        let rates = settings.rates.clone();
        Ok((Self::Among(Box::new(Among { node, joined, rates })), store))
    }

    /// Names who leases parts of budgets.
    pub(crate) fn server(&self) -> Result<ServerId, EngineError> {
        match self {
            Self::Alone(_) => random().map(ServerId::new),
            Self::Among(among) => Ok(ServerId::of_node(among.node.id)),
        }
    }

    /// A verifier that believes what it remembers for as long as others' changes are told to it: always, or under a lease; and the limits that it
    /// shares, if it does.
    pub(crate) fn verifier(
        &self,
        keys: Arc<dyn KeySource>,
        budgets: Arc<dyn Budgets>,
        clock: &Arc<dyn Clock>,
        bounds: Bounds,
    ) -> Result<(Arc<Verifier>, Option<Arc<SharedLimits>>), EngineError> {
        let own: Arc<dyn Limiter> = OneNode::new(Arc::clone(clock));
        let of_all = Arc::clone(clock);
        Ok(match self {
            Self::Alone(_) => (Verifier::with_budgets(keys, own, budgets, of_all, bounds), None),
            Self::Among(among) => match &among.rates {
                None => (Verifier::of_a_node(keys, own, budgets, of_all, bounds), None),
                Some(rates) => {
                    let limits = shared_limits(rates, among.node.id, clock)?;
                    let limiter = Arc::clone(&limits) as _;
                    (Verifier::of_a_node(keys, limiter, budgets, of_all, bounds), Some(limits))
                }
            },
        })
    }

    /// Whether there may be other servers.
    pub(crate) const fn is_among(&self) -> bool {
        match self {
            Self::Alone(_) => false,
            Self::Among(_) => true,
        }
    }

    /// Watches over it from now on.
    pub(crate) fn keep(
        self,
        store: &Store,
        verifier: &Arc<Verifier>,
        control: &ControlPlane,
        clock: &Arc<dyn Clock>,
        journal: &Journal,
    ) -> (Kept, Option<Cluster>) {
        match self {
            Self::Alone(helm) => {
                (Kept::Alone(Watch::start(*helm, Arc::clone(verifier), journal.clone())), None)
            }
            Self::Among(among) => {
                let Among { node, joined, .. } = *among;
                let (cluster, outbox) =
                    Cluster::new(node.id, node.lease, store.clone(), Arc::clone(verifier));
                let of_cluster = (cluster.clone(), outbox);
                let membership =
                    Membership::start(of_cluster, (node, joined), control.clone(), Arc::clone(clock));
                (Kept::Among(membership), Some(cluster))
            }
        }
    }
}

impl Kept {
    /// Lets go of it.
    pub(crate) async fn stop(self) {
        match self {
            Self::Alone(watch) => watch.stop().await,
            Self::Among(membership) => membership.stop().await,
        }
    }
}

fn unopened(error: OpenError) -> EngineError {
    EngineError::because(UNOPENED, error)
}

fn random() -> Result<u128, EngineError> {
    let mut bytes = [0; 16];
    let filled = SystemEntropy.fill(&mut bytes);
    filled.map_err(|error| EngineError::because("this run of the server cannot be named", error))?;
    Ok(u128::from_ne_bytes(bytes))
}
