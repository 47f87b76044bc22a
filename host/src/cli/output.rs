//! Prints data for people and for programs, and logs beside it.

use std::io::{IsTerminal, Write};

use serde::Serialize;
use tracing_subscriber::EnvFilter;

use super::Failure;

/// Who reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// A person.
    Text,
    /// A program.
    Json,
}

impl Output {
    /// Prints one value: as JSON, or as the text for people.
    pub fn print(
        self,
        value: &impl Serialize,
        text: impl FnOnce() -> String,
    ) -> Result<(), Failure> {
        let rendered = match self {
            Self::Text => text(),
            Self::Json => serde_json::to_string_pretty(value).map_err(Failure::new)?,
        };
        let mut stdout = std::io::stdout().lock();
        writeln!(stdout, "{}", rendered.trim_end()).map_err(Failure::new)
    }
}

/// Prints a sentence for people beside the data that a command is about.
pub fn say(text: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{text}").map_err(Failure::new)
}

/// Columns that fit their widest cell; control characters in cells become spaces.
pub fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let clean = |cell: &String| cell.replace(char::is_control, " ");
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| row.iter().map(clean).collect())
        .collect();
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells
            .chain([header[column].chars().count()])
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let line = |cells: Vec<&str>| {
        let padded = cells
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let mut lines = vec![line(header.to_vec())];
    lines.extend(
        rows.iter()
            .map(|row| line(row.iter().map(String::as_str).collect())),
    );
    lines.join("\n")
}

/// Sends logs to stderr; `RUST_LOG` counts when no filter is given.
pub fn log_to_stderr(filter: Option<&str>, default: &str) {
    let from_environment =
        || EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let filter = filter.map_or_else(from_environment, EnvFilter::new);
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .init();
}

#[cfg(test)]
mod tests {
    use super::table;

    #[test]
    fn columns_line_up_and_control_characters_do_not_pass() {
        let rows = [
            vec!["s1_1".to_owned(), "a\x1b[2J".to_owned()],
            vec!["s1_10".to_owned(), "b".to_owned()],
        ];
        assert_eq!(
            table(&["user", "note"], &rows),
            "user   note\ns1_1   a [2J\ns1_10  b"
        );
    }
}
