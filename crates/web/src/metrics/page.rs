//! The page that Prometheus reads. `docs/operations.md` says what each name means.

use std::time::Duration;

use keystile_core::event::Outcome;
use keystile_core::{Code, JobKind, JobState};
use keystile_engine::NotKept;
use keystile_measure::{Exposition, Family};
use keystile_store::{Load, Measured};
use keystile_verify::Stats;

use super::connections::Reading;
use super::requests::CLASS_NAMES;
use super::{CLASSES, CODES, Face, Hot, Listener, Metrics, Verb};
use crate::authz::{envoy, forward};
use crate::service::VERIFY_PATH;
use crate::state::App;

/// Longest that a page waits for the store: whoever reads it must learn the rest when the store is away.
const TALLY_TIMEOUT: Duration = Duration::from_secs(1);

/// How states of jobs are told.
const JOB_STATES: [(&str, &[JobState]); 3] = [
    ("waiting", &[JobState::Waiting]),
    ("running", &[JobState::Running, JobState::Cancelling]),
    ("failed", &[JobState::Failed]),
];

impl Hot {
    pub(crate) const fn route(self) -> &'static str {
        match self {
            Self::Verify => VERIFY_PATH,
            Self::Authz => forward::TEMPLATE,
            Self::Envoy => envoy::CHECK,
        }
    }

    const fn face(self) -> Face {
        match self {
            Self::Verify => Face::Verify,
            Self::Authz => Face::Authz,
            Self::Envoy => Face::Envoy,
        }
    }
}

/// Writes everything that this crate can reach.
pub(crate) fn write(app: &App, page: &mut Exposition) {
    page.gauge("keystile_build_info", "Always 1; the version stands in the label.")
        .count(&[("version", env!("CARGO_PKG_VERSION"))], 1);
    decisions(&app.metrics, page);
    requests(&app.metrics, page);
    connections(&app.metrics, page);
    bodies(app, page);
    passwords(app, page);
    let stats = app.verifier.stats();
    cache(&stats, page);
    usage(&stats, page);
    events(app, page);
    log(app, page);
    webhooks(app, page);
    app.gateway.write_metrics(page);
    quota(app, page);
    store(app, page);
    super::cluster::write(app.cluster.as_ref(), page);
    super::shared_limits::write(app.shared_limits.as_deref(), page);
}

/// Writes how many background jobs there are, unless the store does not tell in time.
pub(crate) async fn write_jobs(app: &App, page: &mut Exposition) {
    let tally = tokio::time::timeout(TALLY_TIMEOUT, app.store.tally_jobs()).await;
    let Ok(Ok(tally)) = tally else { return };
    let count = |kind: JobKind, states: &[JobState]| {
        let counted = tally.iter().filter(|(own, state, _)| *own == kind && states.contains(state));
        counted.map(|(_, _, count)| count).sum::<u64>()
    };
    let help = "Background jobs that wait, that run, and that have failed and are still kept.";
    let mut family = page.gauge("keystile_jobs", help);
    for kind in JobKind::ALL {
        for (state, states) in JOB_STATES {
            family.count(&[("kind", kind.as_str()), ("state", state)], count(*kind, states));
        }
    }
}

fn decisions(metrics: &Metrics, page: &mut Exposition) {
    let help = "Decisions about keys, by who asked and by code.";
    let mut family = page.counter("keystile_decisions_total", help);
    for face in Face::ALL {
        for code in Code::ALL {
            let count = metrics.decisions.sum(face as usize * CODES + *code as usize);
            if count > 0 || *code == Code::Allowed {
                family.count(&[("face", face.name()), ("code", code.as_str())], count);
            }
        }
    }
    let help = "Time from the head of a request for a decision to its answer, of one in 16 requests.";
    let mut family = page.histogram("keystile_decision_duration_seconds", help);
    for hot in Hot::ALL {
        family.durations(&[("face", hot.face().name())], &metrics.hot[hot as usize].durations);
    }
}

