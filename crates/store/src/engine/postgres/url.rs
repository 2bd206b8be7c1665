//! What the URL of a server says.

use std::borrow::Cow;
use std::path::PathBuf;

use percent_encoding::percent_decode_str;
use tokio_postgres::Config;
use tokio_postgres::config::SslMode;

use crate::OpenError;

/// A server, and whose certificates are believed when the connection is encrypted.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) config: Config,
    pub(super) trust: Trust,
}

/// Whom to trust.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Trust {
    /// Whom the operating system trusts.
    System,
    /// Those in a file of certificates, in PEM.
    File(PathBuf),
}

/// Reads a URL. Without a word about `sslmode`, the connection is not encrypted. The names are those of libpq
/// (PostgreSQL's manual, § 34.1.2); the two that tokio-postgres reads otherwise, or not at all, are taken here.
pub(super) fn read(url: &str) -> Result<Server, OpenError> {
    let (address, parameters) = split(url);
    let (mut mode, mut file, mut others) = (SslMode::Disable, None, Vec::new());
    for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
        match parameter.split_once('=') {
            Some(("sslmode", value)) => mode = read_mode(value)?,
            Some(("sslrootcert", value)) => file = Some(decoded(value)?),
            _ => others.push(parameter),
        }
    }
    let trust = match file.as_deref() {
        None | Some("system") => Trust::System,
        Some(path) => Trust::File(path.into()),
    };
    if file.is_some() && mode == SslMode::Disable {
        return Err(wrong("names `sslrootcert` without encryption: add `sslmode=verify-full`"));
    }
    // What is wrong is told without the URL, which holds the password.
    let read = format!("{address}?{}", others.join("&")).parse::<Config>();
    let mut config = read.map_err(|error| wrong(&format!("is wrong: {error}")))?;
    config.ssl_mode(mode);
    Ok(Server { config, trust })
}

/// A question mark before the first `@` belongs to the password.
fn split(url: &str) -> (&str, &str) {
    let host = url.find('@').unwrap_or_default();
    let mark = url.char_indices().find(|(at, letter)| *at >= host && *letter == '?');
    mark.and_then(|(at, _)| Some((url.get(..at)?, url.get(at + 1..)?))).unwrap_or((url, ""))
}

fn read_mode(text: &str) -> Result<SslMode, OpenError> {
    match text {
        "disable" => Ok(SslMode::Disable),
        "prefer" => Ok(SslMode::Prefer),
        "require" | "verify-ca" | "verify-full" => Ok(SslMode::Require),
        _ => Err(wrong("has an unknown `sslmode`: take `verify-full`, `require`, `prefer` or `disable`")),
    }
}

fn decoded(text: &str) -> Result<Cow<'_, str>, OpenError> {
    percent_decode_str(text).decode_utf8().map_err(|_| wrong("has an `sslrootcert` that is not UTF-8"))
}

fn wrong(what: &str) -> OpenError {
    OpenError::Location(what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(parameters: &str) -> Result<Server, OpenError> {
        super::read(&format!("postgres://ada:se?cret@db:5433/keys{parameters}"))
    }

    #[test]
    fn encryption_is_read_as_libpq_names_it_and_checked_in_every_strength() {
        for (text, mode) in [
            ("", SslMode::Disable),
            ("?connect_timeout=3", SslMode::Disable),
            ("?sslmode=disable", SslMode::Disable),
            ("?sslmode=prefer", SslMode::Prefer),
            ("?sslmode=require&connect_timeout=3", SslMode::Require),
            ("?connect_timeout=3&sslmode=verify-ca", SslMode::Require),
            ("?sslmode=verify-full", SslMode::Require),
        ] {
            let server = read(text).unwrap();
            assert_eq!((server.config.get_ssl_mode(), &server.trust), (mode, &Trust::System), "{text}");
            let said = (server.config.get_password(), server.config.get_dbname());
            assert_eq!(said, (Some(b"se?cret".as_slice()), Some("keys")));
        }
    }

    #[test]
    fn whom_to_trust_is_read_and_means_nothing_without_encryption() {
        let trust = |text| read(text).map(|server| server.trust);
        let file = |path: &str| Trust::File(path.into());
        assert_eq!(trust("?sslmode=require&sslrootcert=/etc/pg%20ca.pem").unwrap(), file("/etc/pg ca.pem"));
        assert_eq!(trust("?sslrootcert=ca.pem&sslmode=verify-full").unwrap(), file("ca.pem"));
        assert_eq!(trust("?sslmode=verify-full&sslrootcert=system").unwrap(), Trust::System);
        for wrong in
            ["?sslrootcert=ca.pem", "?sslmode=disable&sslrootcert=ca.pem", "?sslmode=allow", "?colour=red"]
        {
            let refused = read(wrong).unwrap_err();
            assert!(
                matches!(refused, OpenError::Location(_)) && !refused.to_string().contains("se?cret"),
                "{refused}"
            );
        }
    }
}
