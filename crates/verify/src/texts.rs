//! Up to three texts in one allocation, because most keys have none or one of them.

/// Where the free texts of one key stand in one text: its source, whom it was issued to, and its metadata. Apart from
/// that text, so that neither brings padding into the key.
#[derive(Clone, Copy)]
pub(crate) struct Texts {
    source_id: Span,
    issued_to: Span,
}

/// Length of a text, or [`Span::NONE`].
#[derive(Clone, Copy, PartialEq, Eq)]
struct Span(u16);

impl Span {
    const NONE: Self = Self(u16::MAX);

    /// Both are lines of at most 200 characters; what were 64 KiB long would be taken for missing.
    fn of(text: Option<&str>) -> Self {
        text.and_then(|text| u16::try_from(text.len()).ok()).map_or(Self::NONE, Self)
    }

    fn length(self) -> usize {
        if self == Self::NONE { 0 } else { usize::from(self.0) }
    }
}

/// The metadata of nearly every key, for which no memory is taken.
const EMPTY_OBJECT: &str = "{}";

impl Texts {
    /// Joins the texts.
    pub(crate) fn join(source_id: Option<&str>, issued_to: Option<&str>, metadata: &str) -> (Self, Box<str>) {
        let metadata = if metadata == EMPTY_OBJECT { "" } else { metadata };
        let joined = [source_id.unwrap_or(""), issued_to.unwrap_or(""), metadata].concat().into();
        (Self { source_id: Span::of(source_id), issued_to: Span::of(issued_to) }, joined)
    }

    pub(crate) fn source_id(self, joined: &str) -> Option<&str> {
        part(joined, self.source_id, 0)
    }

    pub(crate) fn issued_to(self, joined: &str) -> Option<&str> {
        part(joined, self.issued_to, self.source_id.length())
    }

    pub(crate) fn metadata(self, joined: &str) -> &str {
        match joined.get(self.source_id.length() + self.issued_to.length()..) {
            None | Some("") => EMPTY_OBJECT,
            Some(metadata) => metadata,
        }
    }
}

fn part(joined: &str, span: Span, start: usize) -> Option<&str> {
    if span == Span::NONE { None } else { joined.get(start..start + span.length()) }
}

#[cfg(test)]
mod tests {
    use super::Texts;

    #[test]
    fn each_text_comes_back_and_a_missing_one_is_not_an_empty_one() {
        for source in [None, Some(""), Some("checkout")] {
            for issued_to in [None, Some(""), Some("billing")] {
                for metadata in ["{}", r#"{"plan":"gold"}"#] {
                    let (texts, joined) = Texts::join(source, issued_to, metadata);
                    assert_eq!(texts.source_id(&joined), source);
                    assert_eq!(texts.issued_to(&joined), issued_to);
                    assert_eq!(texts.metadata(&joined), metadata);
                }
            }
        }
    }
}