fn requests(metrics: &Metrics, page: &mut Exposition) {
    let help = "Answers to requests, by route, method and class of status.";
    let mut family = page.counter("keystile_http_requests_total", help);
    for hot in Hot::ALL {
        for verb in Verb::ALL {
            for (class, name) in CLASS_NAMES.iter().enumerate() {
                let count = metrics.hot[hot as usize].requests.sum(verb as usize * CLASSES + class);
                if count > 0 {
                    let labels = [("route", hot.route()), ("method", verb.name()), ("status", *name)];
                    family.count(&labels, count);
                }
            }
        }
    }
    metrics.routes.write_counts(&mut family);
    let help = "Time to the head of an answer, by route and method; decisions about keys are measured apart.";
    metrics.routes.write_durations(&mut page.histogram("keystile_http_request_duration_seconds", help));
}

fn connections(metrics: &Metrics, page: &mut Exposition) {
    let all: Vec<_> = Listener::ALL
        .into_iter()
        .map(|listener| ([("listener", listener.name())], metrics.connections(listener).reading()))
        .filter(|(_, reading)| reading.most > 0)
        .collect();
    let each = |mut family: Family<'_>, of: fn(&Reading) -> u64| {
        all.iter().for_each(|(listener, reading)| {
            family.count(listener, of(reading));
        });
    };
    each(page.gauge("keystile_connections_open", "Connections that are open."), |reading| reading.open);
    each(page.gauge("keystile_connections_limit", "Connections that may be open at once."), |reading| {
        reading.most
    });
    let help = "Connections that were accepted.";
    each(page.counter("keystile_connections_accepted_total", help), |reading| reading.accepted);
    let help = "Times that all places were taken, so that connections had to wait in the system's queue.";
    each(page.counter("keystile_connections_full_total", help), |reading| reading.waits);
    let help = "Times that the system let no connection be accepted, such as for lack of open files.";
    each(page.counter("keystile_connections_failed_total", help), |reading| reading.failed);
    let help = "Connections that were ended because nothing moved on them.";
    each(page.counter("keystile_connections_idle_total", help), |reading| reading.idle);
}

fn bodies(app: &App, page: &mut Exposition) {
    let (held, most) = app.reading.room.held_of_most();
    page.gauge("keystile_body_memory_bytes", "Memory that unfinished bodies of requests take.")
        .size(&[], held);
    page.gauge("keystile_body_memory_limit_bytes", "Memory that they may take.").size(&[], most);
    let help = "Bodies that were refused for lack of that memory.";
    page.counter("keystile_bodies_refused_total", help).count(&[], app.reading.room.refused());
}

fn passwords(app: &App, page: &mut Exposition) {
    let load = app.control.password_load();
    let help = "Passwords that are hashed or wait for it.";
    page.gauge("keystile_password_hashes_queued", help).size(&[], load.queued);
    page.gauge("keystile_password_hashes_limit", "Passwords that may be at once.").size(&[], load.most);
    let help = "Passwords that were sent away with 503 because so many were waiting.";
    page.counter("keystile_password_hashes_refused_total", help).count(&[], load.refused);
}

fn cache(stats: &Stats, page: &mut Exposition) {
    page.gauge("keystile_cache_entries", "What is in memory, by kind.")
        .size(&[("kind", "key")], stats.keys)
        .size(&[("kind", "absent")], stats.absent)
        .size(&[("kind", "routing")], stats.routings)
        .size(&[("kind", "upstreams")], stats.upstreams)
        .size(&[("kind", "profile")], stats.profiles)
        .size(&[("kind", "meter")], stats.meters);
    page.counter("keystile_cache_hits_total", "Verifications that were answered from memory.")
        .count(&[], stats.hits);
    page.counter("keystile_cache_misses_total", "Verifications that waited for a read.")
        .count(&[], stats.misses);
    page.counter("keystile_cache_evictions_total", "Entries that made room for others.")
        .count(&[("kind", "key")], stats.evictions)
        .count(&[("kind", "absent")], stats.absent_evictions);
    page.counter("keystile_cache_queries_total", "Queries for keys; each reads all that wait.")
        .count(&[], stats.queries);
    page.gauge("keystile_cache_reads", "Keys that are being read.").size(&[], stats.flights);
    page.gauge("keystile_cache_waiting", "Keys that wait for a query.").size(&[], stats.waiting);
    page.counter(
        "keystile_cache_unavailable_total",
        "Verifications refused because the key could not be read.",
    )
    .count(&[], stats.unavailable);
    page.gauge("keystile_changes_in_doubt", "Changes of which it is not known whether they were committed.")
        .size(&[], stats.doubts);
}

