//! The cookies of the console: the session, and the look that was chosen.
//!
//! With TLS the session's cookie is a `__Host-` one, which browsers take from this host over TLS only. Without TLS it is
//! given and believed on loopback alone; anywhere else nobody can sign in, because the network could read along.

use http::header::{COOKIE, HOST, ORIGIN, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue};
use keystile_core::{Secret, Session};

const OVER_TLS: &str = "__Host-keystile";
const ON_LOOPBACK: &str = "keystile";
const THEME: &str = "keystile-theme";

/// How a browser reaches the console.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Through TLS, which ends before Keystile.
    Tls,
    /// Without, on the machine itself.
    Loopback,
}

impl Way {
    /// By which way a form was sent. Browsers tell it with every form, and pages cannot change what they tell.
    pub(super) fn of_form(headers: &HeaderMap) -> Option<Self> {
        let origin = headers.get(ORIGIN)?.to_str().ok()?;
        match origin.split_once("://")? {
            ("https", _) => Some(Self::Tls),
            ("http", host) if is_loopback(host) => Some(Self::Loopback),
            _ => None,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Tls => OVER_TLS,
            Self::Loopback => ON_LOOPBACK,
        }
    }

    const fn attributes(self) -> &'static str {
        match self {
            Self::Tls => "; Path=/; HttpOnly; SameSite=Strict; Secure",
            Self::Loopback => "; Path=/; HttpOnly; SameSite=Strict",
        }
    }
}

/// The session that a request carries on.
pub(super) fn session(headers: &HeaderMap) -> Option<Secret> {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let over_loopback = || read(headers, ON_LOOPBACK).filter(|_| is_loopback(host));
    read(headers, OVER_TLS).or_else(over_loopback).map(Secret::new)
}

/// The chosen look, if one was chosen.
pub(super) fn theme(headers: &HeaderMap) -> Option<&'static str> {
    match read(headers, THEME)? {
        "light" => Some("light"),
        "dark" => Some("dark"),
        _ => None,
    }
}

/// Gives the browser a session; one that is to last over its end, or not.
pub(super) fn give(token: &Secret, way: Way, lasts: Lasts) -> Option<(HeaderName, HeaderValue)> {
    let lasting = match lasts {
        Lasts::UntilClosed => String::new(),
        Lasts::WhileUsed => format!("; Max-Age={}", Session::LONGEST.as_secs()),
    };
    let mut value =
        HeaderValue::try_from(format!("{}={}{}{lasting}", way.name(), token.expose(), way.attributes()))
            .ok()?;
    value.set_sensitive(true);
    Some((SET_COOKIE, value))
}

/// Takes the session away, by whichever way it was given.
pub(super) fn take_away() -> [(HeaderName, HeaderValue); 2] {
    [
        (
            SET_COOKIE,
            HeaderValue::from_static(
                "__Host-keystile=; Path=/; HttpOnly; SameSite=Strict; Secure; Max-Age=0",
            ),
        ),
        (SET_COOKIE, HeaderValue::from_static("keystile=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0")),
    ]
}

/// How long a browser keeps a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lasts {
    /// Until it is closed.
    UntilClosed,
    /// As long as the session lasts.
    WhileUsed,
}

fn read<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let all = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = all.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.into_iter().find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// Whether a host, with or without a port, is this machine for every browser.
fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_cookie_without_tls_is_believed_on_loopback_only() {
        let at = |host| session(&headers(&[(HOST, host), (COOKIE, "a=b; keystile=rt_1")]));
        for host in ["localhost:7878", "127.0.0.1:7878", "[::1]:80", "localhost"] {
            assert!(at(host).is_some_and(|token| token.expose() == "rt_1"), "{host}");
        }
        for host in ["keys.example.com", "10.0.0.1:7878", "localhost.example.com", "127.0.0.1.example.com"] {
            assert!(at(host).is_none(), "{host}");
        }
    }

    #[test]
    fn the_cookie_over_tls_comes_first() {
        let both = headers(&[(HOST, "localhost"), (COOKIE, "keystile=rt_1; __Host-keystile=rt_2")]);
        assert!(session(&both).is_some_and(|token| token.expose() == "rt_2"));
    }

    #[test]
    fn nobody_signs_in_over_a_network_without_tls() {
        let by = |origin| Way::of_form(&headers(&[(ORIGIN, origin)]));
        assert_eq!(by("https://keys.example.com"), Some(Way::Tls));
        assert_eq!(by("http://127.0.0.1:7878"), Some(Way::Loopback));
        assert_eq!(by("http://[::1]:7878"), Some(Way::Loopback));
        assert_eq!([by("http://keys.example.com"), by("null"), Way::of_form(&HeaderMap::new())], [None; 3]);
    }
}
