//! Reverse-paths that the policies have let pass at MAIL, so that they are not asked what they said.
//!
//! Only where every policy says that its answer depends on the user and the reverse-path alone
//! (`needs` of `wit/policy.wit`). The memory belongs to a user as it is now: with the next
//! change of an account it begins anew, and with the next policies as well.

use parking_lot::Mutex;

use crate::smtp::Mailbox;

/// Reverse-paths that are remembered of a user. Default 8: a program sends as one or a few.
const MAX_SENDERS: usize = 8;

/// The reverse-paths of one user that passed, by one set of policies.
#[derive(Debug, Default)]
pub struct KnownSenders(Mutex<Senders>);

#[derive(Debug, Default)]
struct Senders {
    /// The set that let them pass.
    generation: u64,
    /// None is the null reverse-path.
    senders: Vec<Option<Mailbox>>,
}

impl KnownSenders {
    /// Whether the policies of this generation have let `sender` pass.
    pub fn has(&self, generation: u64, sender: Option<&Mailbox>) -> bool {
        let known = self.0.lock();
        known.generation == generation && known.senders.iter().any(|one| one.as_ref() == sender)
    }

    /// Remembers that they did; the one that was remembered first is forgotten where there are many.
    pub fn add(&self, generation: u64, sender: Option<&Mailbox>) {
        let mut known = self.0.lock();
        if known.generation != generation {
            known.senders.clear();
            known.generation = generation;
        }
        if known.senders.len() >= MAX_SENDERS {
            known.senders.remove(0);
        }
        known.senders.push(sender.cloned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mailbox(number: usize) -> Mailbox {
        let text = format!("sender{number}@example.com");
        text.parse().expect("a mailbox")
    }

    #[test]
    fn what_passed_is_known_until_other_policies_decide() {
        let known = KnownSenders::default();
        let (one, other) = (mailbox(1), mailbox(2));
        assert!(!known.has(1, Some(&one)));
        known.add(1, Some(&one));
        assert!(known.has(1, Some(&one)));
        assert!(!known.has(1, Some(&other)) && !known.has(1, None));
        assert!(!known.has(2, Some(&one)));
        known.add(2, None);
        assert!(known.has(2, None));
        assert!(!known.has(2, Some(&one)) && !known.has(1, Some(&one)));
    }

    #[test]
    fn the_memory_is_bounded() {
        let known = KnownSenders::default();
        for number in 0..=MAX_SENDERS {
            known.add(1, Some(&mailbox(number)));
        }
        assert!(!known.has(1, Some(&mailbox(0))));
        assert!((1..=MAX_SENDERS).all(|number| known.has(1, Some(&mailbox(number)))));
    }
}
