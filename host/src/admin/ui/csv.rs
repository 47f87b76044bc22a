//! Tables as files for spreadsheets (RFC 4180), in which no cell is taken for a formula.

use super::html::bucket_label;
use super::words;
use crate::admin::service::Statistics;
use crate::statistics::{KeyRow, Sums, WAIT_BOUNDS_S};

const SUMS: [&str; 7] = [
    "accepted",
    "recipients",
    "octets",
    "blocked",
    "delivered",
    "deferred",
    "bounced",
];

/// A line for each bucket of time.
pub fn by_time(statistics: &Statistics) -> String {
    let by = statistics.by;
    let header = ["from_utc"]
        .iter()
        .chain(&SUMS)
        .map(|name| (*name).to_owned());
    let rows = statistics.buckets.iter().map(|(start, sums)| {
        let mut row = vec![match by {
            crate::statistics::By::Hour => start.to_whole_seconds(),
            _ => bucket_label(&by, start),
        }];
        row.extend(numbers(sums));
        row
    });
    table(header.collect(), rows)
}

/// A line for each priority, with how many waited for how long.
pub fn by_priority(statistics: &Statistics) -> String {
    let mut header = vec!["priority".to_owned()];
    header.extend(SUMS.map(str::to_owned));
    header.extend(WAIT_BOUNDS_S.map(|bound| format!("waited_up_to_{bound}_s")));
    header.push("waited_longer".to_owned());
    let rows = statistics.priorities.iter().map(|(priority, sums, waits)| {
        let mut row = vec![words::priority(priority).to_owned()];
        row.extend(numbers(sums));
        row.extend(waits.buckets.map(|count| count.to_string()));
        row
    });
    table(header, rows)
}

/// A line for each user, sender or subject.
pub fn by_name(column: &str, rows: &[KeyRow]) -> String {
    let mut header = vec![column.to_owned()];
    header.extend(SUMS.map(str::to_owned));
    let rows = rows.iter().map(|row| {
        let name = if row.key.is_empty() {
            "(all others)"
        } else {
            &row.key
        };
        let mut cells = vec![name.to_owned()];
        cells.extend(numbers(&row.sums));
        cells
    });
    table(header, rows)
}

fn numbers(sums: &Sums) -> [String; 7] {
    [
        sums.accepted,
        sums.recipients,
        sums.octets,
        sums.blocked,
        sums.delivered,
        sums.deferred,
        sums.bounced,
    ]
    .map(|number| number.to_string())
}

fn table(header: Vec<String>, rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut text = String::new();
    for row in [header].into_iter().chain(rows) {
        let cells: Vec<String> = row.iter().map(|text| cell(text)).collect();
        text += &cells.join(",");
        text += "\r\n";
    }
    text
}

/// A spreadsheet takes a cell for a formula by its first character; an apostrophe says that it is text.
fn cell(text: &str) -> String {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '|', '%']);
    let guard = if is_formula { "'" } else { "" };
    if is_formula || text.contains([',', '"', '\n', '\r', ';']) {
        return format!("\"{guard}{}\"", text.replace('"', "\"\""));
    }
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula() {
        for (text, shown) in [
            ("Order #", "Order #"),
            ("=HYPERLINK(\"x\")", "\"'=HYPERLINK(\"\"x\"\")\""),
            ("+1", "\"'+1\""),
            ("-1", "\"'-1\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("\t=1", "\"'\t=1\""),
            ("a,b", "\"a,b\""),
            ("a;b", "\"a;b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
        ] {
            assert_eq!(cell(text), shown);
        }
    }

    #[test]
    fn what_is_not_told_apart_has_a_line() {
        let rows = [KeyRow {
            key: String::new(),
            sums: Sums {
                accepted: 7,
                ..Sums::default()
            },
        }];
        assert_eq!(
            by_name("user", &rows),
            "user,accepted,recipients,octets,blocked,delivered,deferred,bounced\r\n(all others),7,0,0,0,0,0,0\r\n"
        );
    }
}
