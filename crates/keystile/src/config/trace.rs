//! Settings about traces.

use std::str::FromStr;

use serde::Deserialize;

/// Where a collector listens.
#[derive(Clone, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct OtlpEndpoint(pub(crate) String);

/// A part of a whole.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "f64")]
pub(crate) struct Ratio(pub(crate) f64);

/// The address may hold a password.
impl std::fmt::Debug for OtlpEndpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OtlpEndpoint(…)")
    }
}

impl FromStr for OtlpEndpoint {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const RULE: &str = "must be an address such as http://127.0.0.1:4318";
        let address: http::Uri = text.parse().map_err(|_| RULE)?;
        let is_http = matches!(address.scheme_str(), Some("http" | "https"));
        if is_http && address.host().is_some_and(|host| !host.is_empty()) && address.query().is_none() {
            Ok(Self(text.to_owned()))
        } else {
            Err(RULE)
        }
    }
}

impl TryFrom<String> for OtlpEndpoint {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
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
        for good in ["http://127.0.0.1:4318", "https://collector.example/otlp/"] {
            assert!(good.parse::<OtlpEndpoint>().is_ok(), "{good}");
        }
        for bad in ["", "127.0.0.1:4318", "grpc://collector:4317", "http://", "http://a/?b=c"] {
            assert!(bad.parse::<OtlpEndpoint>().is_err(), "{bad}");
        }
        for (text, is_ratio) in
            [("0", true), ("0.01", true), ("1", true), ("1.1", false), ("-1", false), ("NaN", false)]
        {
            assert_eq!(text.parse::<Ratio>().is_ok(), is_ratio, "{text}");
        }
    }
}
