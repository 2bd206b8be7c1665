//! Lines of a table that spreadsheets read (RFC 4180).

use std::fmt::Display;

/// What a spreadsheet takes for the beginning of a formula.
const FORMULA: [char; 7] = ['=', '+', '-', '@', '\t', '\r', '\n'];

/// A line that is being written.
#[derive(Debug, Default)]
pub struct CsvLine {
    text: String,
    has_cell: bool,
}

impl CsvLine {
    /// A whole line of these cells.
    pub fn of(cells: &[&str]) -> String {
        let mut line = Self::default();
        for cell in cells {
            line.cell(Some(cell));
        }
        line.end()
    }

    /// Adds a cell; an empty one for nothing. What a spreadsheet would take for a formula gets a `'` before it.
    pub fn cell(&mut self, value: Option<impl Display>) -> &mut Self {
        if std::mem::replace(&mut self.has_cell, true) {
            self.text.push(',');
        }
        let Some(value) = value else { return self };
        let mut cell = value.to_string();
        if cell.starts_with(FORMULA) {
            cell.insert(0, '\'');
        }
        if cell.contains([',', '"', '\r', '\n']) {
            self.text.extend(["\"", cell.replace('"', "\"\"").as_str(), "\""]);
        } else {
            self.text.push_str(&cell);
        }
        self
    }

    /// The text, with its line break.
    pub fn end(mut self) -> String {
        self.text.push_str("\r\n");
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_where_they_must_be_and_never_are_formulas() {
        let line =
            CsvLine::of(&["a", "", "b,c", "say \"hi\"", "1\n2", "=1+1", "-2", "@x", "+4", "a=b", "\t=1"]);
        assert_eq!(line, "a,,\"b,c\",\"say \"\"hi\"\"\",\"1\n2\",'=1+1,'-2,'@x,'+4,a=b,'\t=1\r\n");
        let mut line = CsvLine::default();
        line.cell(None::<&str>).cell(Some(7));
        assert_eq!(line.end(), ",7\r\n");
    }
}
