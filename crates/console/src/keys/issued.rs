//! A secret, made once and shown once.

use askama::Template;
use http::HeaderMap;
use http::header::{HOST, ORIGIN};
use keystile_core::{ApiKey, KeyId, Secret};
use keystile_manage::{Asked, Caller, Committed, Issued, Refused, Right};
use zeroize::Zeroizing;

use super::deed::one_line;
use crate::once::{Sent, SentBefore, once};
use crate::page::{page, page_with_secret};
use crate::shell::Shell;
use crate::{assets, parts};
use keystile_web::App;
use keystile_web::api::Answer;
use keystile_web::problem::ApiProblem;

/// What a secret was made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Occasion {
    Created,
    Regenerated,
    /// The old key lives on for so many seconds.
    Rotated {
        overlap_seconds: u64,
    },
}

impl Occasion {
    const fn title(self) -> &'static str {
        match self {
            Self::Created => "Your new key",
            Self::Regenerated => "The new secret",
            Self::Rotated { .. } => "The new key",
        }
    }

    /// What had happened when the form was sent for the first time.
    fn done_before(self, key: &ApiKey) -> String {
        let (name, secret) = (&key.name, &key.secret);
        let known_by = format!("{}…{}", secret.key_prefix, secret.last4);
        match self {
            Self::Created => format!("The key {name} was made, with the secret {known_by}."),
            Self::Regenerated => format!("The key {name} got a new secret. It has {known_by} now."),
            Self::Rotated { .. } => {
                format!("The key was rotated. Its successor is {name}, with the secret {known_by}.")
            }
        }
    }

    /// Whether the form is one that makes any number of keys.
    fn makes_new(self) -> bool {
        self == Self::Created
    }

    fn what_of_the_old(self) -> Option<String> {
        match self {
            Self::Created => None,
            Self::Regenerated => {
                Some("The old secret is dead: every request with it is refused from now on.".to_owned())
            }
            Self::Rotated { overlap_seconds: 0 } => {
                Some("The old key is revoked and refused everywhere.".to_owned())
            }
            Self::Rotated { overlap_seconds } => Some(format!(
                "The old key works for another {}, unless its own end comes first. Both share their limits.",
                parts::window(overlap_seconds)
            )),
        }
    }
}

#[derive(Template)]
#[template(path = "keys/issued.html")]
struct Page {
    shell: Shell,
    key: ApiKey,
    secret: Secret,
    title: &'static str,
    what_of_the_old: Option<String>,
    file_name: String,
    file: Zeroizing<String>,
    trial: Zeroizing<String>,
}

/// Carries out what gives a key a secret, once, however often its form is sent.
pub(super) async fn issue<F>(
    app: &App,
    caller: &Caller,
    asked: Option<Asked>,
    work: impl FnOnce(App, Caller) -> F + Send + 'static,
) -> Answer<Sent<Issued>>
where
    F: Future<Output = Result<Committed<Issued>, Refused>> + Send + 'static,
{
    let (asker, by) = (caller.asker(Right::ManageKeys)?, caller.clone());
    let keeps = |issued: &Issued| issued.key.id.to_string();
    once(app, asker, asked, keeps, |app| async move { Ok(app.commit(|app| work(app, by)).await?) }).await
}

/// Answers a form that gives a key a secret: with the secret, the first time.
pub(super) async fn answer(
    app: &App,
    (caller, shell): (&Caller, Shell),
    headers: &HeaderMap,
    sent: Sent<Issued>,
    occasion: Occasion,
) -> Answer {
    let id = match sent {
        Sent::Now(issued) => return show(shell, headers, issued, occasion),
        Sent::Before(id) => id.parse::<KeyId>().map_err(|_| ApiProblem::internal())?,
    };
    let (key, path) = (app.control.key(caller, id).await?, shell.path(&format!("keys/{id}")));
    page(&SentBefore {
        another: occasion.makes_new().then(|| (shell.path("keys/new"), "Make another key")),
        shell,
        made: occasion.done_before(&key),
        lost: "The secret was shown in the first answer alone, and is kept nowhere. If you have not copied it, give the key another one.",
        remedy: (format!("{path}/regenerate"), "Regenerate its secret"),
        place: (path, "To the key"),
    })
}

/// Shows the secret of a key that was just made, in this one answer.
fn show(shell: Shell, headers: &HeaderMap, issued: Issued, occasion: Occasion) -> Answer {
    let Issued { key, secret } = issued;
    page_with_secret(&Page {
        title: occasion.title(),
        what_of_the_old: occasion.what_of_the_old(),
        file_name: file_name(&key),
        file: file(&key, &secret),
        trial: trial(&key, &secret, &server(headers)),
        shell,
        key,
        secret,
    })
}

/// `checkout-service.production.env`
fn file_name(key: &ApiKey) -> String {
    let plain = |letter: char| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '-' };
    let name: String = key.name.as_str().chars().map(plain).collect();
    let words: Vec<_> = name.split('-').filter(|word| !word.is_empty()).collect();
    let name = if words.is_empty() { "key".to_owned() } else { words.join("-") };
    format!("{}.{}.env", name.chars().take(60).collect::<String>(), key.environment)
}

