//! What is kept of requests: every decision about a key and every call of the API, refused ones included. Never a body, a query
//! or a credential.

mod exposure;
mod filter;
mod mask;

use std::borrow::Cow;
use std::net::IpAddr;

use crate::invalid::text_enum;
use crate::{Actor, ApplicationId, Code, CustomerId, Environment, KeyId, LogId, Minute, TenantId, Timestamp};

pub use exposure::{Before, Exposure, MOST_GROUPS, Used, Uses};
pub use filter::{LogFilter, Statuses};
pub use mask::masked;

/// Longest path that is kept, in bytes; what comes behind is cut off.
pub const PATH_MAX: usize = 512;
/// Longest user agent that is kept, in bytes.
pub const USER_AGENT_MAX: usize = 256;

text_enum!(
    /// Which requests of a tenant are logged.
    #[derive(Default)]
    LogRequests {
        /// Every one; the default, as nobody knows beforehand which key will leak.
        #[default]
        All = "all",
        /// Those that were refused, or went wrong.
        Refused = "refused",
        /// None.
        Nothing = "none",
    }
);

text_enum!(
    /// What was asked, and in which way.
    LogFace {
        /// `POST /api/v1/keys/verify`.
        Verify = "verify",
        /// One question of `POST /api/v1/keys/verify-batch`.
        VerifyBatch = "verify_batch",
        /// A gateway asked by HTTP.
        Authz = "authz",
        /// An Envoy asked by gRPC.
        ExtAuthz = "ext_authz",
        /// `POST /oauth2/introspect`.
        Introspection = "introspection",
        /// A service that has Keystile in its process.
        Guard = "guard",
        /// A request to a language model went through the gateway.
        Llm = "llm",
        /// Events were sent.
        Events = "events",
        /// A token was asked for, or exchanged.
        Token = "token",
        /// Any other call of the API.
        Management = "management",
        /// A page of the console.
        Console = "console",
    }
);

text_enum!(
    /// In which form the log is exported.
    LogExportFormat {
        /// A JSON object a line.
        Ndjson = "ndjson",
        /// A table for spreadsheets (RFC 4180).
        Csv = "csv",
    }
);

text_enum!(
    /// What came of a request.
    LogResult {
        /// It was allowed.
        Allowed = "allowed",
        /// It was refused, or went wrong.
        Refused = "refused",
    }
);

text_enum!(
    /// The method of a request.
    LogMethod {
        /// `GET`
        Get = "GET",
        /// `HEAD`
        Head = "HEAD",
        /// `POST`
        Post = "POST",
        /// `PUT`
        Put = "PUT",
        /// `PATCH`
        Patch = "PATCH",
        /// `DELETE`
        Delete = "DELETE",
        /// `OPTIONS`
        Options = "OPTIONS",
        /// Any other: it is a word of the client's own.
        Other = "_OTHER",
    }
);

impl LogResult {
    /// What a request with this code came to.
    pub fn of(code: &str) -> Self {
        if code == Code::Allowed.as_str() { Self::Allowed } else { Self::Refused }
    }
}

impl LogRequests {
    /// Whether requests with this code are wanted.
    pub fn wants(self, code: &str) -> bool {
        match self {
            Self::All => true,
            Self::Refused => code != Code::Allowed.as_str(),
            Self::Nothing => false,
        }
    }
}

/// Requests of a minute that should be in the log and are not, as there was no room for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MissingRequests {
    /// Whose log it is.
    pub tenant_id: TenantId,
    /// When it was.
    pub minute: Minute,
    /// At most so many.
    pub count: u64,
}

/// A span of time of which nobody can tell how many requests should be in the logs and are not, as a server was ended by force in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogBreak {
    /// Everything before was written, or is counted as missing.
    pub since: Timestamp,
    /// From then on everything is again.
    pub until: Timestamp,
}

impl LogMethod {
    /// The method of this name.
    pub fn of(name: &[u8]) -> Self {
        Self::ALL.iter().copied().find(|method| method.as_str().as_bytes() == name).unwrap_or(Self::Other)
    }
}

