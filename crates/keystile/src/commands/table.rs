//! Aligned text for people.

use super::output::plain;

/// Longest cell; the whole text is in the JSON form.
const CELL_MAX_CHARS: usize = 40;
/// What stands between two columns.
const GAP: &str = "  ";

/// Rows under their headings, each column as wide as its widest cell.
pub(crate) fn table<const N: usize>(headings: [&str; N], rows: &[[String; N]]) -> String {
    let headings = headings.map(str::to_owned);
    let lines: Vec<[String; N]> = std::iter::once(&headings).chain(rows).map(cells).collect();
    let mut widths = [0; N];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = (*width).max(cell.chars().count());
        }
    }
    lines.iter().map(|line| aligned(line, &widths)).collect()
}

fn cells<const N: usize>(row: &[String; N]) -> [String; N] {
    std::array::from_fn(|column| shortened(&plain(&row[column])))
}

fn shortened(text: &str) -> String {
    if text.chars().nth(CELL_MAX_CHARS).is_none() {
        return text.to_owned();
    }
    text.chars().take(CELL_MAX_CHARS - 1).chain(['…']).collect()
}

fn aligned(line: &[String], widths: &[usize]) -> String {
    let padded = line.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
    let mut text = padded.collect::<Vec<_>>().join(GAP).trim_end().to_owned();
    text.push('\n');
    text
}

/// One line for each field, the values below each other.
pub(crate) fn fields(pairs: &[(&str, String)]) -> String {
    let width = pairs.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    pairs.iter().map(|(name, value)| format!("{name:<width$}{GAP}{}\n", plain(value))).collect()
}

/// JSON, a member a line.
pub(crate) fn json_lines(text: &str) -> String {
    let value: Option<serde_json::Value> = serde_json::from_str(text).ok();
    let pretty = value.and_then(|value| serde_json::to_string_pretty(&value).ok());
    let lines = pretty.unwrap_or_else(|| text.to_owned());
    lines.lines().map(|line| plain(line).into_owned() + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["1", "web", ""], ["22", "Grüße", "x"]].map(|row| row.map(str::to_owned));
        let expected = "\
ID  NAME   LAST
1   web
22  Grüße  x
";
        assert_eq!(table(["ID", "NAME", "LAST"], &rows), expected);
    }

    #[test]
    fn a_long_cell_is_cut_and_a_hostile_one_defused() {
        let long = "n".repeat(41);
        let text = table(["NAME"], &[[long], ["a\nb".to_owned()]]);
        assert_eq!(text, format!("NAME\n{}…\na\u{fffd}b\n", "n".repeat(39)));
    }

    #[test]
    fn fields_stand_below_each_other() {
        let pairs = [("id", "1".to_owned()), ("environment", "staging".to_owned())];
        assert_eq!(fields(&pairs), "id           1\nenvironment  staging\n");
    }
}
