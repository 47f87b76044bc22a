//! `gatepost policy records`: recorded requests, out of the store and into files and tools.

use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::Subcommand;
use serde_json::Value;

use super::decisions::Which;
use crate::cli::decision_output::{self, ListNames};
use crate::cli::{Failure, open_of};
use crate::decision::{DecisionFilter, Recorded};
use crate::id::QueueId;
use crate::policy::document::{self, Request};
use crate::store::Store;

/// The import by which a policy reads the message itself, which is not recorded.
pub const CONTENT: &str = "gatepost:policy/content@";
/// Recordings read from the store at once.
const PAGE: u32 = 256;
/// Octets of a line of a file of records; twice what the relay records.
const MAX_LINE_OCTETS: u64 = 512 * 1024;

/// `gatepost policy records …`
#[derive(Debug, Subcommand)]
pub enum RecordsCommand {
    /// Write recorded requests to stdout, one JSON object on a line, the oldest first
    Export {
        #[command(flatten)]
        which: Which,
    },
}

/// Runs the command.
///
/// # Errors
/// When the store cannot be read or the output not written.
pub async fn run(command: RecordsCommand, config: Option<&Path>) -> Result<ExitCode, Failure> {
    let RecordsCommand::Export { which } = command;
    let store = open_of(config).await?;
    let filter = which.filter(&store, PAGE).await?;
    let lists = ListNames::read(&store).await?;
    let mut stdout = BufWriter::new(std::io::stdout().lock());
    let mut pages = Pages::new(&store, filter);
    while let Some(page) = pages.next().await? {
        for recorded in page {
            let mut line = decision_output::value(&recorded.decision, &lists);
            line["request"] = serde_json::from_str(&recorded.request).map_err(Failure::new)?;
            writeln!(stdout, "{line}").map_err(Failure::new)?;
        }
    }
    stdout.flush().map_err(Failure::new)?;
    Ok(ExitCode::SUCCESS)
}

/// A recorded request and what it is known by.
#[derive(Debug)]
pub struct Record {
    /// The id of the decision; none in a file that does not say it.
    pub id: Option<String>,
    /// What was asked.
    pub request: Request,
}

/// Where recorded requests come from.
pub enum Records<'a> {
    /// Lines of a file or of standard input.
    Lines(Box<dyn BufRead>, u64),
    /// The store.
    Store(Pages<'a>, std::vec::IntoIter<Recorded>),
}

impl<'a> Records<'a> {
    /// Those of a file; `-` is standard input.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn of_file(path: &Path) -> Result<Self, Failure> {
        if path == Path::new("-") {
            return Ok(Self::Lines(Box::new(BufReader::new(std::io::stdin())), 0));
        }
        let file = std::fs::File::open(path).map_err(|error| {
            let what = format!("cannot read {}", path.display());
            Failure::from(anyhow::Error::new(error).context(what))
                .hint("make one with `gatepost policy records export > FILE`")
        })?;
        Ok(Self::Lines(Box::new(BufReader::new(file)), 0))
    }

    /// Those of the store that `filter` lets through.
    pub fn of_store(store: &'a Store, filter: DecisionFilter) -> Self {
        let filter = DecisionFilter {
            limit: PAGE,
            ..filter
        };
        Self::Store(Pages::new(store, filter), Vec::new().into_iter())
    }

    /// The next one, in the order of time.
    ///
    /// # Errors
    /// When it cannot be read, or is no request.
    pub async fn next(&mut self) -> Result<Option<Record>, Failure> {
        match self {
            Self::Lines(lines, number) => next_line(lines, number),
            Self::Store(pages, page) => {
                if page.len() == 0 {
                    let Some(next) = pages.next().await? else {
                        return Ok(None);
                    };
                    *page = next.into_iter();
                }
                page.next().map(Record::of).transpose()
            }
        }
    }
}

impl Record {
    fn of(recorded: Recorded) -> Result<Self, Failure> {
        let id = recorded.decision.about.id.to_string();
        let request = document::from_json(&recorded.request)
            .map_err(|error| Failure::message(format!("the recorded request {id}: {error}")))?;
        Ok(Self {
            id: Some(id),
            request,
        })
    }

    /// From an exported object, or from a request alone.
    fn parse(line: &str) -> Result<Self, String> {
        let mut value: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
        let id = value["id"].as_str().map(str::to_owned);
        let request = match value.get_mut("request") {
            Some(request) => request.take(),
            None => value,
        };
        let request = document::read(request).map_err(|error| error.to_string())?;
        Ok(Self { id, request })
    }
}

fn next_line(lines: &mut dyn BufRead, number: &mut u64) -> Result<Option<Record>, Failure> {
    loop {
        *number += 1;
        let mut line = String::new();
        let mut limited = std::io::Read::take(&mut *lines, MAX_LINE_OCTETS);
        let octets = limited.read_line(&mut line).map_err(Failure::new)?;
        if octets == 0 {
            return Ok(None);
        }
        if line.trim().is_empty() {
            continue;
        }
        let wrong = |problem| {
            Failure::message(format!("line {number} of the records: {problem}"))
                .hint("each line is one object of `gatepost policy records export`")
        };
        return Record::parse(&line).map(Some).map_err(wrong);
    }
}

/// Recordings of the store, page by page, the oldest first.
pub struct Pages<'a> {
    store: &'a Store,
    filter: DecisionFilter,
    after: Option<QueueId>,
    ended: bool,
}

impl<'a> Pages<'a> {
    fn new(store: &'a Store, filter: DecisionFilter) -> Self {
        Self {
            store,
            filter,
            after: None,
            ended: false,
        }
    }

    async fn next(&mut self) -> Result<Option<Vec<Recorded>>, Failure> {
        if self.ended {
            return Ok(None);
        }
        let page = self.store.recordings(&self.filter, self.after).await?;
        self.ended = page.len() < PAGE as usize;
        self.after = page.last().map(|last| last.decision.about.id);
        Ok((!page.is_empty()).then_some(page))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: &str = r#"{"stage":"sender","session":{"id":"1","client-ip":"192.0.2.1","helo":"x","received-at-ms":1,"identity":{"username":"s1_1","default-priority":"normal"}},"envelope":{}}"#;

    #[test]
    fn a_line_is_an_exported_object_or_a_request() {
        let exported =
            format!(r#"{{"id":"0f3k9m2x7q1ab","outcome":"accepted","request":{REQUEST}}}"#);
        let record = Record::parse(&exported).expect("exported");
        assert_eq!(record.id.as_deref(), Some("0f3k9m2x7q1ab"));
        assert_eq!(record.request.session.identity.username, "s1_1");
        assert_eq!(Record::parse(REQUEST).expect("a request").id, None);
        assert!(Record::parse("{}").is_err());
        assert!(Record::parse("no JSON").is_err());
    }

    #[test]
    fn the_line_that_is_wrong_is_named() {
        let text = format!("{REQUEST}\n\n{{}}\n");
        let mut records = Records::Lines(Box::new(std::io::Cursor::new(text)), 0);
        let Records::Lines(lines, number) = &mut records else {
            panic!("made so above");
        };
        assert!(next_line(lines, number).is_ok_and(|record| record.is_some()));
        assert!(next_line(lines, number).is_err());
        assert_eq!(*number, 3);
    }
}
