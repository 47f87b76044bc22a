//! Reads what stands encoded in ENVID and ORCPT (RFC 3461 §4, RFC 6533 §3).

/// The text that an xtext stands for; what is not well encoded is shown as it is.
pub(super) fn decoded(xtext: &str) -> String {
    let octets = xtext.as_bytes();
    let mut plain = Vec::with_capacity(octets.len());
    let mut place = 0;
    while let Some(&octet) = octets.get(place) {
        let hex = octets.get(place + 1..place + 3).filter(|_| octet == b'+');
        match hex.and_then(hex_octet) {
            Some(decoded) => {
                plain.push(decoded);
                place += 3;
            }
            None => {
                plain.push(octet);
                place += 1;
            }
        }
    }
    String::from_utf8_lossy(&plain).into_owned()
}

fn hex_octet(digits: &[u8]) -> Option<u8> {
    let digits = std::str::from_utf8(digits).ok()?;
    let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_hex.then(|| u8::from_str_radix(digits, 16).ok())?
}

/// The address that an ORCPT stands for, as `type; address`.
pub(super) fn original_recipient(orcpt: &str) -> String {
    let (kind, address) = orcpt.split_once(';').unwrap_or(("rfc822", orcpt));
    let address = decoded(address);
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
    fn xtext_is_decoded_and_the_rest_stays() {
        for (xtext, plain) in [
            ("QQ314159", "QQ314159"),
            ("a+2Bb+3Dc", "a+b=c"),
            ("a+", "a+"),
            ("a+2", "a+2"),
            ("a+ZZ", "a+ZZ"),
            ("a+-1", "a+-1"),
        ] {
            assert_eq!(decoded(xtext), plain);
        }
    }

    #[test]
    fn an_original_recipient_has_its_type_and_its_characters() {
        for (orcpt, plain) in [
            ("rfc822;Bob+2Btag@b.example", "rfc822; Bob+tag@b.example"),
            ("utf-8;m\\x{FC}ller@b.example", "utf-8; müller@b.example"),
            ("UTF-8;m+5Cx{FC}ller@b.example", "UTF-8; müller@b.example"),
            ("utf-8;\\x{110000}\\x{41", "utf-8; \\x{110000}\\x{41"),
            ("rfc822;\\x{FC}", "rfc822; \\x{FC}"),
            ("bob", "rfc822; bob"),
        ] {
            assert_eq!(original_recipient(orcpt), plain);
        }
    }
}
