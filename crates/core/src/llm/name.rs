//! What models are called.

use std::borrow::Borrow;

use crate::Invalid;
use crate::text::checked_text;

/// Longest name, in characters: that of a pattern in a key's `allowed_models`.
pub const NAME_MAX: usize = 128;

checked_text!(
    /// The name of a model, such as `gpt-4o-mini` or `meta-llama/Llama-3.1-8B`: 1–128 visible ASCII characters without `*`, by which
    /// the patterns of keys mean any ending.
    ModelName,
    check
);

fn check(text: &str) -> Result<String, Invalid> {
    if (1..=NAME_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic() && b != b'*') {
        Ok(text.to_owned())
    } else {
        Err(Invalid::rule(
            "must be a model name of 1 to 128 visible ASCII characters, without spaces and `*`",
        ))
    }
}

/// So that a table of names can be asked with a text.
impl Borrow<str> for ModelName {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::ModelPattern;

    #[test]
    fn a_model_name_is_a_pattern_that_means_it_alone() {
        for good in ["gpt-4o", "meta-llama/Llama-3.1-8B", "ft:gpt-4o:acme::1", &"m".repeat(128)] {
            let name: ModelName = good.parse().unwrap();
            let pattern: ModelPattern = good.parse().unwrap();
            assert!(pattern.matches(name.as_str()) && pattern.as_str() == name.as_str(), "{good}");
        }
        for bad in ["", "gpt*", "*", "a b", "gpt-4ö", "a\n", &"m".repeat(129)] {
            assert!(bad.parse::<ModelName>().is_err(), "{bad}");
        }
    }
}
