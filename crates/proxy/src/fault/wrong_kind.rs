//! A key that was given out for something else.

use http::StatusCode;

use super::{Fault, Kind, Retry};

impl Fault {
    /// A key of this kind has no models, and no budget that could be kept.
    pub(crate) fn wrong_kind(kind: &str, needed: &str) -> Self {
        let message = format!("this API key is of kind `{kind}`; this gateway takes keys of kind `{needed}`");
        Self::new(StatusCode::FORBIDDEN, Kind::Permission, "wrong_key_kind", message).retry(Retry::Never)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_another_kind_is_told_which_kind_is_needed() {
        let fault = Fault::wrong_kind("service", "virtual_llm");
        assert_eq!((fault.status().as_u16(), fault.code()), (403, "wrong_key_kind"));
        assert!(fault.message().contains("`service`") && fault.message().contains("`virtual_llm`"));
    }
}
