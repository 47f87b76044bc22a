//! The `;`-separated texts of a user: what policies are given of them, and what is wrong with them.

use std::fmt;

use super::explain;
use crate::message::address::{Address, domain_to_ascii};

/// Octets of one of the texts. Default 65,536: over a thousand domains; every message carries them
/// to the policies.
pub const MAX_TEXT_OCTETS: usize = 64 * 1024;

/// An entry as policies are given it.
pub type Entry = String;

/// What is wrong with one entry, where, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct EntryProblem {
    /// The place of the entry among the non-empty ones, from 1.
    pub position: usize,
    /// The entry, cut and without control characters.
    pub entry: String,
    /// What is wrong, for example `is an address, not a domain`.
    pub problem: String,
    /// What to do about it.
    pub hint: String,
}

impl fmt::Display for EntryProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            position,
            entry,
            problem,
            hint,
        } = self;
        write!(f, "entry {position}, `{entry}`, {problem}; {hint}")
    }
}

/// The entries of an authorized-domains text: A-labels where they are domains or `*.domain`, verbatim
/// where they are not, because an entry that matches nothing still counts.
pub fn domain_entries(text: &str) -> Vec<Entry> {
    parts(text)
        .map(|part| normal_domain(part).unwrap_or_else(|| part.to_owned()))
        .collect()
}

/// The entries of an authorized-senders text, normalised as [`Address`] where they are addresses,
/// verbatim where they are not.
pub fn sender_entries(text: &str) -> Vec<Entry> {
    parts(text)
        .map(|part| normal_sender(part).unwrap_or_else(|| part.to_owned()))
        .collect()
}

/// Checks an authorized-domains text before it is stored.
///
/// # Errors
/// Every entry that would match nothing, explained.
pub fn check_domains(text: &str) -> Result<(), Vec<EntryProblem>> {
    check(text, |part| {
        normal_domain(part).is_none().then(|| explain::domain(part))
    })
}

/// Checks an authorized-senders text before it is stored.
///
/// # Errors
/// Every entry that would match nothing, explained.
pub fn check_senders(text: &str) -> Result<(), Vec<EntryProblem>> {
    check(text, |part| {
        normal_sender(part).is_none().then(|| explain::sender(part))
    })
}

/// Valid entries of an authorized-domains text that are probably not what was meant.
pub fn advise_domains(text: &str) -> Vec<EntryProblem> {
    problems(text, explain::domain_advice)
}

/// A problem and its hint.
pub(super) type Explanation = (String, String);

fn check(
    text: &str,
    explain: impl Fn(&str) -> Option<Explanation>,
) -> Result<(), Vec<EntryProblem>> {
    let mut found = problems(text, explain);
    if text.len() > MAX_TEXT_OCTETS {
        found.insert(0, too_long(text));
    }
    if found.is_empty() { Ok(()) } else { Err(found) }
}

fn problems(text: &str, explain: impl Fn(&str) -> Option<Explanation>) -> Vec<EntryProblem> {
    (1..)
        .zip(parts(text))
        .filter_map(|(position, part)| {
            let (problem, hint) = explain(part)?;
            Some(EntryProblem {
                position,
                entry: explain::shown(part),
                problem,
                hint,
            })
        })
        .collect()
}

fn too_long(text: &str) -> EntryProblem {
    EntryProblem {
        position: 1,
        entry: explain::shown(text),
        problem: format!("begins a text of {} octets", text.len()),
        hint: format!("use at most {MAX_TEXT_OCTETS}; `*.example.com` covers all subdomains"),
    }
}

/// The entry as policies compare it; none when it can match nothing.
fn normal_domain(part: &str) -> Option<Entry> {
    let Some(parent) = part.strip_prefix("*.") else {
        return domain_to_ascii(part);
    };
    let parent = domain_to_ascii(parent)?;
    // `*.com` is a whole top level, and an address literal has nothing below it.
    let has_parent = parent.contains('.') && !parent.starts_with('[');
    has_parent.then(|| ["*.", &parent].concat())
}

/// The entry as policies compare it; none when it is no address or looks like a pattern.
fn normal_sender(part: &str) -> Option<Entry> {
    let address = Address::parse(part)?;
    (!address.local_part.contains('*')).then(|| address.full())
}

/// The non-empty parts, trimmed. A `;` within the quotes of a local-part separates nothing.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        while !rest.is_empty() {
            let (part, after) = split_part(rest);
            rest = after;
            if !part.trim().is_empty() {
                return Some(part.trim());
            }
        }
        None
    })
}

fn split_part(text: &str) -> (&str, &str) {
    let quoted = quoted_local_part_length(text).unwrap_or(0);
    text[quoted..].find(';').map_or((text, ""), |end| {
        (&text[..quoted + end], &text[quoted + end + 1..])
    })
}

/// The length of `"quoted"@` at the beginning of a text, blanks before it included.
fn quoted_local_part_length(text: &str) -> Option<usize> {
    let inner = text.trim_start().strip_prefix('"')?;
    let mut escaped = false;
    let end = inner.find(|character| {
        let closes = character == '"' && !escaped;
        escaped = character == '\\' && !escaped;
        closes
    })?;
    let after = inner[end + 1..].strip_prefix('@')?;
    Some(text.len() - after.len())
}

#[cfg(test)]
mod tests;
