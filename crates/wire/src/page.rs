//! Lists that are read page by page.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Most items on one page.
pub const MAX_PAGE: u16 = 200;

/// One page of a list, in a stable order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Listing<T> {
    /// The items.
    pub data: Vec<T>,
    /// Pass it as `cursor` to read on; null on the last page.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

/// Which page to read.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct PageQuery {
    /// Items on the page, 1 to 200.
    #[param(minimum = 1, maximum = 200, default = 50)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u16>,
    /// `next_cursor` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}
