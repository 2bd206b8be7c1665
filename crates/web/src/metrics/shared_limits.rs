//! What the page of metrics tells of limits that nodes share.

use keystile_measure::Exposition;
use keystile_verify::SharedLimits;

/// Writes nothing where limits are not shared.
pub(super) fn write(limits: Option<&SharedLimits>, page: &mut Exposition) {
    let Some(limits) = limits else { return };
    let stats = limits.stats();
    let help = "1 while Redis answers for limits; otherwise they are applied as they say for that.";
    page.gauge("keystile_rates_shared", help).count(&[], stats.shares.into());
    let help = "Owners of whose limits this node has reserved something, or has to tell something.";
    page.gauge("keystile_rates_active", help).size(&[], stats.active);
    let help = "Round trips to Redis about limits.";
    page.counter("keystile_rates_round_trips_total", help).count(&[], stats.round_trips);
    let help = "Of these, how many were not answered, or not in time.";
    page.counter("keystile_rates_failed_total", help).count(&[], stats.failed);
    let help = "Owners of limits about whom Redis was asked; a round trip has many.";
    page.counter("keystile_rates_statements_total", help).count(&[], stats.statements);
    let help = "Requests and tokens that were reserved in Redis.";
    page.counter("keystile_rates_reserved_total", help).count(&[], stats.reserved);
    let help = "Requests and tokens that were given back unused.";
    page.counter("keystile_rates_returned_total", help).count(&[], stats.returned);
    let help = "Requests that waited for an answer of Redis.";
    page.counter("keystile_rates_waited_total", help).count(&[], stats.waited);
    let help = "Requests that were served from this node's own part of a limit, as Redis was away.";
    page.counter("keystile_rates_own_part_total", help).count(&[], stats.own_part);
    let help = "Times that Redis had forgotten everything, and was told it again.";
    page.counter("keystile_rates_forgotten_total", help).count(&[], stats.forgotten);
}
