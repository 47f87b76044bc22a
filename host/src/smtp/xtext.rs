//! The encoding xtext (RFC 3461 §4): printable US-ASCII in which `+` and two digits stand for an octet.

/// `xtext = *( xchar / hexchar )`, `hexchar` in upper case.
pub(super) fn is_valid(text: &str) -> bool {
    let is_xchar = |octet: u8| matches!(octet, b'!'..=b'~') && octet != b'=';
    let is_hex = |octet: u8| octet.is_ascii_digit() || matches!(octet, b'A'..=b'F');
    let mut parts = text.split('+');
    let is_plain = parts.next().unwrap_or_default().bytes().all(is_xchar);
    is_plain
        && parts.all(|part| {
            part.len() >= 2 && part.bytes().take(2).all(is_hex) && part.bytes().all(is_xchar)
        })
}

/// What it stands for. What is not printable becomes `?`, because it goes into the fields of a notice.
pub(super) fn decode(text: &str) -> String {
    let mut parts = text.split('+');
    let mut decoded = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (code, rest) = part.split_at_checked(2).unwrap_or((part, ""));
        let octet = u8::from_str_radix(code, 16).unwrap_or(b'?');
        decoded.push(if matches!(octet, b' '..=b'~') {
            octet.into()
        } else {
            '?'
        });
        decoded.push_str(rest);
    }
    decoded
}