fn usage(stats: &Stats, page: &mut Exposition) {
    let help = "Last uses of keys, and uses from further addresses, that are not written yet.";
    page.gauge("keystile_uses_pending", help).size(&[], stats.uses_pending);
    let help = "Times that counts and last uses of keys could not be written; they are tried again.";
    page.counter("keystile_usage_flush_failures_total", help).count(&[], stats.flush_failures);
    let help = "Decisions that are in no usage report, because the store was away for too long.";
    page.counter("keystile_usage_uncounted_total", help).count(&[], stats.uncounted);
}

fn events(app: &App, page: &mut Exposition) {
    let (measures, load) = (app.ingest.measures(), app.ingest.load());
    let mut single = |name, help, count| {
        page.counter(name, help).count(&[], count);
    };
    let help = "Events that were accepted and are kept since.";
    single("keystile_events_accepted_total", help, measures.events(Outcome::Accepted));
    let help = "Events that were accepted again, as they were kept before.";
    single("keystile_events_repeated_total", help, measures.events(Outcome::Repeated));
    let help = "Requests with events that keep every rule.";
    single("keystile_event_requests_total", help, measures.requests());
    let help = "What the events of those requests say, in bytes.";
    single("keystile_event_bytes_total", help, measures.bytes());
    let help = "Events that were refused, by reason.";
    let mut family = page.counter("keystile_events_refused_total", help);
    for outcome in Outcome::ALL.iter().copied().filter(|outcome| outcome.is_refused()) {
        family.count(&[("reason", outcome.as_str())], measures.events(outcome));
    }
    let help = "Events that could not be kept and have to be sent again, by reason.";
    let mut family = page.counter("keystile_events_not_kept_total", help);
    for why in NotKept::ALL {
        family.count(&[("reason", why.name())], measures.not_kept(why));
    }
    let help = "Time that it took to write the events that waited, their turn and their commit included.";
    page.histogram("keystile_event_commit_duration_seconds", help).durations(&[], &measures.commits);
    page.gauge("keystile_event_requests_waiting", "Requests with events that wait to be written.")
        .size(&[], load.queued);
    page.gauge("keystile_event_requests_waiting_limit", "Such requests that may wait.")
        .size(&[], load.most_queued);
    page.gauge("keystile_event_memory_bytes", "Memory of the events that wait or are being written.")
        .size(&[], load.held_bytes);
    page.gauge("keystile_event_memory_limit_bytes", "Memory that they may take.").size(&[], load.most_bytes);
    swept(app, page);
}

fn swept(app: &App, page: &mut Exposition) {
    let measures = app.store.measures();
    let help = "Events that were removed because their tenant keeps none as old.";
    page.counter("keystile_events_swept_total", help).count(&[], measures.swept_events());
    let help = "Entities that were forgotten because nothing was heard of them for as long.";
    page.counter("keystile_entities_swept_total", help).count(&[], measures.swept_entities());
}

fn log(app: &App, page: &mut Exposition) {
    let stats = app.requests.stats();
    let help = "Requests that are not written to the log yet.";
    page.gauge("keystile_log_requests_pending", help).size(&[], stats.waiting);
    page.counter("keystile_log_requests_total", "Requests that were written to the log.")
        .count(&[], stats.written);
    let help =
        "Requests that are missing in the log, as there was no room for them or the store refused them.";
    page.counter("keystile_log_requests_missing_total", help).count(&[], stats.missing);
    let help = "Times that the log could not be written; it is tried again.";
    page.counter("keystile_log_failures_total", help).count(&[], stats.failures);
    page.gauge("keystile_log_streams", "Who watch a log.").size(&[], stats.watching);
}

