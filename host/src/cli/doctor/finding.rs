//! What the doctor found: one line, and what to type or change.

use serde::Serialize;

/// Characters of a detail or a fix that are shown. Default 600, a few lines of a terminal; a peer may send more.
const MAX_SHOWN_CHARACTERS: usize = 600;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// Not made, and why.
    Skipped,
    /// It works, but not for everyone or not for long.
    Warning,
    /// A mail client would stop here.
    Failed,
}

impl Verdict {
    /// The word people and programs read.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Skipped => "skipped",
            Self::Warning => "warning",
            Self::Failed => "failed",
        }
    }
}

/// One check with its result. Texts from peers are harmless in it: they cannot move a terminal's cursor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was checked, for example `port 587`.
    pub check: String,
    /// How it ended.
    pub result: Verdict,
    /// What was seen.
    pub detail: String,
    /// What to type or change; empty when nothing is to be done.
    pub fix: String,
}

impl Finding {
    fn new(check: &str, result: Verdict, detail: &str) -> Self {
        Self {
            check: harmless(check),
            result,
            detail: harmless(detail),
            fix: String::new(),
        }
    }

    /// All is well.
    pub fn ok(check: impl AsRef<str>, detail: impl AsRef<str>) -> Self {
        Self::new(check.as_ref(), Verdict::Ok, detail.as_ref())
    }

    /// It was not checked.
    pub fn skipped(check: impl AsRef<str>, detail: impl AsRef<str>) -> Self {
        Self::new(check.as_ref(), Verdict::Skipped, detail.as_ref())
    }

    /// It works, but somebody should look.
    pub fn warning(check: impl AsRef<str>, detail: impl AsRef<str>) -> Self {
        Self::new(check.as_ref(), Verdict::Warning, detail.as_ref())
    }

    /// It does not work.
    pub fn failed(check: impl AsRef<str>, detail: impl AsRef<str>) -> Self {
        Self::new(check.as_ref(), Verdict::Failed, detail.as_ref())
    }

    /// True when all is well.
    pub fn is_ok(&self) -> bool {
        self.result == Verdict::Ok
    }

    /// Adds what to type or change.
    #[must_use]
    pub fn fix(mut self, fix: impl AsRef<str>) -> Self {
        self.fix = harmless(fix.as_ref());
        self
    }

    /// The same finding, no worse than a warning.
    #[must_use]
    pub fn softened(mut self) -> Self {
        self.result = self.result.min(Verdict::Warning);
        self
    }
}

/// Text for a terminal: no control characters, nothing that reverses its direction, and not without end.
pub fn harmless(text: &str) -> String {
    let mut characters = text.chars().map(|character| {
        if is_harmful(character) {
            ' '
        } else {
            character
        }
    });
    let mut shown: String = characters.by_ref().take(MAX_SHOWN_CHARACTERS).collect();
    if characters.next().is_some() {
        shown.push('…');
    }
    shown
}

fn is_harmful(character: char) -> bool {
    let reorders = matches!(
        character,
        '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    character.is_control() || reorders
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_peer_says_cannot_move_the_cursor_or_fill_the_screen() {
        let finding = Finding::failed("x", "a\x1b[2J\r\nb\u{202e}c\u{9b}d").fix("e\0f");
        assert_eq!(finding.detail, "a [2J  b c d");
        assert_eq!(finding.fix, "e f");
        let long = Finding::ok("x", "y".repeat(10_000));
        assert_eq!(long.detail.chars().count(), MAX_SHOWN_CHARACTERS + 1);
    }

    #[test]
    fn softening_spares_what_is_no_failure() {
        assert_eq!(Finding::failed("x", "").softened().result, Verdict::Warning);
        assert_eq!(
            Finding::skipped("x", "").softened().result,
            Verdict::Skipped
        );
    }
}
