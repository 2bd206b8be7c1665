//! Settings about the request log in ClickHouse.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use http::HeaderValue;
use reqwest::Url;
use serde::Deserialize;

use super::Settings;
use crate::clickhouse::{Destination, LogPlan, Table};
use crate::failure::Failure;

/// The user of ClickHouse, unless it is said: the one that is there from the beginning.
const USER: &str = "default";

/// Where the request log is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogPlace {
    /// In the database, where the API, the console and the command line read it.
    Store,
    /// In ClickHouse alone.
    Clickhouse,
    /// In both.
    Both,
}

/// Where ClickHouse listens, taken as it is: whoever reads settings shows a value that they refuse, and somebody may have
/// written a password into this one.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub(crate) struct ClickhouseUrl(String);

/// The password of the user of ClickHouse.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub(crate) struct Password(String);

impl ClickhouseUrl {
    /// The address, or the rule that it breaks.
    fn address(&self) -> Result<Url, &'static str> {
        const RULE: &str = "must be an address of its HTTP interface such as http://127.0.0.1:8123";
        let url: Url = self.0.parse().map_err(|_| RULE)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err("must hold no user and password: give clickhouse_user and clickhouse_password");
        }
        let is_bare = url.query().is_none() && url.fragment().is_none();
        let is_http = matches!(url.scheme(), "http" | "https") && url.has_host();
        if is_http && is_bare { Ok(url) } else { Err(RULE) }
    }
}

impl FromStr for ClickhouseUrl {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for ClickhouseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClickhouseUrl(…)")
    }
}

impl FromStr for Password {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

impl Settings {
    /// Where requests are logged: with a ClickHouse in both places, unless it is said.
    pub(crate) fn log_plan(&self) -> Result<LogPlan, Failure> {
        match (self.request_log, &self.clickhouse_url) {
            (Some(LogPlace::Store), _) | (None, None) => Ok(LogPlan::InStore),
            (Some(LogPlace::Clickhouse), Some(url)) => self.clickhouse(url).map(LogPlan::Instead),
            (Some(LogPlace::Both) | None, Some(url)) => self.clickhouse(url).map(LogPlan::Beside),
            (Some(LogPlace::Clickhouse | LogPlace::Both), None) => Err(Failure::new(
                "the request log is to be in ClickHouse: say where that is, with --clickhouse-url \
                 (KEYSTILE_CLICKHOUSE_URL)",
            )),
        }
    }

    /// The table for the request log.
    pub(crate) fn clickhouse_table(&self) -> Table {
        Table::named(self.clickhouse_database.as_ref(), self.clickhouse_table.as_ref())
    }

    fn clickhouse(&self, url: &ClickhouseUrl) -> Result<Destination, Failure> {
        let url = url.address();
        let url = url.map_err(|rule| Failure::new(format!("the address of ClickHouse {rule}")))?;
        let user = self.clickhouse_user.as_deref().unwrap_or(USER);
        let password = self.clickhouse_password.as_ref().map_or("", |Password(password)| password.as_str());
        let header = |text: &str, what: &str| {
            let value = HeaderValue::from_bytes(text.as_bytes());
            value.map_err(|_| {
                Failure::new(format!("the {what} of ClickHouse must hold no control characters"))
            })
        };
        let mut password = header(password, "password")?;
        password.set_sensitive(true);
        Ok(Destination { url, user: header(user, "user")?, password, table: self.clickhouse_table() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_url(place: Option<LogPlace>, url: Option<&str>) -> Settings {
        Settings {
            request_log: place,
            clickhouse_url: url.map(|url| ClickhouseUrl(url.to_owned())),
            ..Settings::default()
        }
    }

    #[test]
    fn requests_are_logged_where_it_is_said_and_in_both_places_if_only_clickhouse_is_named() {
        const URL: Option<&str> = Some("https://logs.example:8443/");
        let plan = |place, url| with_url(place, url).log_plan();
        assert!(matches!(plan(None, None), Ok(LogPlan::InStore)));
        assert!(matches!(plan(Some(LogPlace::Store), URL), Ok(LogPlan::InStore)));
        assert!(matches!(plan(None, URL), Ok(LogPlan::Beside(_))));
        assert!(matches!(plan(Some(LogPlace::Both), URL), Ok(LogPlan::Beside(_))));
        assert!(matches!(plan(Some(LogPlace::Clickhouse), URL), Ok(LogPlan::Instead(_))));
        assert!(plan(Some(LogPlace::Clickhouse), None).is_err() && plan(Some(LogPlace::Both), None).is_err());
    }

    #[test]
    fn an_address_is_one_of_http_and_has_no_credential() {
        let address = |url: &str| ClickhouseUrl(url.to_owned()).address();
        for good in ["http://127.0.0.1:8123", "https://ch.example/behind/a/path"] {
            assert!(address(good).is_ok(), "{good}");
        }
        for bad in ["", "127.0.0.1:8123", "tcp://ch:9000", "http://", "http://u:p@ch/", "http://ch/?user=u"] {
            assert!(address(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn nothing_that_is_printed_shows_the_password() {
        let settings = Settings {
            clickhouse_password: Some(Password("Zq7kTr0w".to_owned())),
            ..with_url(None, Some("http://127.0.0.1:8123"))
        };
        assert!(!format!("{settings:?} {:?}", settings.log_plan().unwrap()).contains("Zq7kTr0w"));
        let broken = Settings { clickhouse_password: Some(Password("Zq7\nkTr0w".to_owned())), ..settings };
        let refused = format!("{:?}", broken.log_plan().unwrap_err());
        assert!(refused.contains("must hold no control characters") && !refused.contains("Zq7"), "{refused}");
    }
}