fn webhooks(app: &App, page: &mut Exposition) {
    let stats = app.courier.stats();
    let help = "Attempts to send a message to a webhook, by how they went.";
    let mut family = page.counter("keystile_webhook_attempts_total", help);
    for outcome in keystile_courier::Outcome::ALL {
        family.count(&[("outcome", outcome.as_str())], stats.attempts(outcome));
    }
    let help = "Attempts that are under way.";
    page.gauge("keystile_webhook_attempts_open", help).size(&[], stats.sending);
    let help = "Messages that wait for webhooks that are on, counted every 15 seconds.";
    page.gauge("keystile_webhook_deliveries_pending", help).count(&[], stats.pending);
    let help = "How long the oldest of them has waited.";
    let waited = app.courier.oldest_waits_for().as_secs_f64();
    page.gauge("keystile_webhook_oldest_pending_seconds", help).value(&[], waited);
}

fn quota(app: &App, page: &mut Exposition) {
    let stats = app.verifier.quota_stats();
    let help = "Tokens and money that are held for requests under way: how many such holds there are.";
    page.gauge("keystile_holds_open", help).size(&[], stats.holds);
    let help = "Lineages of keys with holds, leases, or charges that are not written.";
    page.gauge("keystile_holds_accounts", help).size(&[], stats.accounts);
    page.gauge("keystile_charges_pending", "Charges that are not written to the ledger yet.")
        .size(&[], stats.charges_waiting);
    let help = "Times that charges could not be written; they are tried again.";
    page.counter("keystile_charge_flush_failures_total", help).count(&[], stats.flush_failures);
    let help = "Charges that the ledger refused while it took others; the log has each of them in full.";
    page.counter("keystile_charges_given_up_total", help).count(&[], stats.given_up);
    let help = "Times that a part of a budget was leased, or asked for in vain.";
    page.counter("keystile_budget_leases_total", help).count(&[], stats.leases);
    let help = "Holds that were charged in full, as nobody settled them in time.";
    page.counter("keystile_holds_overdue_total", help).count(&[], stats.overdue);
}

fn store(app: &App, page: &mut Exposition) {
    let measures = app.store.measures();
    let kinds: [(_, &Measured); 2] =
        [([("kind", "read")], &measures.reads), ([("kind", "write")], &measures.writes)];
    let help = "Time that transactions took, their turn and their commit included.";
    let mut family = page.histogram("keystile_store_transaction_duration_seconds", help);
    for (kind, measured) in kinds {
        family.durations(&kind, &measured.durations);
    }
    let help = "Transactions that failed because of the database.";
    let mut family = page.counter("keystile_store_failures_total", help);
    for (kind, measured) in kinds {
        family.count(&kind, measured.failures());
    }
    load(app.store.load(), page);
    let help = "1 while the right to serve from the database is lost, and nothing is read or written.";
    page.gauge("keystile_store_adrift", help).count(&[], app.store.is_adrift().into());
    let help = "1 while the revocation journal can be written; while it cannot, what ends keys holds and is answered with an error.";
    page.gauge("keystile_revocation_journal_writable", help).count(&[], app.journal_works().into());
    let help =
        "Time since the audit logs were last seen sealed to their end; about a second when all is well.";
    page.gauge("keystile_audit_unsealed_seconds", help).value(&[], measures.unsealed_for().as_secs_f64());
}

fn load(load: Load, page: &mut Exposition) {
    let help = "Transactions that wait for their turn, or for a connection.";
    match load {
        Load::Sqlite { writes_waiting, reads_waiting } => {
            page.gauge("keystile_store_waiting", help)
                .size(&[("kind", "read")], reads_waiting)
                .size(&[("kind", "write")], writes_waiting);
        }
        Load::Postgres { open, idle, most, waiting } => {
            page.gauge("keystile_store_waiting", help).size(&[("kind", "any")], waiting);
            page.gauge("keystile_store_connections", "Connections to PostgreSQL.")
                .size(&[("state", "idle")], idle)
                .size(&[("state", "used")], open.saturating_sub(idle));
            page.gauge("keystile_store_connections_limit", "Connections to PostgreSQL at most.")
                .size(&[], most);
        }
    }
}
