//! Taking in goes before sending: while more mail comes in than the store writes at once, less urgent mail is sent more
//! slowly than it comes in, and catches up afterwards. Pure.
//!
//! What is sent costs the store as much as what comes in, and clients wait for the one alone. How urgent a message is
//! is known when it is in, so urgent mail gains by it too.

/// Of so many messages that come in...
const TAKEN_IN: u32 = 8;
/// ...this many go out at the same time. Default 1 of 8: enough to see that a destination takes mail.
const SENT: u32 = 1;
/// Messages for which what is allowed adds up; more that come in at once allow no more.
const MOST: u32 = 64;

/// How much less urgent mail may be sent in a rush.
#[derive(Debug, Default)]
pub(super) struct Precedence {
    /// In parts of a message, of which it takes [`TAKEN_IN`] to send one.
    credit: u32,
}

impl Precedence {
    /// Entries came in during a rush.
    pub(super) fn taken_in(&mut self, entries: usize) {
        let entries = u32::try_from(entries).unwrap_or(MOST).min(MOST);
        self.credit = (self.credit + entries * SENT).min(MOST * TAKEN_IN);
    }

    /// True when one more may be sent.
    pub(super) const fn allows_one(&self) -> bool {
        self.credit >= TAKEN_IN
    }

    /// One was sent.
    pub(super) const fn sent(&mut self) {
        self.credit = self.credit.saturating_sub(TAKEN_IN);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many go out now.
    fn all_sent(precedence: &mut Precedence) -> usize {
        let send = || precedence.allows_one().then(|| precedence.sent());
        std::iter::from_fn(send).count()
    }

    #[test]
    fn one_goes_out_for_eight_that_come_in() {
        let mut precedence = Precedence::default();
        assert!(!precedence.allows_one());
        let mut sent = 0;
        for _ in 0..800 {
            precedence.taken_in(1);
            sent += all_sent(&mut precedence);
        }
        assert_eq!(sent, 100);
    }

    #[test]
    fn what_came_in_long_ago_does_not_go_out_at_once() {
        let mut precedence = Precedence::default();
        precedence.taken_in(1_000_000);
        assert_eq!(all_sent(&mut precedence), 8);
        precedence.sent();
        assert!(!precedence.allows_one());
    }
}
