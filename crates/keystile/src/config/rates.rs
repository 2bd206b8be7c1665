//! Settings of limits that nodes share.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use keystile_core::WhenAway;
use keystile_engine::RateSettings;
use serde::Deserialize;

use super::Settings;
use crate::failure::Failure;

/// Shorter ones fail whenever a machine takes a breath; longer ones make requests wait for too long.
const PATIENCE: std::ops::RangeInclusive<u64> = 10..=2_000;

/// Where Redis is, taken as it is: whoever reads settings shows a value that they refuse, and this one may hold a password.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub(crate) struct RedisAddress(String);

/// What becomes of requests while Redis is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Deserialize)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub(crate) enum WhenRedisIsAway {
    /// They are refused, as enforcement_unavailable.
    Refuse,
    /// Each node allows its part: the limit divided by the nodes.
    LocalShare,
}

impl FromStr for RedisAddress {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RedisAddress(…)")
    }
}

impl Settings {
    /// How nodes share limits, if they do.
    pub(super) fn shared_rates(&self) -> Result<Option<RateSettings>, Failure> {
        let Some(RedisAddress(address)) = &self.redis_url else { return Ok(None) };
        let url = address.parse();
        let url =
            url.map_err(|error| Failure::because("KEYSTILE_REDIS_URL (--redis-url) cannot be used", &error))?;
        let patience = self.redis_timeout_millis.map_or(RateSettings::USUAL_PATIENCE, Duration::from_millis);
        if !PATIENCE.contains(&u64::try_from(patience.as_millis()).unwrap_or(u64::MAX)) {
            return Err(Failure::new(
                "--redis-timeout-millis (KEYSTILE_REDIS_TIMEOUT_MILLIS) must be 10 to 2000",
            ));
        }
        let when_away = match self.rates_when_away {
            Some(WhenRedisIsAway::Refuse) => WhenAway::Refuse,
            Some(WhenRedisIsAway::LocalShare) | None => WhenAway::LocalShare,
        };
        Ok(Some(RateSettings { url, when_away, patience }))
    }

    /// A server that serves alone has nobody to share limits with.
    pub(super) fn refuse_rates_alone(&self) -> Result<(), Failure> {
        let Some(_) = &self.redis_url else { return Ok(()) };
        Err(Failure::new(
            "--redis-url (KEYSTILE_REDIS_URL) is for nodes that share limits: give --cluster, too, or leave it out",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(more: &str) -> Settings {
        let text = format!("database_url = \"postgres://ks@db/ks\"\ncluster = true\n{more}");
        toml::from_str(&text).unwrap()
    }

    fn rates(more: &str) -> RateSettings {
        node(more).cluster().unwrap().unwrap().rates.unwrap()
    }

    #[test]
    fn nodes_share_limits_when_they_are_told_where() {
        assert!(node("").cluster().unwrap().unwrap().rates.is_none());
        let usual = rates("redis_url = \"redis://cache.example\"");
        assert_eq!((usual.when_away, usual.patience), (WhenAway::LocalShare, Duration::from_millis(100)));
        let strict = rates(
            "redis_url = \"rediss://a:b@c:1\"\nrates_when_away = \"refuse\"\nredis_timeout_millis = 10",
        );
        assert_eq!((strict.when_away, strict.patience), (WhenAway::Refuse, Duration::from_millis(10)));
    }

    #[test]
    fn a_server_alone_and_what_is_no_address_are_refused_without_showing_it() {
        let alone: Settings = toml::from_str("redis_url = \"redis://u:Zq7kTr0w@c\"").unwrap();
        assert!(format!("{:?}", alone.cluster().unwrap_err()).contains("give --cluster"));
        assert!(!format!("{alone:?}").contains("Zq7kTr0w"));
        for bad in
            ["redis_url = \"http://u:Zq7kTr0w@c\"", "redis_url = \"redis://c\"\nredis_timeout_millis = 9"]
        {
            let refused = format!("{:?}", node(bad).cluster().unwrap_err());
            assert!(!refused.contains("Zq7kTr0w"), "{refused}");
        }
    }
}
