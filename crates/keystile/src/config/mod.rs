//! Settings from flags, environment variables and a file, under the same names.

mod clickhouse;
mod cluster;
mod gateway;
mod list;
mod rates;
mod trace;
mod url;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use keystile_bearer::{loopback_proxies, usual_key_headers};
use keystile_core::Reach;
use keystile_engine::{EngineSettings, JOURNAL};
use keystile_manage::PartnerKeys;
use keystile_store::Location;
use keystile_verify::Bounds;
use keystile_web::{HttpSettings, ServerLimits};
use serde::Deserialize;
use std::time::Duration;

use crate::clickhouse::Name;
use crate::failure::Failure;
use crate::logging::LogFormat;
use crate::traces::{Destination, Sending};
use clickhouse::{ClickhouseUrl, LogPlace, Password};
use list::HeaderText;
use rates::{RedisAddress, WhenRedisIsAway};
use trace::{OtlpEndpoint, Ratio};
use url::DatabaseUrl;

pub(crate) use list::{Commas, Network};

/// The database in the data folder.
pub(crate) const DATABASE: &str = "keystile.db";

/// Declares every setting once: as a flag (`--data-dir`), an environment variable (`KEYSTILE_DATA_DIR`) and a
/// line of the file (`data_dir = …`).
macro_rules! settings {
    ($( $(#[$doc:meta])* $field:ident: $type:ty, $env:literal $(, $value:literal)?; )+) => {
        /// Settings as they were given; what was not given has a default.
        #[derive(Debug, Clone, Default, Args, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub(crate) struct Settings {
            $( $(#[$doc])* #[arg(long, env = $env, hide_env_values = true $(, value_name = $value)?)] pub(crate) $field: Option<$type>, )+
        }

        impl Settings {
            /// What is not given here is taken from `file`.
            fn or(self, file: Self) -> Self {
                Self { $( $field: self.$field.or(file.$field), )+ }
            }
        }
    };
}

settings! {
    /// Address to listen on [default: 127.0.0.1:7878].
    listen: SocketAddr, "KEYSTILE_LISTEN", "ADDRESS";
    /// Address to answer Envoy's external authorization on, over gRPC (envoy.service.auth.v3) [default: none]. Whoever reaches it can ask with a key whether it may pass; nothing else is served there.
    grpc_listen: SocketAddr, "KEYSTILE_GRPC_LISTEN", "ADDRESS";
    /// Address for those who operate the server: /metrics, /healthz and /readyz without any credential, and nothing of the API. Such as 127.0.0.1:7880; not meant for the internet [default: none].
    operations_listen: SocketAddr, "KEYSTILE_OPERATIONS_LISTEN", "ADDRESS";
    /// Folder for the database, the keys of the server and the lock file [default: keystile-data].
    data_dir: PathBuf, "KEYSTILE_DATA_DIR", "FOLDER";
    /// Database to use instead of the file in the data folder: `postgres://user:password@host/database`. Encrypted with `?sslmode=verify-full`; add `&sslrootcert=FILE` to name the certificates that are trusted, in PEM, instead of those of this system.
    database_url: DatabaseUrl, "KEYSTILE_DATABASE_URL", "URL";
    /// Connections to PostgreSQL at most [default: 16], if the database is PostgreSQL.
    database_connections: usize, "KEYSTILE_DATABASE_CONNECTIONS", "N";
    /// Serve beside other nodes from one PostgreSQL, all of them started with this: what is changed on one is forgotten by all before it is answered. Without it one server serves at a time.
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = clap::builder::BoolishValueParser::new())]
    cluster: bool, "KEYSTILE_CLUSTER", "YES";
    /// Seconds for which a node answers from memory behind a renewal of its lease, from 1 to 30, the same for all nodes; a change waits so long, and half a second, for a node that has stopped [default: 3].
    cluster_lease_seconds: u64, "KEYSTILE_CLUSTER_LEASE_SECONDS", "N";
    /// The Redis or Valkey in which nodes count limits together, such as `redis://127.0.0.1:6379`, or `rediss://user:password@host:6379` with TLS; the same for all nodes. Without it each node counts for itself. Others on this machine may see flags: better a variable or a line of the file, if there is a password.
    redis_url: RedisAddress, "KEYSTILE_REDIS_URL", "URL";
    /// Milliseconds that an answer of Redis may take, from 10 to 2000; then limits are applied as they say for a Redis that is away [default: 100].
    redis_timeout_millis: u64, "KEYSTILE_REDIS_TIMEOUT_MILLIS", "N";
    /// What becomes of requests under limits that do not say it themselves while Redis is away: they are refused, or each node allows its part of the limit [default: local_share].
    rates_when_away: WhenRedisIsAway, "KEYSTILE_RATES_WHEN_AWAY";
    /// What this node is called in `keystile nodes list` [default: the name of this machine].
    node_name: String, "KEYSTILE_NODE_NAME", "NAME";
    /// File with the key that signs access tokens; nodes of one installation share it [default: signing-key.der in the data folder].
    signing_key_file: PathBuf, "KEYSTILE_SIGNING_KEY_FILE", "FILE";
    /// File with the key that encrypts secrets in the database; nodes of one installation share it. Keep a copy: without it, people with a second factor cannot sign in [default: encryption-key in the data folder].
    encryption_key_file: PathBuf, "KEYSTILE_ENCRYPTION_KEY_FILE", "FILE";
    /// File, outside of the database, that keeps which keys have ended, so that a restored backup brings none back. Put it where a loss of the database does not reach, and outside of its backup [default: revocations.journal in the data folder].
    revocation_journal: PathBuf, "KEYSTILE_REVOCATION_JOURNAL", "FILE";
    /// Whether a server whose database names a revocation journal that is not there makes another one and starts; which keys have ended since a backup is not known from it [default: false].
    new_revocation_journal: bool, "KEYSTILE_NEW_REVOCATION_JOURNAL", "BOOLEAN";
    /// File with the public keys that GitHub signs with when its secret scanning has found keys (partner program), as `https://api.github.com/meta/public_keys/secret_scanning` gives them; it is read at the start [default: none, and GitHub is not listened to].
    github_keys_file: PathBuf, "KEYSTILE_GITHUB_KEYS_FILE", "FILE";
    /// Networks beside public addresses that webhooks may be sent to, separated by commas, such as 10.0.0.0/8; there they may be sent without TLS, too. Whoever manages webhooks reaches what is in them [default: none].
    webhook_allow: Commas<Network>, "KEYSTILE_WEBHOOK_ALLOW", "NETWORKS";
    /// Networks beside public addresses where providers of language models may be, such as a machine of yours that runs Ollama or vLLM, separated by commas, such as 10.0.0.0/8; there requests may be sent without TLS, too. Whoever manages providers reaches what is in them [default: none].
    gateway_upstreams_private: Commas<Network>, "KEYSTILE_GATEWAY_UPSTREAMS_PRIVATE", "NETWORKS";
    /// Networks of proxies whose X-Forwarded-For is believed, separated by commas [default: 127.0.0.0/8,::1/128].
    trusted_proxies: Commas<Network>, "KEYSTILE_TRUSTED_PROXIES", "NETWORKS";
    /// Headers beside Authorization that may carry a key, separated by commas [default: x-api-key].
    key_headers: Commas<HeaderText>, "KEYSTILE_KEY_HEADERS", "NAMES";
    /// Keys kept in memory at most; about 250 bytes each, and the metadata that a key has [default: 1000000].
    cache_keys: usize, "KEYSTILE_CACHE_KEYS", "N";
    /// Unknown keys remembered at most, so that a flood of them does not reach the database [default: 100000].
    cache_unknown: usize, "KEYSTILE_CACHE_UNKNOWN", "N";
    /// Connections open at once at most [default: 10000]; a tenth of them is for `--grpc-listen`, if it is given.
    max_connections: usize, "KEYSTILE_MAX_CONNECTIONS", "N";
    /// Seconds a client may take for a request's head, or stay silent between requests; it has at least twice as long to take an answer [default: 30].
    head_timeout_seconds: u64, "KEYSTILE_HEAD_TIMEOUT_SECONDS", "N";
    /// Seconds a client may take for a request's body [default: 30].
    body_timeout_seconds: u64, "KEYSTILE_BODY_TIMEOUT_SECONDS", "N";
    /// Memory for the bodies of requests that are still being sent, in MiB; a body for which it has no room is answered 503 [default: 128].
    body_memory_mib: usize, "KEYSTILE_BODY_MEMORY_MIB", "N";
    /// Seconds for which a server that is told to stop goes on serving while /readyz says that it is not ready, so that whoever shares out requests sends none any more; a second signal ends them [default: 0].
    unready_seconds: u64, "KEYSTILE_UNREADY_SECONDS", "N";
    /// Seconds that open requests get to end when the server stops [default: 10].
    drain_seconds: u64, "KEYSTILE_DRAIN_SECONDS", "N";
    /// Longest body of a request to the LLM gateway, in MiB, but for uploads of audio and images [default: 16].
    gateway_body_mib: usize, "KEYSTILE_GATEWAY_BODY_MIB", "N";
    /// Longest body of a request to the LLM gateway that uploads audio or images, in MiB [default: 25].
    gateway_media_mib: usize, "KEYSTILE_GATEWAY_MEDIA_MIB", "N";
    /// Memory for the bodies of requests in the LLM gateway that are on their way, in MiB, and as much for answers that are read as a whole and for events above a mebibyte; a request for which it has no room is answered 503, and such an answer is passed on as it comes [default: 256].
    gateway_body_memory_mib: usize, "KEYSTILE_GATEWAY_BODY_MEMORY_MIB", "N";
    /// Seconds that a connection to an upstream of the LLM gateway may take [default: 5].
    gateway_connect_seconds: u64, "KEYSTILE_GATEWAY_CONNECT_SECONDS", "N";
    /// Seconds until an upstream must begin to answer with a stream; then the next one is tried [default: 60].
    gateway_first_byte_seconds: u64, "KEYSTILE_GATEWAY_FIRST_BYTE_SECONDS", "N";
    /// Seconds that may pass between two pieces of an upstream's answer [default: 120].
    gateway_idle_seconds: u64, "KEYSTILE_GATEWAY_IDLE_SECONDS", "N";
    /// Seconds that a request to the LLM gateway may take altogether [default: 600].
    gateway_total_seconds: u64, "KEYSTILE_GATEWAY_TOTAL_SECONDS", "N";
    /// Seconds for which an answer is read on whose client has gone away, so that a key with a budget is charged exactly what it cost [default: 30].
    gateway_drain_seconds: u64, "KEYSTILE_GATEWAY_DRAIN_SECONDS", "N";
    /// Where requests are logged: in the store, in ClickHouse, or in both. From ClickHouse alone the API, the console and the command line read nothing; what is logged can still be watched as it comes [default: store; both, if --clickhouse-url is given].
    request_log: LogPlace, "KEYSTILE_REQUEST_LOG";
    /// Where the HTTP interface of ClickHouse is that takes the request log, such as http://127.0.0.1:8123 [default: none]. `keystile clickhouse-schema` prints the statement that makes the table.
    clickhouse_url: ClickhouseUrl, "KEYSTILE_CLICKHOUSE_URL", "URL";
    /// User of ClickHouse [default: default].
    clickhouse_user: String, "KEYSTILE_CLICKHOUSE_USER", "NAME";
    /// The user's password [default: empty]. Others on this machine may see flags: better a variable or a line of the file.
    clickhouse_password: Password, "KEYSTILE_CLICKHOUSE_PASSWORD", "PASSWORD";
    /// Database of ClickHouse, which has to be there [default: default].
    clickhouse_database: Name, "KEYSTILE_CLICKHOUSE_DATABASE", "NAME";
    /// Table of ClickHouse for the request log [default: keystile_requests].
    clickhouse_table: Name, "KEYSTILE_CLICKHOUSE_TABLE", "NAME";
    /// Where an OpenTelemetry collector takes spans by OTLP over HTTP, such as http://127.0.0.1:4318; they go to `/v1/traces` there [default: none are made].
    otlp_endpoint: OtlpEndpoint, "KEYSTILE_OTLP_ENDPOINT", "URL";
    /// Part of the requests that is traced when their caller has not decided by a `traceparent`, from 0 to 1 [default: 0.01].
    trace_ratio: Ratio, "KEYSTILE_TRACE_RATIO", "PART";
    /// What this server is called in traces [default: keystile].
    trace_service_name: String, "KEYSTILE_TRACE_SERVICE_NAME", "NAME";
    /// What to log, such as `info` or `warn,keystile_store=debug` [default: info].
    log: String, "KEYSTILE_LOG", "LEVELS";
    /// How log lines look [default: text].
    log_format: LogFormat, "KEYSTILE_LOG_FORMAT";
}

impl Settings {
    /// These settings, completed from the file.
    pub(crate) fn with_file(self, file: Option<&PathBuf>) -> Result<Self, Failure> {
        let Some(path) = file else { return Ok(self) };
        let failed = |error: &dyn std::error::Error| {
            Failure::because(format!("the configuration {}", path.display()), error)
        };
        let text = std::fs::read_to_string(path).map_err(|error| failed(&error))?;
        let from_file = toml::from_str::<Self>(&text).map_err(|error| in_file(path, &text, &error))?;
        Ok(self.or(from_file))
    }

    /// The same for a command that is not a server: it logs what is wrong only, unless it is asked for more.
    pub(crate) fn quiet(self) -> Self {
        Self { log: self.log.or_else(|| Some("warn".to_owned())), ..self }
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.data_dir.clone().unwrap_or_else(|| "keystile-data".into())
    }

    pub(crate) fn listen(&self) -> SocketAddr {
        self.listen.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 7878)))
    }

    pub(crate) fn signing_key_file(&self) -> PathBuf {
        self.signing_key_file.clone().unwrap_or_else(|| self.data_dir().join("signing-key.der"))
    }

    pub(crate) fn encryption_key_file(&self) -> PathBuf {
        self.encryption_key_file.clone().unwrap_or_else(|| self.data_dir().join("encryption-key"))
    }

    pub(crate) fn revocation_journal(&self) -> PathBuf {
        self.revocation_journal.clone().unwrap_or_else(|| self.data_dir().join(JOURNAL))
    }

    /// Where the rows are.
    pub(crate) fn location(&self) -> Result<Location, Failure> {
        let Some(url) = &self.database_url else {
            return Ok(Location::Sqlite(self.data_dir().join(DATABASE)));
        };
        let wrong = |error| Failure::because("KEYSTILE_DATABASE_URL (--database-url) cannot be used", &error);
        Ok(match url.location().map_err(wrong)? {
            Location::Postgres { url, max_connections } => {
                let max_connections = self.database_connections.unwrap_or(max_connections).max(1);
                Location::Postgres { url, max_connections }
            }
            file @ Location::Sqlite(_) => file,
        })
    }

    /// What everything but HTTP needs to know.
    pub(crate) fn engine(&self) -> Result<EngineSettings, Failure> {
        Ok(EngineSettings {
            data_dir: self.data_dir(),
            location: self.location()?,
            signing_key_file: self.signing_key_file(),
            encryption_key_file: self.encryption_key_file(),
            revocation_journal: self.revocation_journal(),
            new_revocation_journal: self.new_revocation_journal.unwrap_or(false),
            bounds: self.bounds(),
            request_sinks: Vec::new(),
            request_log_elsewhere: None,
            cluster: self.cluster()?,
        })
    }

    /// Where webhooks may be sent to.
    pub(crate) fn webhook_reach(&self) -> Reach {
        reach(self.webhook_allow.as_ref())
    }

    /// Where providers of language models may be.
    pub(crate) fn upstream_reach(&self) -> Reach {
        reach(self.gateway_upstreams_private.as_ref())
    }

    fn bounds(&self) -> Bounds {
        Bounds { keys: self.cache_keys.unwrap_or(1_000_000), absent: self.cache_unknown.unwrap_or(100_000) }
    }

    pub(crate) fn server_limits(&self) -> ServerLimits {
        let usual = ServerLimits::default();
        let seconds = |given: Option<u64>, usual| given.map_or(usual, Duration::from_secs);
        ServerLimits {
            connections: self.max_connections.unwrap_or(usual.connections).max(1),
            head_timeout: seconds(self.head_timeout_seconds, usual.head_timeout),
            drain: seconds(self.drain_seconds, usual.drain),
        }
    }

    /// For how long it serves on when it is told to stop.
    pub(crate) fn unready(&self) -> Duration {
        Duration::from_secs(self.unready_seconds.unwrap_or(0))
    }

    /// The keys that GitHub signs with, if it is listened to.
    fn github_keys(&self) -> Result<Option<Arc<PartnerKeys>>, Failure> {
        let Some(path) = &self.github_keys_file else { return Ok(None) };
        let failed = |error: &dyn std::error::Error| {
            Failure::because(format!("the keys of GitHub, {}, cannot be used", path.display()), error)
        };
        let text = std::fs::read_to_string(path).map_err(|error| failed(&error))?;
        let keys = PartnerKeys::parse(&text).map_err(|error| failed(&error))?;
        Ok(Some(Arc::new(keys)))
    }

    pub(crate) fn http(&self) -> Result<HttpSettings, Failure> {
        let header_names =
            |Commas(names): &Commas<HeaderText>| names.iter().map(|name| name.0.clone()).collect();
        let networks =
            |Commas(networks): &Commas<Network>| networks.iter().map(|network| network.0).collect();
        Ok(HttpSettings {
            trusted_proxies: self.trusted_proxies.as_ref().map_or_else(loopback_proxies, networks),
            key_headers: self.key_headers.as_ref().map_or_else(usual_key_headers, header_names),
            body_bytes: self.body_memory_mib.unwrap_or(128).saturating_mul(1024 * 1024),
            body_timeout: Duration::from_secs(self.body_timeout_seconds.unwrap_or(30)),
            trace_ratio: self
                .otlp_endpoint
                .as_ref()
                .map(|_| self.trace_ratio.map_or(0.01, |Ratio(ratio)| ratio)),
            github_keys: self.github_keys()?,
        })
    }

    /// Logs, without any tracing.
    pub(crate) fn start_logging(&self) -> Result<(), Failure> {
        self.start_logging_and(None)
    }

    /// Logs, and makes spans if there is somebody to send them to; whoever is given the sending has to stop it. Needs a
    /// Tokio runtime.
    pub(crate) fn start_tracing(&self) -> Result<Option<Sending>, Failure> {
        let endpoint = self.otlp_endpoint.as_ref().map(OtlpEndpoint::address).transpose();
        let endpoint =
            endpoint.map_err(|rule| Failure::new(format!("the address of the collector {rule}")))?;
        let destination = endpoint.map(|endpoint| Destination {
            endpoint: endpoint.to_owned(),
            service_name: self.trace_service_name.clone().unwrap_or_else(|| "keystile".to_owned()),
        });
        let sending = destination.map(Sending::start).transpose()?;
        self.start_logging_and(sending.as_ref())?;
        Ok(sending)
    }

    fn start_logging_and(&self, sending: Option<&Sending>) -> Result<(), Failure> {
        let levels = self.log.as_deref().unwrap_or("info");
        crate::logging::start(levels, self.log_format.unwrap_or(LogFormat::Text), sending)
    }
}

/// Public addresses, and the listed networks.
fn reach(listed: Option<&Commas<Network>>) -> Reach {
    let networks = listed.into_iter().flat_map(|Commas(networks)| networks);
    Reach::new(networks.map(|network| network.0).collect())
}

/// What is wrong in a file of settings, with the line but without its text, which may hold a password.
fn in_file(path: &Path, text: &str, error: &toml::de::Error) -> Failure {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    Failure::new(format!("the configuration {}, line {line}: {}", path.display(), error.message()))
}