/// A request in the log of its tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedRequest {
    /// Which one; it tells the moment at which it was answered.
    pub id: LogId,
    /// Whose log it is in.
    pub tenant_id: TenantId,
    /// What was asked.
    pub face: LogFace,
    /// The environment of the key, or the one that was named.
    pub environment: Option<Environment>,
    /// The application of the key, or the one that was named.
    pub application_id: Option<ApplicationId>,
    /// The customer of the key.
    pub customer_id: Option<CustomerId>,
    /// The key that was decided about, or that made the call.
    pub key_id: Option<KeyId>,
    /// Who asked, where that is not the bearer of that key: a person, or the key of a service that verifies others.
    pub caller: Option<Actor>,
    /// The method; of decisions that of the request that was asked about, if it was told.
    pub method: Option<LogMethod>,
    /// The path, without its query; likewise. Of calls of our own it has our words and ids only.
    pub path: Option<String>,
    /// Where the bearer of the key was, or the caller, as far as it is known.
    pub ip: Option<IpAddr>,
    /// What they said of their software.
    pub user_agent: Option<String>,
    /// `allowed`, or the code of the refusal.
    pub code: Cow<'static, str>,
    /// The status of the answer, where there was one.
    pub status: Option<u16>,
    /// How long the answer took, in microseconds, where it was measured.
    pub duration_micros: Option<u32>,
    /// Length of the body that was sent, if it was announced.
    pub bytes_in: Option<u64>,
    /// Length of the body of the answer, if it was known beforehand.
    pub bytes_out: Option<u64>,
    /// The id of the request, which one with many questions shares.
    pub request_id: Option<String>,
}

impl LoggedRequest {
    /// A request of which no more is known.
    pub const fn new(id: LogId, tenant_id: TenantId, face: LogFace, code: Cow<'static, str>) -> Self {
        Self {
            id,
            tenant_id,
            face,
            environment: None,
            application_id: None,
            customer_id: None,
            key_id: None,
            caller: None,
            method: None,
            path: None,
            ip: None,
            user_agent: None,
            code,
            status: None,
            duration_micros: None,
            bytes_in: None,
            bytes_out: None,
            request_id: None,
        }
    }

    /// When it was answered.
    pub fn at(&self) -> Timestamp {
        self.id.made_at()
    }

    /// Takes out what no log may show: of path and user agent whatever has the form of a secret, characters that steer a
    /// terminal or turn a line round, and what is too long. To be called before anybody but the process sees it.
    pub fn tidy(&mut self) {
        tidied(&mut self.path, PATH_MAX);
        tidied(&mut self.user_agent, USER_AGENT_MAX);
    }
}

/// Whether a character steers a terminal, or turns round what stands behind it, so that people read something else.
fn steers(c: char) -> bool {
    let turns_round =
        matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || turns_round
}

/// Secrets are masked first: the beginning of one that was cut would not be known for one.
fn tidied(text: &mut Option<String>, most: usize) {
    let Some(text) = text else { return };
    if let Cow::Owned(masked) = mask::masked_within(text, most) {
        *text = masked;
    }
    if text.contains(steers) {
        *text = text.replace(steers, "\u{fffd}");
    }
    if text.len() > most {
        text.truncate(text.floor_char_boundary(most));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::mint;

    pub(super) fn logged(number: u128) -> LoggedRequest {
        let moment = Timestamp::from_millis(1_700_000_000_000);
        let (id, tenant_id) = (LogId::from_parts(moment, number), TenantId::from_parts(moment, 1));
        LoggedRequest::new(id, tenant_id, LogFace::Authz, Code::Allowed.as_str().into())
    }

    #[test]
    fn what_has_the_form_of_a_secret_never_stays_even_where_it_would_be_cut() {
        let key = mint(&"acme".parse().unwrap(), Environment::Production, &[7; 32]);
        let key = key.expose();
        for before in [0, PATH_MAX - key.len(), PATH_MAX - 30, PATH_MAX - 4] {
            let path = format!("/{}{key}/end", "x".repeat(before));
            let user_agent = Some(format!("curl {key}\u{1b}[2J\u{202e}"));
            let mut request = LoggedRequest { path: Some(path), user_agent, ..logged(1) };
            request.tidy();
            let (path, agent) = (request.path.unwrap(), request.user_agent.unwrap());
            assert!(!path.contains(&key[..12]) && path.len() <= PATH_MAX, "{path}");
            assert_eq!(agent, "curl sk_…\u{fffd}[2J\u{fffd}");
        }
    }

    #[test]
    fn what_is_too_long_is_cut_between_two_characters() {
        let mut request = LoggedRequest { path: Some("ä".repeat(PATH_MAX)), ..logged(1) };
        request.tidy();
        assert_eq!(request.path.unwrap(), "ä".repeat(PATH_MAX / 2));
    }

    #[test]
    fn a_tenant_says_which_requests_it_wants() {
        let wanted =
            |code| [LogRequests::All, LogRequests::Refused, LogRequests::Nothing].map(|one| one.wants(code));
        assert_eq!((wanted("allowed"), wanted("key_revoked")), ([true, false, false], [true, true, false]));
    }

    #[test]
    fn a_method_of_the_clients_own_has_no_name() {
        assert_eq!(LogMethod::of(b"PATCH"), LogMethod::Patch);
        assert_eq!(
            [LogMethod::of(b"get"), LogMethod::of(b"sk_x"), LogMethod::of(b"")],
            [LogMethod::Other; 3]
        );
    }
}
