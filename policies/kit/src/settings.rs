//! Reads a settings document and says what is wrong with it, all of it at once.

use std::fmt::Write as _;
use std::ops::RangeInclusive;

use crate::json::{self, Kind, Value};
use crate::text;

/// Longest quotation of a wrong value, in octets.
pub const MAX_QUOTED: usize = 60;

/// Something that is wrong with the settings, as `lifecycle.problem` of the interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// JSON Pointer (RFC 6901) to the wrong value; empty is the whole document.
    pub path: String,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl Problem {
    /// A problem at this JSON Pointer.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            message: message.into(),
        }
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "settings{}: {}", self.path, self.message)
    }
}

/// Hands each member of the object in `document` to `member`, and returns what is wrong, in the order of
/// the document: members that are none of `names`, that stand twice, and what `member` adds.
///
/// `example` is shown to whoever wrote something else than an object.
pub fn read(
    document: &str,
    names: &[&str],
    example: &str,
    mut member: impl FnMut(&str, &Value, &mut Vec<Problem>),
) -> Vec<Problem> {
    let value = match json::read(document) {
        Ok(value) => value,
        Err(error) => return vec![Problem::new("", format!("not a JSON document: {error}"))],
    };
    let Kind::Object(members) = &value.kind else {
        let message = format!(
            "must be an object such as {example}, not {}",
            quoted(&value)
        );
        return vec![Problem::new("", message)];
    };
    let mut problems = Vec::new();
    for (index, (name, value)) in members.iter().enumerate() {
        if members[..index].iter().any(|(before, _)| before == name) {
            problems.push(Problem::new(pointer(name), "stands twice"));
        } else if names.contains(&name.as_str()) {
            member(name, value, &mut problems);
        } else {
            problems.push(unknown(name, names));
        }
    }
    problems
}

/// The settings, unless something is wrong with them.
///
/// # Errors
///
/// What is wrong.
pub fn unless_wrong<T>(settings: T, problems: Vec<Problem>) -> Result<T, Vec<Problem>> {
    if problems.is_empty() {
        Ok(settings)
    } else {
        Err(problems)
    }
}

/// What is wrong, as an error of an evaluation.
pub fn in_words(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect()
}

/// The whole number that `value` is; a problem at `/name` when it is none of `range`.
pub fn whole_number(
    name: &str,
    value: &Value,
    range: RangeInclusive<u64>,
    problems: &mut Vec<Problem>,
) -> Option<u64> {
    let number = value.as_u64().filter(|number| range.contains(number));
    if number.is_none() {
        let (least, most) = (range.start(), range.end());
        let message = format!(
            "must be a whole number from {least} to {most}, not {}",
            quoted(value)
        );
        problems.push(Problem::new(pointer(name), message));
    }
    number
}

/// What `value` means among `words`; a problem at `/name` when it is none of them.
pub fn one_of<T: Copy>(
    name: &str,
    value: &Value,
    words: &[(&str, T)],
    problems: &mut Vec<Problem>,
) -> Option<T> {
    let word = value.as_str();
    let found = words.iter().find(|(known, _)| Some(*known) == word);
    if found.is_none() {
        let known = words.iter().map(|(word, _)| format!("\"{word}\""));
        let message = format!("must be {}, not {}", listed(known, "or"), quoted(value));
        problems.push(Problem::new(pointer(name), message));
    }
    found.map(|(_, meaning)| *meaning)
}

/// What `parse` makes of the string `value`; a problem at `/name` when it is none of `expected`.
pub fn parsed<T>(
    name: &str,
    value: &Value,
    expected: &str,
    parse: impl Fn(&str) -> Option<T>,
    problems: &mut Vec<Problem>,
) -> Option<T> {
    let found = value.as_str().and_then(parse);
    if found.is_none() {
        let message = format!("must be {expected}, not {}", quoted(value));
        problems.push(Problem::new(pointer(name), message));
    }
    found
}

/// What `parse` makes of each string of the array `value`; a problem at `/name` when it is no array, at
/// `/name/0` and so on when an element is none of `expected` or repeats one before it.
pub fn list<T: PartialEq>(
    name: &str,
    value: &Value,
    expected: &str,
    parse: impl Fn(&str) -> Option<T>,
    problems: &mut Vec<Problem>,
) -> Vec<T> {
    let mut found = Vec::new();
    let Kind::Array(elements) = &value.kind else {
        let message = format!("must be an array, each {expected}, not {}", quoted(value));
        problems.push(Problem::new(pointer(name), message));
        return found;
    };
    for (index, element) in elements.iter().enumerate() {
        let message = match element.as_str().and_then(&parse) {
            Some(item) if found.contains(&item) => format!("repeats {}", quoted(element)),
            Some(item) => {
                found.push(item);
                continue;
            }
            None => format!("must be {expected}, not {}", quoted(element)),
        };
        let path = format!("{}/{index}", pointer(name));
        problems.push(Problem::new(path, message));
    }
    found
}

