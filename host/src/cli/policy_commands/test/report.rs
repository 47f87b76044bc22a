//! What came of the cases, for people and for build servers.

use std::io::Write as _;
use std::path::PathBuf;

use quick_xml::Writer;
use quick_xml::events::BytesText;
use serde_json::json;

use super::Format;
use crate::cli::Failure;
use crate::cli::policy_commands::cases::Outcome;

/// A case with what came of it.
pub struct Checked {
    pub file: PathBuf,
    pub name: String,
    pub result: Result,
}

/// What came of a case.
pub struct Result {
    /// What the policy answered, if it was asked.
    pub outcome: Option<Outcome>,
    /// What is otherwise than expected; nothing when the case passed.
    pub differences: Vec<String>,
}

impl Result {
    /// The policy was not asked, for this reason.
    pub fn failed(difference: String) -> Self {
        Self {
            outcome: None,
            differences: vec![difference],
        }
    }

    /// The settings were refused, which was expected.
    pub fn refused_settings() -> Self {
        Self {
            outcome: None,
            differences: Vec::new(),
        }
    }
}

impl Checked {
    /// Whether everything is as expected.
    pub fn passed(&self) -> bool {
        self.result.differences.is_empty()
    }
}

/// Prints all results.
pub fn print(
    format: Format,
    module: &str,
    checked: &[Checked],
) -> std::result::Result<(), Failure> {
    let text = match format {
        Format::Human => human(checked),
        Format::Json => json(module, checked)?,
        Format::Junit => junit(module, checked).map_err(Failure::new)?,
    };
    writeln!(std::io::stdout().lock(), "{}", text.trim_end()).map_err(Failure::new)
}

fn human(checked: &[Checked]) -> String {
    let mut text = String::new();
    for case in checked.iter().filter(|case| !case.passed()) {
        text += &format!("FAIL  {}: {}\n", case.file.display(), case.name);
        for difference in &case.result.differences {
            text += &format!("      {difference}\n");
        }
        if let Some(outcome) = &case.result.outcome {
            text += &format!("      it said {}\n", said(outcome));
        }
    }
    text + &summary(checked)
}

/// The whole answer on a line.
fn said(outcome: &Outcome) -> String {
    let mut said = format!("{} by rule {}", outcome.decision, outcome.rule);
    if let Some(failure) = &outcome.failure {
        said += &format!(" ({})", failure.detail);
    }
    if let Some(reply) = &outcome.reply {
        said += &format!(": {reply}");
    }
    for line in &outcome.log {
        said += &format!("\n      log {line}");
    }
    said
}

fn summary(checked: &[Checked]) -> String {
    let failed = checked.iter().filter(|case| !case.passed()).count();
    let cases = match checked.len() {
        1 => "1 case".to_owned(),
        count => format!("{count} cases"),
    };
    let outcomes = checked
        .iter()
        .filter_map(|case| case.result.outcome.as_ref());
    let most = outcomes.map(|outcome| outcome.fuel).max().unwrap_or(0);
    let price = format!("at most {most} fuel");
    match failed {
        0 => format!("ok: {cases} passed, {price}"),
        _ => format!("{failed} of {cases} failed, {price}"),
    }
}

fn json(module: &str, checked: &[Checked]) -> std::result::Result<String, Failure> {
    let cases: Vec<_> = checked
        .iter()
        .map(|case| {
            json!({
                "file": case.file,
                "name": case.name,
                "passed": case.passed(),
                "differences": case.result.differences,
                "outcome": case.result.outcome,
            })
        })
        .collect();
    let failed = checked.iter().filter(|case| !case.passed()).count();
    let all = json!({
        "module": module, "passed": checked.len() - failed, "failed": failed, "cases": cases,
    });
    serde_json::to_string_pretty(&all).map_err(Failure::new)
}

/// The dialect that build servers have in common: one suite, a failure with its text.
fn junit(module: &str, checked: &[Checked]) -> std::io::Result<String> {
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
    let failed = checked.iter().filter(|case| !case.passed()).count();
    let suite = writer
        .create_element("testsuite")
        .with_attribute(("name", clean(module).as_str()))
        .with_attribute(("tests", checked.len().to_string().as_str()))
        .with_attribute(("failures", failed.to_string().as_str()));
    suite.write_inner_content(|writer| checked.iter().try_for_each(|case| one(writer, case)))?;
    Ok(String::from_utf8_lossy(&writer.into_inner()).into_owned())
}

fn one(writer: &mut Writer<Vec<u8>>, case: &Checked) -> std::io::Result<()> {
    let micros = case
        .result
        .outcome
        .as_ref()
        .map_or(0, |outcome| outcome.micros);
    let seconds = format!("{:.6}", micros as f64 / 1e6);
    let element = writer
        .create_element("testcase")
        .with_attribute(("classname", clean(&case.file.to_string_lossy()).as_str()))
        .with_attribute(("name", clean(&case.name).as_str()))
        .with_attribute(("time", seconds.as_str()));
    if case.passed() {
        element.write_empty()?;
        return Ok(());
    }
    let text = clean(&case.result.differences.join("\n"));
    element.write_inner_content(|writer| {
        let failure = writer.create_element("failure");
        failure.write_text_content(BytesText::new(&text))?;
        Ok(())
    })?;
    Ok(())
}

/// XML 1.0 has no way to write most control characters.
fn clean(text: &str) -> String {
    text.replace(|c: char| c.is_control() && c != '\n', " ")
}
