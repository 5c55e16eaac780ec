//! Layout of text for terminals.

use std::{borrow::Cow, io::IsTerminal};

use comfy_table::{ContentArrangement, Table, presets};
use scope3_mcp_gateway::sanitize::is_deceptive;
use textwrap::{Options, WordSplitter, core::display_width};

/// Joins emoji.
const JOINER: char = '\u{200d}';

/// The width of text if the terminal's width is unknown.
pub(super) const DEFAULT_COLUMNS: usize = 80;

/// The number of spaces between the columns of a table.
const GAP_COLUMNS: usize = 2;

/// The width of standard output in columns, from `COLUMNS` or the terminal. `None` if it is a pipe or a file, which
/// take lines of any length.
pub(super) fn columns() -> Option<usize> {
    let columns =
        std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok()).filter(|&columns| columns > 0);
    columns.or_else(|| {
        let terminal = std::io::stdout().is_terminal().then(terminal_size::terminal_size).flatten();
        terminal.map(|(width, _)| usize::from(width.0))
    })
}

/// Wraps a text at `columns`. The first line begins with `first`, all others with `rest`. A word that is longer than a
/// line is not broken.
pub(super) fn wrapped(text: &str, columns: usize, first: &str, rest: &str) -> Vec<String> {
    let options = Options::new(columns)
        .initial_indent(first)
        .subsequent_indent(rest)
        .break_words(false)
        .word_splitter(WordSplitter::NoHyphenation);
    textwrap::wrap(text, options).into_iter().map(Cow::into_owned).collect()
}

/// Truncates a text to `columns`, with `…` at the end of a truncated text.
pub(super) fn cut(text: &str, columns: usize) -> String {
    if display_width(text) <= columns {
        return text.to_owned();
    }
    let mut kept = String::new();
    for letter in text.chars() {
        if display_width(&kept) + display_width(letter.encode_utf8(&mut [0; 4])) + 1 > columns {
            break;
        }
        kept.push(letter);
    }
    format!("{}…", kept.trim_end())
}

/// Replaces characters that a terminal would interpret or that nobody sees: names of creatives come from other people.
/// Results have none left, but a file or an error of another program may.
pub(super) fn harmless(text: &str) -> Cow<'_, str> {
    let is_harmful = |letter: char| (is_deceptive(letter) && letter != JOINER) || letter == '\t';
    if text.contains(is_harmful) {
        Cow::Owned(text.replace(is_harmful, "\u{fffd}"))
    } else {
        Cow::Borrowed(text)
    }
}

/// Rows under headings. Cells are never truncated: columns are omitted until the rest fits.
#[derive(Debug)]
pub(super) struct Sheet {
    headings: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Sheet {
    pub(super) fn new<T: Into<String>>(
        headings: impl IntoIterator<Item = T>,
        rows: Vec<Vec<String>>,
    ) -> Self {
        Self { headings: headings.into_iter().map(Into::into).collect(), rows }
    }

    /// The lines of the sheet. If it is wider than `columns`, columns are omitted in the order of `omissible`.
    pub(super) fn lines(&self, columns: Option<usize>, omissible: &[usize]) -> Vec<String> {
        let kept = kept(&self.widths(), columns.unwrap_or(usize::MAX), omissible);
        let pick = |row: &[String]| kept.iter().filter_map(|&at| row.get(at).cloned()).collect::<Vec<_>>();
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        table.set_header(pick(&self.headings)).add_rows(self.rows.iter().map(|row| pick(row)));
        if let Some(first) = table.column_mut(0) {
            first.set_padding((0, 1));
        }
        table.lines().map(|line| line.trim_end().to_owned()).collect()
    }

    /// The width of each column.
    pub(super) fn widths(&self) -> Vec<usize> {
        let width = |row: &Vec<String>, at: usize| {
            row.get(at).map_or(0, |cell| cell.lines().map(display_width).max().unwrap_or_default())
        };
        let of_column = |at| self.rows.iter().chain([&self.headings]).map(|row| width(row, at)).max();
        (0..self.headings.len()).map(|at| of_column(at).unwrap_or_default()).collect()
    }
}

/// The indices of the columns that remain after columns are omitted, in the order of `omissible`, until the rest fits.
fn kept(widths: &[usize], columns: usize, omissible: &[usize]) -> Vec<usize> {
    let mut kept: Vec<usize> = (0..widths.len()).collect();
    let mut omissible = omissible.iter();
    while total(kept.iter().map(|&at| widths[at])) > columns {
        let Some(omitted) = omissible.next() else { break };
        kept.retain(|at| at != omitted);
    }
    kept
}

/// The width of a table whose columns have these widths.
pub(super) fn total(widths: impl Iterator<Item = usize>) -> usize {
    widths.reduce(|total, width| total + GAP_COLUMNS + width).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sheet() -> Sheet {
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        Sheet::new(["NAME", "EFFECT", "TITLE"], vec![row(["campaign_list", "read", "List campaigns"])])
    }

    #[test]
    fn columns_are_omitted_in_order_until_the_rest_fits() {
        for (columns, lines) in [
            (None, ["NAME           EFFECT  TITLE", "campaign_list  read    List campaigns"]),
            (Some(37), ["NAME           EFFECT  TITLE", "campaign_list  read    List campaigns"]),
            (Some(36), ["NAME           EFFECT", "campaign_list  read"]),
            (Some(21), ["NAME           EFFECT", "campaign_list  read"]),
            (Some(20), ["NAME", "campaign_list"]),
            (Some(1), ["NAME", "campaign_list"]),
        ] {
            assert_eq!(sheet().lines(columns, &[2, 1]), lines, "{columns:?}");
        }
    }

    #[test]
    fn text_is_truncated_and_wrapped_by_display_width() {
        assert_eq!(cut("Schöne Stiefel", 14), "Schöne Stiefel");
        assert_eq!(cut("Schöne Stiefel", 8), "Schöne…");
        assert_eq!(cut("日本語の広告", 7), "日本語…");
        assert_eq!(wrapped("one two three", 9, "- ", "  "), ["- one two", "  three"]);
        assert_eq!(wrapped("brand_agent_list", 5, "", ""), ["brand_agent_list"], "words are not broken");
    }

    #[test]
    fn control_characters_are_replaced() {
        assert_eq!(harmless("a\u{1b}[31mb\rc\nd\u{9b}"), "a\u{fffd}[31mb\u{fffd}c\nd\u{fffd}");
    }
}
