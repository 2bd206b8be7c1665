//! What the page of metrics tells of a node among others.

use keystile_engine::Cluster;
use keystile_measure::Exposition;

/// Writes nothing for a server that serves alone.
pub(super) fn write(cluster: Option<&Cluster>, page: &mut Exposition) {
    let Some(cluster) = cluster else { return };
    let measures = cluster.measures();
    let help = "Time for which this node may answer from memory, if it renews its lease no more.";
    page.gauge("keystile_cluster_lease_left_seconds", help).value(&[], cluster.lease_left().as_secs_f64());
    page.gauge("keystile_cluster_nodes", "Nodes that this one knows of, itself included.")
        .size(&[], cluster.nodes());
    let help = "1 on the node that does what only one node does.";
    page.gauge("keystile_cluster_leads", help).count(&[], cluster.leads().into());
    let help = "Number of the last change that this node has heard of.";
    page.gauge("keystile_cluster_revision", help).count(&[], u64::try_from(cluster.revision()).unwrap_or(0));
    let help = "Times that this node had no lease any more, and answered from the database.";
    page.counter("keystile_cluster_leases_lost_total", help).count(&[], measures.leases_lost());
    let help = "Nodes that had not acknowledged a change when their lease was over.";
    page.counter("keystile_cluster_expired_total", help).count(&[], measures.expired());
    let help = "Time that changes waited until all other nodes had heard of them, or had no lease any more.";
    page.histogram("keystile_cluster_wait_seconds", help).durations(&[], &measures.waits);
}
