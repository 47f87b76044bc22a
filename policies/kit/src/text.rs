//! Makes text from outside fit to be shown: no control characters, no tricks, a known length.

/// Stands for what cannot be shown.
const REPLACEMENT: char = '?';
/// Marks a cut.
const CUT: &str = "...";

/// Printable ASCII of at most `max` octets, for an SMTP reply: RFC 6531 lets other characters into
/// replies only in some sessions.
pub fn ascii(text: &str, max: usize) -> String {
    shortened(text, max, |c| c.is_ascii_graphic() || c == ' ')
}

/// Printable text of at most `max` octets, for people at the control panel.
pub fn printable(text: &str, max: usize) -> String {
    shortened(text, max, |c| !c.is_control() && !is_invisible(c))
}

/// Characters that reorder or hide the text around them.
fn is_invisible(c: char) -> bool {
    matches!(
        u32::from(c),
        0xAD | 0x61C | 0x180E | 0x200B..=0x200F | 0x2028..=0x202E | 0x2060..=0x206F | 0xFEFF
            | 0xFFF9..=0xFFFB | 0xE0000..=0xE007F
    )
}

/// Replaces what `keep` refuses and cuts at a character boundary.
fn shortened(text: &str, max: usize, keep: impl Fn(char) -> bool) -> String {
    let mut shown = String::with_capacity(text.len().min(max));
    for c in text.chars() {
        shown.push(if keep(c) { c } else { REPLACEMENT });
        if shown.len() > max {
            let mut end = max.saturating_sub(CUT.len());
            while !shown.is_char_boundary(end) {
                end -= 1;
            }
            shown.truncate(end);
            shown.push_str(CUT);
            break;
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_gets_printable_ascii_only() {
        let cases = [
            ("bob@example.net", "bob@example.net"),
            ("a\r\n250 ok@x", "a??250 ok@x"),
            ("j\u{f6}rg@example.com", "j?rg@example.com"),
            ("\u{1b}[31m\0\u{7f}", "?[31m??"),
            ("", ""),
        ];
        for (text, shown) in cases {
            assert_eq!(ascii(text, 100), shown, "{text:?}");
        }
    }

    #[test]
    fn an_alert_keeps_letters_and_loses_tricks() {
        let cases = [
            ("j\u{f6}rg@example.com", "j\u{f6}rg@example.com"),
            ("a\u{202e}moc", "a?moc"),
            ("a\u{200b}b\u{feff}", "a?b?"),
            ("line\u{2028}break\r\n", "line?break??"),
        ];
        for (text, shown) in cases {
            assert_eq!(printable(text, 100), shown, "{text:?}");
        }
    }

    #[test]
    fn a_cut_is_marked_and_never_exceeds_the_limit() {
        let cases = [
            ("abcdefghij", 10, "abcdefghij"),
            ("abcdefghijk", 10, "abcdefg..."),
            (
                "\u{f6}\u{f6}\u{f6}\u{f6}\u{f6}\u{f6}",
                10,
                "\u{f6}\u{f6}\u{f6}...",
            ),
            ("\u{1f600}\u{1f600}\u{1f600}", 10, "\u{1f600}..."),
        ];
        for (text, max, shown) in cases {
            assert_eq!(printable(text, max), shown);
            assert!(shown.len() <= max);
        }
    }
}
