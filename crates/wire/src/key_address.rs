//! From where a key was used.

use std::net::IpAddr;

use keystile_core::Timestamp;
use keystile_core::key::KeyAddress;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::schema;

/// An address from which a key was used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeyAddressView {
    /// The address.
    #[schema(schema_with = schema::ip)]
    pub ip: IpAddr,
    /// When it was seen first, since it is kept; accurate to a minute.
    #[schema(schema_with = schema::time)]
    pub first_seen_at: Timestamp,
    /// When it was seen last; accurate to a minute.
    #[schema(schema_with = schema::time)]
    pub last_seen_at: Timestamp,
}

impl From<KeyAddress> for KeyAddressView {
    fn from(address: KeyAddress) -> Self {
        let KeyAddress { ip, first_seen_at, last_seen_at } = address;
        Self { ip, first_seen_at, last_seen_at }
    }
}
