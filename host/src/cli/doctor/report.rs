//! Prints what was found: aligned lines for people, an array for programs.

use std::process::ExitCode;

use super::finding::{Finding, Verdict};
use crate::cli::{Failure, Output};

/// Everything that was found, in the order of the checks.
#[derive(Debug, Default)]
pub struct Report {
    findings: Vec<Finding>,
}

impl Report {
    /// Adds one finding.
    pub fn add(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    /// Adds findings.
    pub fn extend(&mut self, findings: impl IntoIterator<Item = Finding>) {
        self.findings.extend(findings);
    }

    fn count(&self, verdict: Verdict) -> usize {
        let such = |finding: &&Finding| finding.result == verdict;
        self.findings.iter().filter(such).count()
    }

    /// Prints the report; 1 when something failed.
    pub fn print(&self, output: Output) -> Result<ExitCode, Failure> {
        output.print(&self.findings, || self.text())?;
        Ok(if self.count(Verdict::Failed) > 0 {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        })
    }

    fn text(&self) -> String {
        let longest = self.findings.iter().map(|it| it.check.chars().count());
        let width = longest.max().unwrap_or(0);
        let mut lines = Vec::new();
        for Finding {
            check,
            result,
            detail,
            fix,
        } in &self.findings
        {
            lines.push(format!("{:<8} {check:<width$}  {detail}", result.word()));
            if !fix.is_empty() {
                lines.push(format!("{:<8} {:<width$}  fix: {fix}", "", ""));
            }
        }
        lines.push(String::new());
        lines.push(self.summary());
        lines.join("\n")
    }

    fn summary(&self) -> String {
        match (self.count(Verdict::Failed), self.count(Verdict::Warning)) {
            (0, 0) => "All is well.".to_owned(),
            (0, warnings) => format!("It works; {} to look at.", warnings_of(warnings)),
            (failures, 0) => format!("{failures} failed."),
            (failures, warnings) => format!("{failures} failed, {}.", warnings_of(warnings)),
        }
    }
}

fn warnings_of(count: usize) -> String {
    match count {
        1 => "1 warning".to_owned(),
        _ => format!("{count} warnings"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_aligned_and_fixes_stand_below_their_check() {
        let mut report = Report::default();
        report.add(Finding::ok("dns", "fine"));
        report.add(Finding::failed("port 587", "refused").fix("open it"));
        assert_eq!(
            report.text(),
            "ok       dns       fine\n\
             failed   port 587  refused\n\
             \x20                  fix: open it\n\n\
             1 failed."
        );
    }

    #[test]
    fn the_summary_counts() {
        let of = |findings: &[Finding]| {
            let mut report = Report::default();
            report.extend(findings.to_vec());
            report.summary()
        };
        let (ok, warning) = (Finding::ok("a", ""), Finding::warning("b", ""));
        let failed = Finding::failed("c", "");
        assert_eq!(of(std::slice::from_ref(&ok)), "All is well.");
        assert_eq!(
            of(&[ok, warning.clone()]),
            "It works; 1 warning to look at."
        );
        assert_eq!(
            of(&[warning.clone(), warning, failed]),
            "1 failed, 2 warnings."
        );
    }
}
