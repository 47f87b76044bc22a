//! Tells people what is wrong with an entry of the `;` lists and what to write instead.

use super::entries::Explanation;
use crate::message::address::{Address, domain_to_ascii};

/// Characters of an entry that are shown.
const MAX_SHOWN_CHARACTERS: usize = 80;

/// An entry as a message shows it: one short line.
pub(super) fn shown(entry: &str) -> String {
    let mut characters = entry.chars().map(|character| {
        if character.is_control() {
            ' '
        } else {
            character
        }
    });
    let mut text: String = characters.by_ref().take(MAX_SHOWN_CHARACTERS).collect();
    if characters.next().is_some() {
        text.push('…');
    }
    text
}

/// Why an entry is no authorized domain.
pub(super) fn domain(entry: &str) -> Explanation {
    separator(entry)
        .or_else(|| domain_of_url(entry))
        .or_else(|| domain_with_at(entry))
        .or_else(|| domain_pattern(entry))
        .or_else(|| blanks(entry))
        .unwrap_or_else(|| unusable_domain(entry))
}

/// What is probably not meant by a valid authorized domain.
pub(super) fn domain_advice(entry: &str) -> Option<Explanation> {
    let rest = domain_to_ascii(entry)?.strip_prefix("www.")?.to_owned();
    rest.contains('.').then(|| {
        says(
            "is the name of a web site",
            format!("mail is usually from `{rest}`"),
        )
    })
}

/// Why an entry is no authorized sender.
pub(super) fn sender(entry: &str) -> Explanation {
    separator(entry)
        .or_else(|| sender_in_brackets(entry))
        .or_else(|| sender_of_url(entry))
        .or_else(|| sender_pattern(entry))
        .or_else(|| sender_without_at(entry))
        .or_else(|| blanks(entry))
        .unwrap_or_else(|| unusable_sender(entry))
}

fn says(problem: &str, hint: impl Into<String>) -> Explanation {
    (problem.to_owned(), hint.into())
}

fn separator(entry: &str) -> Option<Explanation> {
    if !entry.contains(',') {
        return None;
    }
    let parts: Vec<&str> = entry.split(',').map(str::trim).collect();
    let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    let hint = match parts[..] {
        [] => "remove the `,`".to_owned(),
        _ => format!("separate entries with `;`: `{}`", shown(&parts.join("; "))),
    };
    Some(says("has a `,` where a `;` belongs", hint))
}

fn blanks(entry: &str) -> Option<Explanation> {
    if !entry.contains(char::is_whitespace) {
        return None;
    }
    let parts: Vec<&str> = entry.split_whitespace().collect();
    let hint = format!("separate entries with `;`: `{}`", shown(&parts.join("; ")));
    Some(says("has a space or a line break in it", hint))
}

fn domain_of_url(entry: &str) -> Option<Explanation> {
    let after_scheme = entry.split_once("://").map(|(_, rest)| rest);
    if after_scheme.is_none() && !entry.contains('/') {
        return None;
    }
    let authority = after_scheme.unwrap_or(entry);
    let authority = authority.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let host = host.split(':').next().unwrap_or_default();
    let host = host.strip_prefix("www.").unwrap_or(host);
    Some(says("is a URL, not a domain", write_domain(host)))
}

fn domain_with_at(entry: &str) -> Option<Explanation> {
    let (local_part, rest) = entry.rsplit_once('@')?;
    let rest = rest.trim_end_matches('>').trim();
    if local_part.is_empty() || local_part == "*" {
        return Some(says("is not a domain: it has an `@`", write_domain(rest)));
    }
    let hint = match domain_to_ascii(rest) {
        Some(_) => format!(
            "move it to the authorized senders, or write `{}` for every address of the domain",
            shown(rest)
        ),
        None => "move it to the authorized senders".to_owned(),
    };
    Some(says("is an address, not a domain", hint))
}

fn domain_pattern(entry: &str) -> Option<Explanation> {
    if !entry.contains('*') {
        return None;
    }
    if entry == "*" || entry == "*." {
        let hint = "leave both fields empty to authorize every sender";
        return Some(says("would mean every domain", hint));
    }
    if entry.strip_prefix("*.").and_then(domain_to_ascii).is_some() {
        let hint = "name the domain: `example.com`, or `*.example.com` for what is below it";
        return Some(says("would mean a whole top-level domain", hint));
    }
    let hint = "only `*.` at the beginning is understood: `*.example.com`";
    Some(says("has a `*` in a place where it means nothing", hint))
}

fn unusable_domain(entry: &str) -> Explanation {
    let bare = entry.trim_matches(|character| matches!(character, '.' | '<' | '>' | '"' | '\''));
    let hint = match domain_to_ascii(bare) {
        Some(_) if entry.starts_with('.') => {
            let bare = shown(bare);
            format!("write `{bare}`, or `*.{bare}` for what is below it")
        }
        _ => write_domain(bare),
    };
    says("is not a domain", hint)
}

fn write_domain(candidate: &str) -> String {
    match domain_to_ascii(candidate) {
        Some(_) => format!("write `{}`", shown(candidate)),
        None => "write a domain as in `example.com`".to_owned(),
    }
}

fn sender_in_brackets(entry: &str) -> Option<Explanation> {
    let (before, rest) = entry.split_once('<')?;
    let inner = rest.split_once('>').map_or(rest, |(inner, _)| inner).trim();
    let problem = if before.trim().is_empty() {
        "has angle brackets"
    } else {
        "has a name before the address"
    };
    Some(says(problem, write_address(inner)))
}

fn sender_of_url(entry: &str) -> Option<Explanation> {
    let (scheme, rest) = entry.split_once(':')?;
    if !scheme.eq_ignore_ascii_case("mailto") {
        return None;
    }
    Some(says("is a URL, not an address", write_address(rest)))
}

fn sender_pattern(entry: &str) -> Option<Explanation> {
    let (local_part, domain) = entry.rsplit_once('@')?;
    if local_part.is_empty() || local_part == "*" {
        return Some(says("is not an address", move_to_domains(domain)));
    }
    if !entry.contains('*') {
        return None;
    }
    let hint = "write each address in full, or its domain in the authorized domains";
    Some(says("has a `*`, and addresses have no patterns", hint))
}

fn sender_without_at(entry: &str) -> Option<Explanation> {
    if entry.contains('@') {
        return None;
    }
    let bare = entry.strip_prefix("*.").unwrap_or(entry);
    let is_domain = bare.contains('.') && domain_to_ascii(bare).is_some();
    Some(if is_domain {
        says("is a domain, not an address", move_to_domains(entry))
    } else {
        says("is not an address: it has no `@`", write_address(""))
    })
}

fn unusable_sender(entry: &str) -> Explanation {
    let domain = entry.rsplit('@').next().unwrap_or_default();
    if domain_to_ascii(domain).is_none() {
        let hint = "write an address as in `user@example.com`";
        return says("has no domain after its `@`", hint);
    }
    let hint = "write it as in `user@example.com`; anything unusual before the `@` needs quotes";
    says("is not an address", hint)
}

fn move_to_domains(domain: &str) -> String {
    format!("write `{}` in the authorized domains", shown(domain))
}

fn write_address(candidate: &str) -> String {
    match Address::parse(candidate) {
        Some(_) => format!("write `{}`", shown(candidate)),
        None => "write an address as in `user@example.com`".to_owned(),
    }
}
