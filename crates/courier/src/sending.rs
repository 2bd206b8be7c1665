//! One attempt: a POST, and what came of it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use keystile_core::webhook::{Attempt, EXCERPT_MAX_BYTES, Reach};
use keystile_core::{Clock, WebhookUrl};
use keystile_manage::Target;
use keystile_outbound::{LookUp, Way, is_not_reachable};
use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, Url};

use crate::resolver::Resolver;
use crate::signature::signatures;

/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest that an attempt may take: receivers are to answer first and work later.
const TIMEOUT: Duration = Duration::from_secs(15);
/// Longest that a connection is kept without use.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);
/// Connections that are kept to one receiver: as many as it is sent messages at once.
const IDLE_CONNECTIONS: usize = 4;
/// Most that is read of an answer, in bytes.
const MOST_ANSWER: usize = 4 * 1_024;

const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// Sends messages, by two clients: one speaks TLS with all that may be reached, the other without it with what the operator lists.
/// Neither follows redirects, goes through a proxy, or remembers cookies.
pub(crate) struct Sender {
    look_up: LookUp,
    encrypted: Client,
    plain: Client,
    clock: Arc<dyn Clock>,
}

impl Sender {
    /// # Errors
    /// When TLS cannot be set up on this machine.
    pub(crate) fn new(reach: Arc<Reach>, clock: Arc<dyn Clock>) -> Result<Self, reqwest::Error> {
        let look_up = LookUp::new(reach);
        let encrypted = client(&look_up, Way::Encrypted)?;
        let plain = client(&look_up, Way::Plain)?;
        Ok(Self { look_up, encrypted, plain, clock })
    }

    /// Sends a message under an id, signed now.
    pub(crate) async fn send(&self, target: &Target, id: &str, body: &str) -> Attempt {
        let began = self.clock.elapsed();
        let answer = self.try_send(target, id, body).await;
        let took = self.clock.elapsed().saturating_sub(began);
        let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let at = self.clock.now();
        match answer {
            Ok((status, excerpt)) => {
                let error = (!(200..300).contains(&status)).then(|| refusal(status).to_owned());
                Attempt { at, millis, status: Some(status), error, excerpt }
            }
            Err(error) => Attempt { at, millis, status: None, error: Some(error.to_owned()), excerpt: None },
        }
    }

    async fn try_send(
        &self,
        target: &Target,
        id: &str,
        body: &str,
    ) -> Result<(u16, Option<String>), &'static str> {
        let (client, url) = self.way_to(&target.webhook.url)?;
        let seconds = self.clock.now().as_seconds();
        let signature = signatures(&target.secrets, id, seconds, body);
        let signature = HeaderValue::try_from(signature).map_err(|_| UNSENDABLE)?;
        let request = client
            .post(url)
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .header(ID, id)
            .header(TIMESTAMP, seconds)
            .header(SIGNATURE, signature)
            .body(body.to_owned());
        let answer = request.send().await.map_err(|error| why(&error))?;
        let status = answer.status().as_u16();
        Ok((status, excerpt(answer).await))
    }

    /// What speaks with the host of a URL. An address that stands there as such is asked about here, as it is looked up nowhere.
    fn way_to(&self, url: &WebhookUrl) -> Result<(&Client, Url), &'static str> {
        let way = if url.is_encrypted() { Way::Encrypted } else { Way::Plain };
        let parsed = Url::parse(url.as_str()).map_err(|_| UNSENDABLE)?;
        let host = parsed.host_str().unwrap_or_default();
        let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().ok();
        if literal.or(url.literal()).is_some_and(|ip| !self.look_up.may_take(way, ip)) {
            return Err(NOT_REACHABLE);
        }
        let client = match way {
            Way::Encrypted => &self.encrypted,
            Way::Plain => &self.plain,
        };
        Ok((client, parsed))
    }
}

const UNSENDABLE: &str = "the URL cannot be sent to";
const NOT_REACHABLE: &str =
    "the address is private, local or reserved, and not listed in KEYSTILE_WEBHOOK_ALLOW";

