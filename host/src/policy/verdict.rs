//! Turns what a guest answered into what the host may act on: bounded, printable, consistent.
//!
//! A guest's text ends in SMTP replies, alerts and logs, so nothing of it leaves this file with a
//! line end, a control character or more octets than its place allows.

use super::types::{self, Decision, Reply, Verdict};
use crate::alert::Severity;
use crate::queue::Priority;

/// Octets of a reply's text: with `550 5.7.1 ` and CRLF it stays below the 512 of RFC 5321 §4.5.3.1.5.
const REPLY_TEXT_BYTES: usize = 450;
/// Octets of a rule's or an alert's machine name.
const NAME_BYTES: usize = 64;
/// Characters of an alert's summary.
const SUMMARY_CHARS: usize = 500;
/// Alerts of one verdict.
const ALERTS: usize = 8;
/// Facts of one verdict.
const FACTS: usize = 16;
/// Octets of a fact's name.
const FACT_NAME_BYTES: usize = 64;
/// Octets of a fact's value.
const FACT_VALUE_BYTES: usize = 1024;

/// What the client is told instead of its message being taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// RFC 5321 reply code, 4yz or 5yz.
    pub code: u16,
    /// RFC 3463 enhanced status code; its class is the reply code's.
    pub enhanced: (u8, u16, u16),
    /// One line of 1 to 450 printable ASCII characters.
    pub text: String,
}

impl Refusal {
    /// Whether the client is to try again later.
    pub fn is_temporary(&self) -> bool {
        self.code < 500
    }

    pub(super) fn rejected() -> Self {
        Self::fixed(550, 1, "message refused by policy")
    }

    pub(super) fn deferred() -> Self {
        Self::fixed(451, 1, "message deferred by policy; try again later")
    }

    pub(super) fn failed(temporary: bool) -> Self {
        if temporary {
            Self::fixed(451, 1, "policy is unavailable; try again later")
        } else {
            Self::fixed(550, 1, "message refused: policy is unavailable")
        }
    }

    pub(super) fn saturated() -> Self {
        Self {
            code: 451,
            // RFC 3463 §3.4: system not accepting messages for the moment.
            enhanced: (4, 3, 2),
            text: "too many messages at the moment; try again later".to_owned(),
        }
    }

    /// X.7.x of RFC 3463 §3.8: security and policy status.
    fn fixed(code: u16, detail: u16, text: &str) -> Self {
        Self {
            code,
            enhanced: (if code < 500 { 4 } else { 5 }, 7, detail),
            text: text.to_owned(),
        }
    }
}

/// An alert a policy asked for, or that reports its failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyAlert {
    /// The policy by its name in the configuration.
    pub policy: String,
    /// How much it matters.
    pub severity: Severity,
    /// Stable machine name, at most 64 octets; `policy-failure` is the host's own.
    pub code: String,
    /// One printable line of at most 500 characters.
    pub summary: String,
}

/// A verdict the host can act on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Judgement {
    pub opinion: Opinion,
    pub priority: Option<Priority>,
    pub alerts: Vec<PolicyAlert>,
    pub rule: String,
    pub facts: Vec<(String, String)>,
    /// What was wrong with the reply, which the host has then replaced with its own.
    pub bad_reply: Option<&'static str>,
}

/// A decision the host can act on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Opinion {
    Pass,
    Accept,
    Refuse(Refusal),
}

impl Judgement {
    /// Takes over a verdict of the policy called `policy`.
    pub fn from_verdict(policy: &str, verdict: Verdict) -> Self {
        let (opinion, bad_reply) = opinion(verdict.decision);
        Self {
            opinion,
            priority: verdict.priority.map(host_priority),
            alerts: alerts(policy, verdict.alerts),
            rule: name_or(&verdict.rule, "invalid"),
            facts: facts(verdict.facts),
            bad_reply,
        }
    }
}

