//! Reads the priority a client asks for from the four header fields in use.

use super::field::FieldKind;

/// The priority a field asks for, 1 (highest) to 5 (lowest); none when its value says nothing valid.
pub(super) fn of_field(kind: FieldKind, value: &str) -> Option<u8> {
    let value = value.trim_start();
    match kind {
        FieldKind::XPriority => leading_number(value).or_else(|| x_priority(leading_word(value))),
        FieldKind::XMsMailPriority | FieldKind::Importance => importance(leading_word(value)),
        FieldKind::Priority => rfc_2156(leading_word(value)),
        _ => None,
    }
}

/// `1`, `1 (Highest)`.
fn leading_number(value: &str) -> Option<u8> {
    let digits = value
        .find(|character: char| !character.is_ascii_digit())
        .map_or(value, |end| &value[..end]);
    digits
        .parse()
        .ok()
        .filter(|number| (1..=5).contains(number))
}

/// Through the last letter or hyphen.
fn leading_word(value: &str) -> &str {
    value
        .find(|character: char| !character.is_alphanumeric() && character != '-')
        .map_or(value, |end| &value[..end])
}

fn x_priority(word: &str) -> Option<u8> {
    let names = ["highest", "high", "normal", "low", "lowest"];
    choose(word, &names.map(Some))
}

fn importance(word: &str) -> Option<u8> {
    choose(word, &[None, Some("high"), Some("normal"), Some("low")])
}

/// RFC 2156 §2.2 (`Priority: normal / non-urgent / urgent`).
fn rfc_2156(word: &str) -> Option<u8> {
    choose(
        word,
        &[None, Some("urgent"), Some("normal"), Some("non-urgent")],
    )
}

/// The place of a word among the names for 1, 2 and so on.
fn choose(word: &str, names: &[Option<&str>]) -> Option<u8> {
    (1..)
        .zip(names)
        .find(|(_, name)| name.is_some_and(|name| name.eq_ignore_ascii_case(word)))
        .map(|(number, _)| number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_field_has_its_own_words() {
        use FieldKind::{Importance, Priority, XMsMailPriority, XPriority};
        let cases = [
            (XPriority, "1", Some(1)),
            (XPriority, "1 (Highest)", Some(1)),
            (XPriority, "2 (High)", Some(2)),
            (XPriority, "3", Some(3)),
            (XPriority, "4", Some(4)),
            (XPriority, "5 (Lowest)", Some(5)),
            (XPriority, "01", Some(1)),
            (XPriority, "Highest", Some(1)),
            (XPriority, "HIGH", Some(2)),
            (XPriority, "normal", Some(3)),
            (XPriority, "low", Some(4)),
            (XPriority, "Lowest", Some(5)),
            (XPriority, "high (really)", Some(2)),
            (XPriority, "0", None),
            (XPriority, "6", None),
            (XPriority, "10", None),
            (XPriority, "-1", None),
            (XPriority, "999999999999999999999", None),
            (XPriority, "", None),
            (XPriority, "urgent", None),
            (XPriority, "highlight", None),
            (XPriority, "\u{661}", None),
            (XMsMailPriority, "High", Some(2)),
            (XMsMailPriority, "Normal", Some(3)),
            (XMsMailPriority, "Low", Some(4)),
            (XMsMailPriority, "Highest", None),
            (XMsMailPriority, "1", None),
            (Importance, "high", Some(2)),
            (Importance, "HIGH", Some(2)),
            (Importance, "normal", Some(3)),
            (Importance, "low", Some(4)),
            (Importance, "urgent", None),
            (Importance, "highest", None),
            (Importance, "high-ish", None),
            (Priority, "urgent", Some(2)),
            (Priority, "Urgent", Some(2)),
            (Priority, "normal", Some(3)),
            (Priority, "non-urgent", Some(4)),
            (Priority, "Non-Urgent (later)", Some(4)),
            (Priority, "non", None),
            (Priority, "high", None),
            (Priority, "1", None),
            (FieldKind::Subject, "1", None),
        ];
        for (kind, value, expected) in cases {
            assert_eq!(of_field(kind, value), expected, "{kind:?}: {value:?}");
        }
    }
}
