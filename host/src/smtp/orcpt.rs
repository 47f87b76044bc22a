//! The ORCPT parameter of RCPT (RFC 3461 §4.2), also with addresses beyond US-ASCII (RFC 6533 §3).

use std::borrow::Cow;
use std::fmt::Write as _;
use std::str::FromStr;

use super::extensions::ParseParameterError;
use super::xtext;

/// RFC 3461 §4.2: octets of ORCPT.
const MAX_ORCPT_OCTETS: usize = 500;
/// RFC 6533 §3: the address type whose addresses may go beyond US-ASCII.
const UTF8_TYPE: &str = "utf-8";

/// The address a sender knows a recipient by: `addr-type;address`, at most 500 octets.
///
/// The address is xtext; for the type `utf-8` it is what RFC 6533 calls `utf-8-addr-xtext`, or, with
/// SMTPUTF8, `utf-8-addr-unitext`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginalRecipient(Box<str>);

impl OriginalRecipient {
    /// As it stands in a parameter; where it goes beyond US-ASCII, only with SMTPUTF8.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As it stands in a parameter without SMTPUTF8; none when that is longer than a parameter may be.
    pub fn in_ascii(&self) -> Option<Cow<'_, str>> {
        if self.0.is_ascii() {
            return Some(Cow::Borrowed(&self.0));
        }
        let mut ascii = String::new();
        for character in self.0.chars() {
            if character.is_ascii() {
                ascii.push(character);
            } else {
                let _ = write!(ascii, "\\x{{{:X}}}", u32::from(character));
            }
        }
        (ascii.len() <= MAX_ORCPT_OCTETS).then_some(Cow::Owned(ascii))
    }

    /// What kind of address it is, for example `rfc822` or `utf-8`.
    pub fn address_type(&self) -> &str {
        self.0.split_once(';').map_or("", |(kind, _)| kind)
    }

    /// The address as people write it, without control characters: for fields of a notice.
    pub fn decoded(&self) -> String {
        let (kind, address) = self.0.split_once(';').unwrap_or_default();
        let decoded = xtext::decode(address);
        if kind.eq_ignore_ascii_case(UTF8_TYPE) {
            unembedded(&decoded)
        } else {
            decoded
        }
    }
}

impl FromStr for OriginalRecipient {
    type Err = ParseParameterError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_valid = text.len() <= MAX_ORCPT_OCTETS
            && text.split_once(';').is_some_and(|(kind, address)| {
                is_atom(kind) && !address.is_empty() && is_address(kind, address)
            });
        let malformed =
            ParseParameterError("ORCPT must be type;address in xtext, at most 500 characters");
        is_valid.then(|| Self(text.into())).ok_or(malformed)
    }
}

/// RFC 3461 §4.2: `addr-type = atom`
fn is_atom(text: &str) -> bool {
    let is_atext =
        |octet: u8| octet.is_ascii_alphanumeric() || b"!#$%&'*-/?^_`{|}~".contains(&octet);
    !text.is_empty() && text.bytes().all(is_atext)
}

fn is_address(kind: &str, address: &str) -> bool {
    if !kind.eq_ignore_ascii_case(UTF8_TYPE) {
        return xtext::is_valid(address);
    }
    // What is beyond US-ASCII stands for itself, like any letter; for the rest the rules of xtext hold,
    // which also let through the hexchars of those who treat every type alike.
    let like_ascii: String = address
        .chars()
        .map(|character| if character.is_ascii() { character } else { 'x' })
        .collect();
    xtext::is_valid(&like_ascii)
        && !address.contains(char::is_control)
        && is_embedded(&xtext::decode(address))
}

/// RFC 6533 §3: a backslash stands at the beginning of an `EmbeddedUnicodeChar` alone.
fn is_embedded(text: &str) -> bool {
    text.split('\\')
        .skip(1)
        .all(|part| embedded(part).is_some())
}

/// The address with the characters that are embedded in it.
fn unembedded(text: &str) -> String {
    let mut parts = text.split('\\');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (character, rest) = embedded(part).unwrap_or(('?', part));
        plain.push(character);
        plain.push_str(rest);
    }
    plain
}

/// Reads `x{HEXPOINT}`: the character, and what follows. In US-ASCII only what QCHAR leaves out
/// needs it, and of control characters none is an address's.
fn embedded(text: &str) -> Option<(char, &str)> {
    let (digits, rest) = text.strip_prefix("x{")?.split_once('}')?;
    let is_hexadecimal = digits.bytes().all(|octet| octet.is_ascii_hexdigit());
    if !is_hexadecimal || !(2..=6).contains(&digits.len()) {
        return None;
    }
    let character = char::from_u32(u32::from_str_radix(digits, 16).ok()?)?;
    let may_be = matches!(character, ' ' | '+' | '=' | '\\')
        || (!character.is_ascii() && !character.is_control());
    may_be.then_some((character, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<OriginalRecipient> {
        text.parse().ok()
    }

    #[test]
    fn an_address_is_decoded_by_its_type() {
        for (text, decoded) in [
            ("rfc822;a+2Bb@example.com", "a+b@example.com"),
            ("rfc822;\\x{FC}", "\\x{FC}"),
            ("utf-8;m\\x{FC}ller@b.example", "müller@b.example"),
            ("UTF-8;m+5Cx{FC}ller@b.example", "müller@b.example"),
            ("utf-8;\\x{7528}\\x{6237}@b.example", "用户@b.example"),
            (
                "utf-8;bob\\x{2B}tag\\x{3D}\\x{5C}@b.example",
                "bob+tag=\\@b.example",
            ),
            ("utf-8;用户@bücher.example", "用户@bücher.example"),
            ("utf-8;\\x{1F600}@b.example", "😀@b.example"),
        ] {
            let known = read(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(known.decoded(), decoded);
            assert_eq!(known.as_str(), text);
        }
    }

    #[test]
    fn what_follows_no_grammar_is_refused() {
        for text in [
            "",
            "rfc822",
            "rfc822;",
            ";a@b",
            "rfc 822;a",
            "rfc822;a+2",
            "rfc822;ü@b",
            "utf-8;",
            "utf-8;a=b",
            "utf-8;a+b@c",
            "utf-8;a\\b",
            "utf-8;\\x{}",
            "utf-8;\\x{41}",
            "utf-8;\\x{0A}",
            "utf-8;\\x{85}",
            "utf-8;\\x{D800}",
            "utf-8;\\x{110000}",
            "utf-8;\\x{+FC}",
            "utf-8;\\x{FC",
            "utf-8;a+5Cx{41}",
            "utf-8;a\u{85}b",
            "utf-8;a+ü2B",
            &format!("x;{}", "y".repeat(499)),
            &format!("utf-8;{}", "ü".repeat(248)),
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn without_smtputf8_characters_are_embedded() {
        let known = read("utf-8;用户\\x{2B}1@bücher.example").expect("unitext");
        let ascii = known.in_ascii().expect("it is short");
        assert_eq!(
            ascii,
            "utf-8;\\x{7528}\\x{6237}\\x{2B}1@b\\x{FC}cher.example"
        );
        assert_eq!(
            read(&ascii).map(|same| same.decoded()),
            Some(known.decoded())
        );
        let long = read(&format!("utf-8;{}", "ü".repeat(100))).expect("unitext");
        assert_eq!(long.in_ascii(), None);
    }
}
