//! Up to three texts in one allocation, because most keys have none or one of them.

/// The free texts of one key: its source, whom it was issued to, and its metadata.
pub(crate) struct Texts {
    joined: Box<str>,
    source_id: Span,
    issued_to: Span,
}

/// Length of a text, or [`Span::NONE`].
#[derive(Clone, Copy, PartialEq, Eq)]
struct Span(u32);

impl Span {
    const NONE: Self = Self(u32::MAX);

    /// Nothing a key holds is near 4 GiB; what were would be taken for missing.
    fn of(text: Option<&str>) -> Self {
        text.and_then(|text| u32::try_from(text.len()).ok()).map_or(Self::NONE, Self)
    }

    fn length(self) -> usize {
        if self == Self::NONE { 0 } else { usize::try_from(self.0).unwrap_or(0) }
    }
}

/// The metadata of nearly every key, for which no memory is taken.
const EMPTY_OBJECT: &str = "{}";

impl Texts {
    pub(crate) fn new(source_id: Option<&str>, issued_to: Option<&str>, metadata: &str) -> Self {
        let metadata = if metadata == EMPTY_OBJECT { "" } else { metadata };
        let joined = [source_id.unwrap_or(""), issued_to.unwrap_or(""), metadata].concat().into();
        Self { joined, source_id: Span::of(source_id), issued_to: Span::of(issued_to) }
    }

    pub(crate) fn source_id(&self) -> Option<&str> {
        self.part(self.source_id, 0)
    }

    pub(crate) fn issued_to(&self) -> Option<&str> {
        self.part(self.issued_to, self.source_id.length())
    }

    pub(crate) fn metadata(&self) -> &str {
        match self.joined.get(self.source_id.length() + self.issued_to.length()..) {
            None | Some("") => EMPTY_OBJECT,
            Some(metadata) => metadata,
        }
    }

    fn part(&self, span: Span, start: usize) -> Option<&str> {
        if span == Span::NONE { None } else { self.joined.get(start..start + span.length()) }
    }
}

#[cfg(test)]
mod tests {
    use super::Texts;

    #[test]
    fn each_text_comes_back_and_a_missing_one_is_not_an_empty_one() {
        for source in [None, Some(""), Some("checkout")] {
            for issued_to in [None, Some(""), Some("billing")] {
                for metadata in ["{}", r#"{"plan":"gold"}"#] {
                    let texts = Texts::new(source, issued_to, metadata);
                    assert_eq!(texts.source_id(), source);
                    assert_eq!(texts.issued_to(), issued_to);
                    assert_eq!(texts.metadata(), metadata);
                }
            }
        }
    }
}
