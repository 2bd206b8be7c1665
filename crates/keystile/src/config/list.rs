//! Lists in one text, separated by commas.

use std::str::FromStr;

use ipnet::IpNet;
use keystile_core::Invalid;
use keystile_core::network::parse_network;
use serde::{Deserialize, Deserializer};

/// A list as flags and variables write it (`a,b`); in the file it may also be a list of texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Commas<T>(pub(crate) Vec<T>);

impl<T: FromStr> FromStr for Commas<T> {
    type Err = T::Err;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        entries.map(str::parse).collect::<Result<_, _>>().map(Self)
    }
}

impl<'de, T: FromStr<Err: std::fmt::Display>> Deserialize<'de> for Commas<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Text(String),
            List(Vec<String>),
        }
        let text = match Written::deserialize(deserializer)? {
            Written::Text(text) => text,
            Written::List(entries) => entries.join(","),
        };
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A network, or a single address as a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Network(pub(crate) IpNet);

impl FromStr for Network {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rule = "must be IP addresses or CIDR networks such as `10.0.0.0/8`";
        parse_network(text).map(Self).ok_or_else(|| Invalid::rule(rule))
    }
}

/// The name of a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HeaderText(pub(crate) http::HeaderName);

impl FromStr for HeaderText {
    type Err = http::header::InvalidHeaderName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}