fn opinion(decision: Decision) -> (Opinion, Option<&'static str>) {
    let (reply, own) = match decision {
        Decision::Pass => return (Opinion::Pass, None),
        Decision::Accept => return (Opinion::Accept, None),
        Decision::Reject(reply) => (reply, Refusal::rejected()),
        Decision::Defer(reply) => (reply, Refusal::deferred()),
    };
    match reply.map(|reply| checked_reply(&reply, own.enhanced.0)) {
        None => (Opinion::Refuse(own), None),
        Some(Ok(refusal)) => (Opinion::Refuse(refusal), None),
        Some(Err(problem)) => (Opinion::Refuse(own), Some(problem)),
    }
}

/// A reply must say in both codes what the decision says: `class` 5 rejects, 4 defers.
fn checked_reply(reply: &Reply, class: u8) -> Result<Refusal, &'static str> {
    // RFC 5321 §4.2.1: the second digit is 0 to 5.
    if reply.code / 100 != u16::from(class) || reply.code / 10 % 10 > 5 {
        return Err("the reply code does not fit the decision");
    }
    let enhanced = reply.enhanced;
    // RFC 3463 §2: subject and detail have one to three digits.
    if enhanced.class != class || enhanced.subject > 999 || enhanced.detail > 999 {
        return Err("the enhanced status code does not fit the decision");
    }
    let text = reply_text(&reply.text);
    if text.is_empty() {
        return Err("the reply has no text");
    }
    Ok(Refusal {
        code: reply.code,
        enhanced: (enhanced.class, enhanced.subject, enhanced.detail),
        text,
    })
}

/// RFC 5321 §4.2: a reply's text is printable ASCII; without SMTPUTF8 nothing else may be sent.
fn reply_text(text: &str) -> String {
    let ascii: String = printable(text, REPLY_TEXT_BYTES * 4)
        .chars()
        .map(|c| if c.is_ascii() { c } else { '?' })
        .take(REPLY_TEXT_BYTES)
        .collect();
    ascii.trim().to_owned()
}

fn alerts(policy: &str, alerts: Vec<types::Alert>) -> Vec<PolicyAlert> {
    alerts
        .into_iter()
        .take(ALERTS)
        .map(|alert| PolicyAlert {
            policy: policy.to_owned(),
            severity: host_severity(alert.severity),
            code: name_or(&alert.code, "policy-alert"),
            summary: summary(&alert.summary),
        })
        .collect()
}

/// Alert text for people.
pub(super) fn summary(text: &str) -> String {
    printable(text, SUMMARY_CHARS * 4)
        .chars()
        .take(SUMMARY_CHARS)
        .collect()
}

fn facts(facts: Vec<types::Fact>) -> Vec<(String, String)> {
    facts
        .into_iter()
        .take(FACTS)
        .map(|fact| {
            (
                printable(&fact.name, FACT_NAME_BYTES),
                printable(&fact.value, FACT_VALUE_BYTES),
            )
        })
        .collect()
}

/// `name` when it is 1 to 64 visible ASCII characters.
fn name_or(name: &str, otherwise: &str) -> String {
    let is_name =
        (1..=NAME_BYTES).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_graphic());
    if is_name { name } else { otherwise }.to_owned()
}

/// At most `max_bytes` of `text`, cut between characters, with spaces for what does not print.
pub(super) fn printable(text: &str, max_bytes: usize) -> String {
    text[..text.floor_char_boundary(max_bytes)]
        .chars()
        .map(|c| if is_invisible(c) { ' ' } else { c })
        .collect()
}

