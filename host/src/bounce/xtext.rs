//! Writes an ORCPT for people: what it stands for, as far as it can be shown.

use crate::smtp::OriginalRecipient;

/// The address as `type; address`, with its characters where it is one beyond US-ASCII.
pub(super) fn original_recipient(orcpt: &OriginalRecipient) -> String {
    let (kind, address) = (orcpt.address_type(), orcpt.decoded());
    if kind.eq_ignore_ascii_case("utf-8") {
        format!("{kind}; {}", embedded(&address))
    } else {
        format!("{kind}; {address}")
    }
}

/// RFC 6533 §3: `\x{HEX}` stands for a character.
fn embedded(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("\\x{") {
        let (before, coded) = rest.split_at(start);
        plain.push_str(before);
        match code_point(&coded[3..]) {
            Some((character, after)) => {
                plain.push(character);
                rest = after;
            }
            None => {
                plain.push_str(&coded[..3]);
                rest = &coded[3..];
            }
        }
    }
    plain.push_str(rest);
    plain
}

fn code_point(text: &str) -> Option<(char, &str)> {
    let (digits, after) = text.split_once('}')?;
    let code = u32::from_str_radix(digits, 16).ok()?;
    Some((char::from_u32(code)?, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_original_recipient_has_its_type_and_its_characters() {
        for (orcpt, plain) in [
            ("rfc822;Bob+2Btag@b.example", "rfc822; Bob+tag@b.example"),
            ("utf-8;m\\x{FC}ller@b.example", "utf-8; müller@b.example"),
            ("UTF-8;m+5Cx{FC}ller@b.example", "UTF-8; müller@b.example"),
            ("utf-8;\\x{110000}\\x{41", "utf-8; \\x{110000}\\x{41"),
            ("rfc822;\\x{FC}", "rfc822; \\x{FC}"),
        ] {
            let given: OriginalRecipient = orcpt.parse().expect("xtext");
            assert_eq!(original_recipient(&given), plain);
        }
    }
}
