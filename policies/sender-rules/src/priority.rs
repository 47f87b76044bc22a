//! Decides how urgent a message is.

use crate::bindings::gatepost::policy::types::Priority;

/// The priority a message is queued with.
///
/// It is the more urgent of the user's default and what the message asks for; a message that asks
/// for nothing gets the default, also when that is low. `decided` is the effective priority so far:
/// `normal` for the first policy of a chain, and then no opinion. Anything else was set by an
/// earlier policy, and is not undone: raised, it is a third voice among which the most urgent
/// counts; lowered, it stands.
pub fn effective(default: Priority, requested: Option<Priority>, decided: Priority) -> Priority {
    let own = more_urgent(default, requested.unwrap_or(default));
    match decided {
        Priority::Normal => own,
        Priority::Highest | Priority::High => more_urgent(own, decided),
        Priority::Low | Priority::Lowest => decided,
    }
}

fn more_urgent(a: Priority, b: Priority) -> Priority {
    if (a as u8) <= (b as u8) { a } else { b }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Priority::{High, Highest, Low, Lowest, Normal};

    #[test]
    fn the_more_urgent_of_the_users_and_the_messages_counts() {
        let cases = [
            (Normal, Some(Highest), Highest),
            (Normal, Some(High), High),
            (Normal, Some(Normal), Normal),
            (Normal, Some(Low), Normal),
            (Normal, Some(Lowest), Normal),
            (Highest, Some(Lowest), Highest),
            (Highest, Some(Normal), Highest),
            (High, Some(Highest), Highest),
            (Low, Some(Normal), Normal),
            (Low, Some(Lowest), Low),
            (Lowest, Some(Low), Low),
            (Lowest, Some(Lowest), Lowest),
        ];
        for (default, requested, expected) in cases {
            let effective = effective(default, requested, Normal);
            assert_eq!(effective, expected, "{default:?} {requested:?}");
        }
    }

    #[test]
    fn a_message_that_asks_for_nothing_gets_the_users_default() {
        for default in [Highest, High, Normal, Low, Lowest] {
            assert_eq!(effective(default, None, Normal), default);
        }
    }

    #[test]
    fn what_an_earlier_policy_decided_is_not_undone() {
        let cases = [
            (Normal, None, Highest, Highest),
            (Low, None, High, High),
            (Low, Some(Highest), High, Highest),
            (Highest, None, High, Highest),
            (Normal, None, Low, Low),
            (Highest, Some(Highest), Low, Low),
            (Lowest, None, Low, Low),
            (Low, None, Lowest, Lowest),
        ];
        for (default, requested, decided, expected) in cases {
            let effective = effective(default, requested, decided);
            assert_eq!(effective, expected, "{default:?} {requested:?} {decided:?}");
        }
    }
}