/// Control characters, line and paragraph separators, and what reorders the text around it.
fn is_invisible(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

fn host_severity(severity: types::Severity) -> Severity {
    match severity {
        types::Severity::Info => Severity::Info,
        types::Severity::Warning => Severity::Warning,
        types::Severity::Critical => Severity::Critical,
    }
}

/// The host's word for a priority.
pub(super) fn host_priority(priority: types::Priority) -> Priority {
    match priority {
        types::Priority::Highest => Priority::Highest,
        types::Priority::High => Priority::High,
        types::Priority::Normal => Priority::Normal,
        types::Priority::Low => Priority::Low,
        types::Priority::Lowest => Priority::Lowest,
    }
}

/// The interface's word for a priority.
impl From<Priority> for types::Priority {
    fn from(priority: Priority) -> Self {
        match priority {
            Priority::Highest => Self::Highest,
            Priority::High => Self::High,
            Priority::Normal => Self::Normal,
            Priority::Low => Self::Low,
            Priority::Lowest => Self::Lowest,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::types::{Alert, EnhancedCode, Fact};

    fn reply(code: u16, enhanced: (u8, u16, u16), text: &str) -> Reply {
        let (class, subject, detail) = enhanced;
        Reply {
            code,
            enhanced: EnhancedCode {
                class,
                subject,
                detail,
            },
            text: text.to_owned(),
        }
    }

    fn verdict(decision: Decision) -> Verdict {
        Verdict {
            decision,
            priority: None,
            alerts: vec![],
            rule: "r".to_owned(),
            facts: vec![],
        }
    }

    #[test]
    fn a_reply_that_contradicts_the_decision_is_replaced() {
        type Make = fn(Option<Reply>) -> Decision;
        let cases: [(Make, Reply, bool); 10] = [
            (Decision::Reject, reply(550, (5, 7, 1), "no"), true),
            (Decision::Reject, reply(554, (5, 6, 0), "no"), true),
            (Decision::Defer, reply(450, (4, 7, 1), "later"), true),
            (Decision::Reject, reply(250, (2, 0, 0), "ok"), false),
            (Decision::Reject, reply(451, (4, 7, 1), "later"), false),
            (Decision::Defer, reply(550, (5, 7, 1), "no"), false),
            (Decision::Reject, reply(550, (4, 7, 1), "no"), false),
            (Decision::Reject, reply(590, (5, 7, 1), "no"), false),
            (Decision::Reject, reply(550, (5, 1000, 1), "no"), false),
            (Decision::Reject, reply(550, (5, 7, 1), " \r\n"), false),
        ];
        for (decision, reply, fits) in cases {
            let decision = decision(Some(reply));
            let shown = format!("{decision:?}");
            let own = opinion(match decision {
                Decision::Reject(_) => Decision::Reject(None),
                _ => Decision::Defer(None),
            });
            let (opinion, problem) = opinion(decision);
            assert_eq!(problem.is_none(), fits, "{shown}");
            assert_eq!(opinion != own.0, fits, "{shown}");
        }
    }

    #[test]
    fn reply_text_stays_on_one_ascii_line() {
        let long = "é".repeat(600);
        let cases = [
            ("no\r\n250 ok", "no  250 ok".to_owned()),
            ("refusé\u{202E}\u{0}", "refus?".to_owned()),
            ("a\tb\u{7f}c", "a b c".to_owned()),
            (&long, "?".repeat(450)),
        ];
        for (text, expected) in cases {
            assert_eq!(reply_text(text), expected);
        }
    }

    #[test]
    fn names_lists_and_texts_are_bounded() {
        let mut verdict = verdict(Decision::Accept);
        verdict.rule = "x".repeat(65);
        verdict.alerts = vec![
            Alert {
                severity: types::Severity::Critical,
                code: "a b".to_owned(),
                summary: "line\nline".repeat(200),
            };
            50
        ];
        verdict.facts = vec![
            Fact {
                name: "n".repeat(100),
                value: "é".repeat(1000),
            };
            50
        ];
        let judgement = Judgement::from_verdict("p", verdict);
        assert_eq!(judgement.rule, "invalid");
        assert_eq!(judgement.alerts.len(), ALERTS);
        assert_eq!(judgement.alerts[0].code, "policy-alert");
        assert_eq!(judgement.alerts[0].summary.chars().count(), SUMMARY_CHARS);
        assert!(!judgement.alerts[0].summary.contains('\n'));
        assert_eq!(judgement.facts.len(), FACTS);
        assert_eq!(judgement.facts[0].0.len(), FACT_NAME_BYTES);
        assert_eq!(judgement.facts[0].1.len(), FACT_VALUE_BYTES);
    }

    #[test]
    fn printable_cuts_between_characters() {
        assert_eq!(printable("aé", 2), "a");
        assert_eq!(printable("aé", 3), "aé");
        assert_eq!(printable("", 3), "");
    }
}