fn file(key: &ApiKey, secret: &Secret) -> Zeroizing<String> {
    let KeyLine { name, environment, id } = KeyLine::of(key);
    Zeroizing::new(format!(
        "# {name} ({environment}), {id}\n# Keep this file out of source control.\nAPI_KEY={}\n",
        *quoted(secret.expose())
    ))
}

/// What of a key is told in a comment.
struct KeyLine<'k> {
    /// In one line, also for readers who know more ends of a line than we do: what came behind one would be no comment.
    name: String,
    environment: &'k str,
    id: String,
}

impl<'k> KeyLine<'k> {
    fn of(key: &'k ApiKey) -> Self {
        Self {
            name: one_line(key.name.as_str()),
            environment: key.environment.as_str(),
            id: key.id.to_string(),
        }
    }
}

/// Commands that show that the key works, for a shell.
fn trial(key: &ApiKey, secret: &Secret, server: &str) -> Zeroizing<String> {
    let (secret, application, environment) = (quoted(secret.expose()), key.application_id, key.environment);
    let curl = r#"curl -i -H "Authorization: ApiKey $API_KEY""#;
    Zeroizing::new(format!(
        "API_KEY={}\n\n\
        # What the key is, may do and has left:\n{curl} {server}/api/v1/whoami\n\n\
        # What a gateway in front of your API asks:\n\
        {curl} '{server}/api/v1/authz/{application}?environment={environment}'\n",
        *secret
    ))
}

/// A value as shells and readers of `.env` files take it. Only a secret of one's own can need quotes, and double ones only if
/// it has a single one itself. One that has what double quotes do not keep as well is written as shells alone read it.
fn quoted(secret: &str) -> Zeroizing<String> {
    let is_plain = secret.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
    Zeroizing::new(if is_plain {
        secret.to_owned()
    } else if !secret.contains('\'') {
        format!("'{secret}'")
    } else if !secret.contains(['"', '$', '`', '\\', '!']) {
        format!("\"{secret}\"")
    } else {
        let escaped = Zeroizing::new(secret.replace('\'', r"'\''"));
        format!("'{}'", *escaped)
    })
}

/// Where this server is, as the browser calls it. What is no plain address is not told.
pub(crate) fn server(headers: &HeaderMap) -> String {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let is_plain = |text: &&str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:/[]".contains(&b));
    let origin = text(ORIGIN).filter(|origin| origin.contains("://")).filter(is_plain).map(str::to_owned);
    let host = || text(HOST).filter(is_plain).map(|host| format!("https://{host}"));
    origin.or_else(host).unwrap_or_else(|| "https://keystile.example.com".to_owned())
}

#[cfg(test)]
mod tests {
    use keystile_core::{Actor, ApplicationId, KeyId, TenantId, Timestamp};

    use super::*;

    fn key(name: &str) -> ApiKey {
        let now = Timestamp::from_millis(0);
        let (id, tenant, application) =
            (KeyId::from_parts(now, 1), TenantId::from_parts(now, 1), ApplicationId::from_parts(now, 1));
        ApiKey::new(
            id,
            tenant,
            application,
            name.parse().unwrap(),
            &Secret::new("9f8e7d6c5b4a39281706f5e4"),
            Actor::System,
            now,
        )
    }

    #[test]
    fn a_file_is_called_after_its_key() {
        assert_eq!(file_name(&key("Checkout: Service / 2")), "checkout-service-2.production.env");
        assert_eq!(file_name(&key("日本")), "key.production.env");
        assert_eq!(file_name(&key("../../.ssh/id_rsa\\ \"x\"")), "ssh-id-rsa-x.production.env");
        assert_eq!(file_name(&key(&"a".repeat(200))), format!("{}.production.env", "a".repeat(60)));
    }

    #[test]
    fn a_secret_stands_in_a_file_so_that_nothing_in_it_is_read_as_something_else() {
        assert_eq!(*quoted("sk_ks_live_Ab09"), "sk_ks_live_Ab09");
        assert_eq!(*quoted("a$b`c\"d#e f"), "'a$b`c\"d#e f'");
        assert_eq!(*quoted("a'b"), "\"a'b\"");
        assert_eq!(*quoted("a'b$c"), r"'a'\''b$c'");
        let file = file(&key("a"), &Secret::new("x y"));
        assert!(file.ends_with("\nAPI_KEY='x y'\n"), "{}", *file);
        let odd = super::file(&key("a\u{2028}PATH=b \u{2029} \u{a0}c"), &Secret::new("x"));
        assert!(odd.starts_with("# a PATH=b c (production), key_"), "{}", *odd);
    }

    #[test]
    fn the_server_is_called_as_the_browser_calls_it() {
        let of = |pairs: &[(http::HeaderName, &str)]| {
            server(&pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect())
        };
        assert_eq!(
            of(&[(ORIGIN, "http://127.0.0.1:7878"), (HOST, "127.0.0.1:7878")]),
            "http://127.0.0.1:7878"
        );
        assert_eq!(of(&[(ORIGIN, "null"), (HOST, "keys.example.com")]), "https://keys.example.com");
        assert_eq!(of(&[(ORIGIN, "http://a';rm"), (HOST, "b$(c)")]), "https://keystile.example.com");
    }
}