/// The value as it stands in the document, shortened.
pub fn quoted(value: &Value) -> String {
    text::ascii(value.text, MAX_QUOTED)
}

/// The JSON Pointer of a member of the document (RFC 6901 §3).
pub fn pointer(name: &str) -> String {
    let name = text::printable(name, MAX_QUOTED);
    format!("/{}", name.replace('~', "~0").replace('/', "~1"))
}

fn unknown(name: &str, names: &[&str]) -> Problem {
    let shown = text::ascii(name, MAX_QUOTED);
    let known = listed(names.iter().map(|name| format!("`{name}`")), "and");
    Problem::new(
        pointer(name),
        format!("`{shown}` is not a setting; the settings are {known}"),
    )
}

/// `a`, `a and b`, `a, b and c`.
fn listed(items: impl Iterator<Item = String>, last: &str) -> String {
    let mut list = String::new();
    let mut items = items.peekable();
    while let Some(item) = items.next() {
        let separator = match (list.is_empty(), items.peek()) {
            (true, _) => "",
            (false, Some(_)) => ", ",
            (false, None) => &format!(" {last} "),
        };
        let _written = write!(list, "{separator}{item}");
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(document: &str) -> Vec<Problem> {
        read(
            document,
            &["size", "mode", "since"],
            r#"{"size": 1}"#,
            |name, value, problems| match name {
                "size" => drop(whole_number(name, value, 1..=9, problems)),
                "mode" => drop(one_of(name, value, &[("on", 1), ("off", 0)], problems)),
                _ => {}
            },
        )
    }

    #[test]
    fn usable_documents_have_no_problems() {
        for document in [
            "{}",
            r#"{"size":1,"mode":"on","since":[]}"#,
            r#" {"size" : 9} "#,
        ] {
            assert_eq!(problems(document), [], "{document}");
        }
    }

    #[test]
    fn every_problem_is_told_in_the_order_of_the_document() {
        let document = r#"{"sise":1,"size":0,"mode":"maybe","mode":"on","a/b~":2}"#;
        let told: Vec<_> = problems(document).iter().map(ToString::to_string).collect();
        let expected = [
            "settings/sise: `sise` is not a setting; the settings are `size`, `mode` and `since`",
            "settings/size: must be a whole number from 1 to 9, not 0",
            "settings/mode: must be \"on\" or \"off\", not \"maybe\"",
            "settings/mode: stands twice",
            "settings/a~1b~0: `a/b~` is not a setting; the settings are `size`, `mode` and `since`",
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn a_number_is_a_whole_one_within_its_range() {
        for wrong in [
            "-1",
            "0",
            "10",
            "1.0",
            "1e0",
            "\"1\"",
            "null",
            "99999999999999999999",
        ] {
            assert_eq!(
                problems(&format!(r#"{{"size":{wrong}}}"#)).len(),
                1,
                "{wrong}"
            );
        }
    }

    #[test]
    fn the_elements_of_a_list_are_told_by_their_number() {
        let read = |document: &str| {
            let mut problems = Vec::new();
            let value = json::read(document).expect("JSON");
            let one_letter = |text: &str| (text.len() == 1).then(|| text.to_owned());
            let found = list("letters", &value, "one letter", one_letter, &mut problems);
            (found, problems)
        };
        assert_eq!(read(r#"["a","b"]"#).0, ["a", "b"]);
        let (found, problems) = read(r#"["a",1,"ab","a"]"#);
        let told: Vec<_> = problems.iter().map(ToString::to_string).collect();
        let expected = [
            "settings/letters/1: must be one letter, not 1",
            "settings/letters/2: must be one letter, not \"ab\"",
            "settings/letters/3: repeats \"a\"",
        ];
        assert_eq!(told, expected);
        assert_eq!(found, ["a"]);
        assert_eq!(read("1").1[0].path, "/letters");
    }

    #[test]
    fn what_is_no_object_is_told_with_an_example() {
        let cases = [
            (
                "[]",
                r#"settings: must be an object such as {"size": 1}, not []"#,
            ),
            (
                "{",
                "settings: not a JSON document: expected a name in double quotes at offset 1",
            ),
        ];
        for (document, expected) in cases {
            assert_eq!(problems(document)[0].to_string(), expected);
        }
    }
}
