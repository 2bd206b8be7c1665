//! Settings about traces.

use std::convert::Infallible;
use std::str::FromStr;

use serde::Deserialize;

/// Where a collector listens, taken as it is: whoever reads settings shows a value that they refuse, and somebody may have
/// written a password into this one.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub(crate) struct OtlpEndpoint(String);

/// A part of a whole.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "f64")]
pub(crate) struct Ratio(pub(crate) f64);

impl OtlpEndpoint {
    /// The address, or the rule that it breaks.
    pub(crate) fn address(&self) -> Result<&str, &'static str> {
        const RULE: &str = "must be an address such as http://127.0.0.1:4318";
        let address: http::Uri = self.0.parse().map_err(|_| RULE)?;
        if address.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err("must hold no user and password: put the credential into OTEL_EXPORTER_OTLP_HEADERS");
        }
        let is_http = matches!(address.scheme_str(), Some("http" | "https"));
        if is_http && address.host().is_some_and(|host| !host.is_empty()) && address.query().is_none() {
            Ok(&self.0)
        } else {
            Err(RULE)
        }
    }
}

impl FromStr for OtlpEndpoint {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl std::fmt::Debug for OtlpEndpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OtlpEndpoint(…)")
    }
}

impl FromStr for Ratio {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse::<f64>().map_err(|_| Self::RULE)?.try_into()
    }
}

impl TryFrom<f64> for Ratio {
    type Error = &'static str;

    fn try_from(number: f64) -> Result<Self, Self::Error> {
        if (0.0..=1.0).contains(&number) { Ok(Self(number)) } else { Err(Self::RULE) }
    }
}

impl Ratio {
    const RULE: &str = "must be a number from 0 to 1";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_addresses_of_http_and_ratios_parts_of_one() {
        let endpoint = |text: &str| OtlpEndpoint(text.to_owned());
        for good in ["http://127.0.0.1:4318", "https://collector.example/otlp/"] {
            assert_eq!(endpoint(good).address(), Ok(good));
        }
        for bad in
            ["", "127.0.0.1:4318", "grpc://collector:4317", "http://", "http://a/?b=c", "http://u:p@a/"]
        {
            assert!(endpoint(bad).address().is_err(), "{bad}");
        }
        for (text, is_ratio) in
            [("0", true), ("0.01", true), ("1", true), ("1.1", false), ("-1", false), ("NaN", false)]
        {
            assert_eq!(text.parse::<Ratio>().is_ok(), is_ratio, "{text}");
        }
    }
}
