//! JSON as people read it.

use std::iter::repeat_n;

/// The same JSON with a line for each member and each item. It goes by characters, as a reader's numbers would lose digits.
pub(super) fn pretty(json: &str) -> String {
    let mut text = String::with_capacity(2 * json.len());
    let (mut depth, mut in_string, mut is_escaped, mut before) = (0_usize, false, false, ' ');
    for c in json.chars() {
        if in_string {
            text.push(c);
            in_string = is_escaped || c != '"';
            is_escaped = !is_escaped && c == '\\';
            continue;
        }
        if c.is_ascii_whitespace() {
            continue;
        }
        let (opens, closes) = (matches!(c, '{' | '['), matches!(c, '}' | ']'));
        let is_first = matches!(before, '{' | '[');
        depth -= usize::from(closes && depth > 0);
        if is_first != closes || before == ',' {
            begin_line(&mut text, depth);
        }
        text.push(c);
        if c == ':' {
            text.push(' ');
        }
        depth += usize::from(opens);
        (in_string, before) = (c == '"', c);
    }
    text
}

fn begin_line(text: &mut String, depth: usize) {
    text.push('\n');
    text.extend(repeat_n("  ", depth));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_and_items_have_a_line_each_and_nothing_else_changes() {
        let json = r#"{"a":1.50e300,"b" : [ ], "c":[{"d":"x, {y}: \"z\\"},12345678901234567890123],"e":{}}"#;
        let expected = r#"{
  "a": 1.50e300,
  "b": [],
  "c": [
    {
      "d": "x, {y}: \"z\\"
    },
    12345678901234567890123
  ],
  "e": {}
}"#;
        assert_eq!(pretty(json), expected);
        assert_eq!((pretty("{}").as_str(), pretty(" null ").as_str()), ("{}", "null"));
    }
}
