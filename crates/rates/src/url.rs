//! Where Redis is.

use std::fmt;
use std::str::FromStr;

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo};

/// Where Redis is, and how one is let in there. It does not print what may be a password.
#[derive(Clone)]
pub struct RedisUrl(ConnectionInfo);

/// A text is no address of Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an address such as redis://127.0.0.1:6379, or rediss://user:password@host:6379/0 with TLS")]
pub struct RedisUrlError;

impl RedisUrl {
    pub(crate) fn into_info(self) -> ConnectionInfo {
        self.0
    }

    /// Host and port.
    pub fn place(&self) -> String {
        self.0.addr().to_string()
    }
}

impl FromStr for RedisUrl {
    type Err = RedisUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_tcp = ["redis://", "rediss://"].iter().any(|scheme| text.starts_with(scheme));
        let info = text.into_connection_info().ok().filter(|_| is_tcp).ok_or(RedisUrlError)?;
        match info.addr() {
            ConnectionAddr::TcpTls { insecure: true, .. } => Err(RedisUrlError),
            _ => Ok(Self(info)),
        }
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisUrl({}, …)", self.place())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_of_redis_and_its_password_is_never_printed() {
        let url: RedisUrl = "redis://ada:Zq7kTr0w@db.example:6380/2".parse().unwrap();
        assert_eq!(url.place(), "db.example:6380");
        assert!(!format!("{url:?}").contains("Zq7kTr0w"));
        assert!("rediss://cache.example".parse::<RedisUrl>().is_ok());
        for bad in ["", "127.0.0.1:6379", "http://a:1", "redis://", "unix:///tmp/x", "rediss://a/#insecure"] {
            assert_eq!(bad.parse::<RedisUrl>().map(|url| url.place()), Err(RedisUrlError), "{bad}");
        }
    }
}
