//! What the URL of a server says.

use std::borrow::Cow;
use std::path::PathBuf;

use percent_encoding::percent_decode_str;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

use crate::OpenError;

/// A server, and whose certificates are believed when the connection is encrypted.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) config: Config,
    pub(super) trust: Trust,
}

/// What is left after a password was taken for something else.
const MISREAD: &str = "cannot be read: write `@`, `/` and `?` in a name or a password as `%40`, `%2F` and `%3F`, and parameters as `name=value`";

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
    let (who, place, parameters) = split(url).ok_or_else(|| wrong("is none"))?;
    let (mut mode, mut file, mut others) = (SslMode::Disable, None, Vec::new());
    for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
        match parameter.split_once('=') {
            Some(("sslmode", value)) => mode = read_mode(value)?,
            Some(("sslrootcert", value)) => file = Some(decoded(value)?),
            Some((name, _)) if name.bytes().all(|letter| letter.is_ascii_lowercase() || letter == b'_') => {
                others.push(parameter);
            }
            _ => return Err(wrong(MISREAD)),
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
    let rest = format!("{place}?{}", others.join("&")).replace('@', "%40");
    let read = format!("{who}{rest}").parse::<Config>();
    let mut config = read.map_err(|error| wrong(&format!("is wrong: {error}")))?;
    if config.get_hosts().iter().any(|host| matches!(host, Host::Tcp(name) if name.contains('@'))) {
        return Err(wrong(MISREAD));
    }
    config.ssl_mode(mode);
    Ok(Server { config, trust })
}

/// Who connects, where to, and the parameters. As in libpq, who connects ends with the first `@`, unless there is a slash
/// before it: a question mark ahead of that `@` belongs to the password, and any other `@` to what it stands in.
fn split(url: &str) -> Option<(&str, &str, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    let who = rest.find(['@', '/']).filter(|at| rest.get(*at..).is_some_and(|rest| rest.starts_with('@')));
    let (who, rest) = url.split_at_checked(scheme.len() + 3 + who.map_or(0, |at| at + 1))?;
    let (place, parameters) = rest.split_once('?').unwrap_or((rest, ""));
    Some((who, place, parameters))
}

/// The URL as it may be shown: where it leads to, when that is beyond doubt.
pub(crate) fn shown(url: &str) -> String {
    let clear = split(url).is_some_and(|(who, _, _)| !who.contains('?'));
    let server = if clear { read(url).ok() } else { None };
    server.map_or_else(|| "postgres://…".to_owned(), |Server { config, .. }| place(&config))
}

fn place(config: &Config) -> String {
    let host = |host: &Host| match host {
        Host::Tcp(name) => name.clone(),
        Host::Unix(path) => path.display().to_string(),
    };
    let mut hosts: Vec<_> = config.get_hosts().iter().map(host).collect();
    for (host, port) in hosts.iter_mut().zip(config.get_ports()) {
        *host = format!("{host}:{port}");
    }
    format!("postgres://…@{}/{}", hosts.join(","), config.get_dbname().unwrap_or_default())
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

    #[test]
    fn a_sign_counts_where_it_stands() {
        let (tcp, unix) = (|name: &str| Host::Tcp(name.to_owned()), |path: &str| Host::Unix(path.into()));
        for (url, user, password, host, mode) in [
            (
                "postgres:///db?host=/run/postgresql&user=a@b",
                "a@b",
                None,
                unix("/run/postgresql"),
                SslMode::Disable,
            ),
            ("postgres:///db?sslmode=require&host=h&user=a@b", "a@b", None, tcp("h"), SslMode::Require),
            ("postgres:///db?user=a@b&host=h&sslmode=require", "a@b", None, tcp("h"), SslMode::Require),
            ("postgres://h/db?user=a&password=p@q?r", "a", Some("p@q?r"), tcp("h"), SslMode::Disable),
            ("postgres://a:p?q@h/db?sslmode=prefer", "a", Some("p?q"), tcp("h"), SslMode::Prefer),
            ("postgres://a%40b:p%2Fq@h/db", "a@b", Some("p/q"), tcp("h"), SslMode::Disable),
        ] {
            let Server { config, .. } = super::read(url).unwrap();
            assert_eq!((config.get_user(), config.get_dbname()), (Some(user), Some("db")), "{url}");
            assert_eq!(config.get_password(), password.map(str::as_bytes), "{url}");
            assert_eq!((config.get_hosts(), config.get_ssl_mode()), ([host].as_slice(), mode), "{url}");
        }
        for url in
            ["postgres://a:sec@ret@h/db", "postgres://a:sec/ret@h/db", "postgres://a:sec/r?et@h/db?user=b"]
        {
            let refused = super::read(url).unwrap_err().to_string();
            assert!(
                !refused.contains("sec") && !refused.contains("et@") && !refused.contains("ret"),
                "{refused}"
            );
        }
    }

    #[test]
    fn a_url_is_shown_without_anything_that_could_be_a_password() {
        for (url, expected) in [
            ("postgres://a:s3cret@h:5433/db?password=s3cret", "postgres://…@h:5433/db"),
            ("postgres://h/db?password=s3@cret", "postgres://…@h:5432/db"),
            ("postgres:///db?host=/run/postgresql&password=s3@cret", "postgres://…@/run/postgresql/db"),
            ("postgres://h?password=s3@cret", "postgres://…"),
            ("postgres://h:5432?password=s3@cret", "postgres://…"),
            ("postgres://a:s3?cret@h/db", "postgres://…"),
            ("postgres://a:s3/cret@h/db", "postgres://…"),
            ("postgres://a:s3@cret@h/db", "postgres://…"),
        ] {
            assert_eq!(shown(url), expected, "{url}");
        }
    }
}
