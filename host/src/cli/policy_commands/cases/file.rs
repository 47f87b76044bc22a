//! Reads a file of cases: fills in its defaults, and makes one case of each sender.

use std::path::Path;

use super::expectation::Expectation;
use super::form::{CONTENT_KEYS, CaseForm, StageName};
use crate::policy::document;

/// One question with what is expected of it.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its name in the file, with the sender where there are several.
    pub name: String,
    /// What it says.
    pub form: CaseForm,
    /// What is to come of it.
    pub expect: Expectation,
}

/// What is wrong with a file of cases.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct FileError(String);

impl FileError {
    fn of(case: &str, problem: impl std::fmt::Display) -> Self {
        Self(format!("{case}: {problem}"))
    }
}

/// Stands in `message` for the address of `senders`.
const PLACEHOLDER: &str = "{sender}";
/// The tables of a case that are filled up key by key from the defaults; anything else is replaced.
const FILLED_UP: [&str; 4] = ["user", "list", "session", "parameters"];

/// The cases of a file, in order.
///
/// # Errors
/// When the text is not TOML, a key is unknown or a case says too little; the text says where.
pub fn read(text: &str, folder: &Path) -> Result<Vec<Case>, FileError> {
    let mut file: toml::Table = toml::from_str(text).map_err(|error| {
        let text = error.to_string();
        FileError(text.trim_end().to_owned())
    })?;
    let defaults = table(&mut file, "defaults")?;
    let cases = match file.remove("case") {
        Some(toml::Value::Array(cases)) if !cases.is_empty() => cases,
        _ => return Err(FileError("it has no [[case]]".to_owned())),
    };
    if let Some(key) = file.keys().next() {
        let known = "a file has [defaults] and any number of [[case]]";
        return Err(FileError(format!("unknown key `{key}`; {known}")));
    }
    let mut read = Vec::new();
    for (number, case) in (1..).zip(cases) {
        read.extend(one(number, case, &defaults, folder)?);
    }
    Ok(read)
}

fn table(file: &mut toml::Table, key: &str) -> Result<toml::Table, FileError> {
    match file.remove(key) {
        None => Ok(toml::Table::new()),
        Some(toml::Value::Table(table)) => Ok(table),
        Some(_) => Err(FileError(format!("`{key}` is a table: [{key}]"))),
    }
}

/// One `[[case]]`, as many cases as it has senders.
fn one(
    number: usize,
    case: toml::Value,
    defaults: &toml::Table,
    folder: &Path,
) -> Result<Vec<Case>, FileError> {
    let name = case.get("name").and_then(toml::Value::as_str);
    let place = match name {
        Some(name) => format!("case {number}, `{name}`"),
        None => format!("case {number}"),
    };
    let toml::Value::Table(case) = case else {
        return Err(FileError::of(&place, "a case is a table: [[case]]"));
    };
    let filled = toml::Value::Table(filled(case, defaults));
    let mut form: CaseForm =
        document::read(filled).map_err(|error| FileError::of(&place, error))?;
    for file in [&mut form.message_file, &mut form.request_file] {
        *file = file.take().map(|file| folder.join(file));
    }
    form.check().map_err(|error| FileError::of(&place, error))?;
    Ok(by_sender(form))
}

/// The case with what it does not say itself.
fn filled(mut case: toml::Table, defaults: &toml::Table) -> toml::Table {
    let own: Vec<String> = case.keys().cloned().collect();
    for (key, value) in defaults {
        if own.iter().any(|own| excludes(own, key)) {
            continue;
        }
        match (case.get_mut(key), value) {
            (None, _) => {
                case.insert(key.clone(), value.clone());
            }
            (Some(toml::Value::Table(own)), toml::Value::Table(more))
                if FILLED_UP.contains(&key.as_str()) =>
            {
                for (key, value) in more {
                    own.entry(key).or_insert_with(|| value.clone());
                }
            }
            _ => {}
        }
    }
    case
}

/// Whether a case that says `own` has no use for the default `key`: it gives its message in another
/// way, or its outcome.
fn excludes(own: &str, key: &str) -> bool {
    let outcomes = ["expect", "senders"];
    if outcomes.contains(&own) && outcomes.contains(&key) {
        return own != key;
    }
    let both_fields = is_field(own) && is_field(key);
    CONTENT_KEYS.contains(&own) && CONTENT_KEYS.contains(&key) && own != key && !both_fields
}

/// Whether the key is one of the fields a message is made of, which add up.
fn is_field(key: &str) -> bool {
    matches!(
        key,
        "from" | "sender" | "subject" | "x-priority" | "header" | "body"
    )
}

impl CaseForm {
    fn check(&self) -> Result<(), String> {
        let whole = [
            self.message.is_some(),
            self.message_base64.is_some(),
            self.message_file.is_some(),
            self.request.is_some(),
            self.request_file.is_some(),
        ];
        let fields = [
            self.from.is_some(),
            self.sender.is_some(),
            self.subject.is_some(),
            self.x_priority.is_some(),
            !self.header.is_empty(),
            self.body.is_some(),
        ];
        let ways = whole.iter().filter(|is| **is).count();
        if ways + usize::from(fields.contains(&true)) > 1 {
            return Err(
                "use one of `message`, `message-base64`, `message-file`, `request`, `request-file`, \
                 or `from`, `sender`, `subject`, `x-priority`, `header` and `body`"
                    .to_owned(),
            );
        }
        let is_recorded = self.request.is_some() || self.request_file.is_some();
        if is_recorded && !self.senders.is_empty() {
            return Err("a recorded request has its sender; use `expect`".to_owned());
        }
        match (&self.expect, self.senders.is_empty()) {
            (None, true) => Err("say what is expected: `expect` or `senders`".to_owned()),
            (Some(_), false) => Err("use `expect` or `senders`, not both".to_owned()),
            _ => Ok(()),
        }
    }
}

fn by_sender(form: CaseForm) -> Vec<Case> {
    if let Some(expect) = form.expect.clone() {
        let name = form.name.clone();
        return vec![Case { name, form, expect }];
    }
    let one = |(sender, expect): (&String, &Expectation)| Case {
        name: format!("{}: {sender}", form.name),
        form: with_sender(form.clone(), sender),
        expect: expect.clone(),
    };
    form.senders.iter().map(one).collect()
}

/// The case as sent by `sender`: in its From field, else in its envelope, where it says no others.
fn with_sender(mut form: CaseForm, sender: &str) -> CaseForm {
    let is_whole =
        form.message.is_some() || form.message_base64.is_some() || form.message_file.is_some();
    let mut is_placed = false;
    if let Some(message) = &mut form.message {
        is_placed = message.contains(PLACEHOLDER);
        *message = message.replace(PLACEHOLDER, sender);
    } else if !is_whole && form.from.is_none() {
        is_placed = true;
        form.from = Some(sender.to_owned());
    }
    if !is_placed || form.stage != StageName::Message {
        form.mail_from.get_or_insert_with(|| sender.to_owned());
    }
    form
}