fn client(look_up: &LookUp, way: Way) -> Result<Client, reqwest::Error> {
    Client::builder()
        .user_agent(concat!("Keystile/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        .referer(false)
        .no_proxy()
        .https_only(way == Way::Encrypted)
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(TIMEOUT)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .pool_max_idle_per_host(IDLE_CONNECTIONS)
        .dns_resolver(Arc::new(Resolver::new(look_up.clone(), way)))
        .build()
}

/// Why a status is no success.
const fn refusal(status: u16) -> &'static str {
    match status {
        300..400 => "redirects are not followed; only 2xx is success",
        410 => "the receiver is gone",
        _ => "only 2xx is success",
    }
}

/// Why there is no answer, in words that tell nothing of the network here.
fn why(error: &reqwest::Error) -> &'static str {
    if is_not_reachable(error) {
        NOT_REACHABLE
    } else if error.is_timeout() {
        "there was no answer in time"
    } else if error.is_connect() {
        "no connection was made"
    } else {
        "the connection broke off before there was an answer"
    }
}

/// The beginning of an answer; nothing of one that is empty.
async fn excerpt(mut answer: Response) -> Option<String> {
    let mut bytes = Vec::new();
    while bytes.len() < MOST_ANSWER {
        // What breaks off, or takes too long, was received all the same.
        let Ok(Some(piece)) = answer.chunk().await else { break };
        bytes.extend_from_slice(&piece);
    }
    shown(&bytes)
}

/// Text that steers no terminal and breaks no line of a log.
fn shown(bytes: &[u8]) -> Option<String> {
    let bytes = &bytes[..bytes.len().min(MOST_ANSWER)];
    let text = String::from_utf8_lossy(bytes);
    let mut shown = String::new();
    for letter in text.trim().chars() {
        let plain = if letter.is_control() { ' ' } else { letter };
        if shown.len() + plain.len_utf8() > EXCERPT_MAX_BYTES {
            break;
        }
        shown.push(plain);
    }
    (!shown.is_empty()).then_some(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Still;

    impl Clock for Still {
        fn now(&self) -> keystile_core::Timestamp {
            keystile_core::Timestamp::from_millis(1_700_000_000_000)
        }

        fn elapsed_millis(&self) -> u64 {
            0
        }
    }

    fn sender(listed: &[&str]) -> Sender {
        let reach = Reach::new(listed.iter().map(|network| network.parse().unwrap()).collect());
        Sender::new(Arc::new(reach), Arc::new(Still)).unwrap()
    }

    #[test]
    fn an_address_in_a_url_is_asked_about_each_time() {
        let way = |sender: &Sender, url: &str| sender.way_to(&url.parse().unwrap()).map(drop);
        let (usual, listed) = (sender(&[]), sender(&["127.0.0.0/8"]));
        for url in ["https://127.0.0.1/", "https://[::1]/", "https://[::ffff:10.0.0.1]/", "http://1.1.1.1/"] {
            assert_eq!(way(&usual, url), Err(NOT_REACHABLE), "{url}");
        }
        assert_eq!(way(&usual, "https://1.1.1.1/"), Ok(()));
        assert_eq!(way(&listed, "http://127.0.0.1:9/"), Ok(()));
        assert_eq!(way(&listed, "http://[::1]:9/"), Err(NOT_REACHABLE));
    }

    #[test]
    fn an_excerpt_is_short_and_steers_nothing() {
        assert_eq!(shown(b""), None);
        assert_eq!(shown(b" \n"), None);
        assert_eq!(shown(b"a\x1b[2J\nb\0c").as_deref(), Some("a [2J b c"));
        let long = "\u{fc}".repeat(MOST_ANSWER);
        assert_eq!(shown(long.as_bytes()).unwrap().len(), EXCERPT_MAX_BYTES);
        assert!(shown(&[0xff; 10]).unwrap().starts_with('\u{fffd}'));
    }

    #[test]
    fn a_redirect_is_no_success() {
        assert!(refusal(302).contains("redirects") && refusal(404).contains("2xx"));
    }
}
