//! Texts that are put together without the machinery of formatting. It calls each part through a pointer and asks for width and
//! padding, which in the answers of the hot path costs several times what copying the characters does.

/// What can be written at the end of a text.
pub trait Append {
    /// Writes itself.
    fn append_to(&self, text: &mut String);

    /// Itself alone.
    fn to_text(&self) -> String {
        let mut text = String::new();
        self.append_to(&mut text);
        text
    }
}

/// Writes the items one after the other, with `between` between two.
pub fn append_list(text: &mut String, between: &str, items: impl Iterator<Item = impl Append>) {
    let mut before = "";
    for item in items {
        text.push_str(before);
        item.append_to(text);
        before = between;
    }
}

impl Append for str {
    fn append_to(&self, text: &mut String) {
        text.push_str(self);
    }
}

impl Append for u64 {
    fn append_to(&self, text: &mut String) {
        text.push_str(itoa::Buffer::new().format(*self));
    }
}

impl<T: Append + ?Sized> Append for &T {
    fn append_to(&self, text: &mut String) {
        (**self).append_to(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_its_separator_between_items_only() {
        let list = |numbers: &[u64]| {
            let mut text = String::new();
            append_list(&mut text, ", ", numbers.iter());
            text
        };
        let lists = [list(&[]), list(&[0]), list(&[7, u64::MAX, 10])];
        assert_eq!(lists, ["", "0", "7, 18446744073709551615, 10"]);
    }
}
