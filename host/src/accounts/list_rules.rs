//! What a list may be called, and which identities it may have checked: the same wherever it is entered.

/// Octets of a list's name at most. Default 100.
const MAX_NAME_OCTETS: usize = 100;
/// The identities that a list may have checked, in the order in which they are written.
pub const IDENTITIES: [&str; 3] = ["from", "sender", "envelope"];

/// The text cannot be the name of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "use 1 to {MAX_NAME_OCTETS} characters without control characters, and no space at either end"
)]
pub struct ListNameProblem;

/// Checks a name before it is kept.
///
/// # Errors
/// When nobody could tell it from another, or type it.
pub fn check_list_name(name: &str) -> Result<(), ListNameProblem> {
    let is_usable = name.trim() == name
        && (1..=MAX_NAME_OCTETS).contains(&name.len())
        && !name.chars().any(char::is_control);
    if is_usable {
        Ok(())
    } else {
        Err(ListNameProblem)
    }
}

/// The first that is no identity.
pub fn unknown_identity<'a>(mut identities: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    identities.find(|identity| !IDENTITIES.contains(identity))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_and_can_be_typed() {
        for good in ["a", "Shop & Söhne", &"x".repeat(100)] {
            assert!(check_list_name(good).is_ok(), "{good}");
        }
        for bad in ["", " ", "a ", "a\tb", &"x".repeat(101)] {
            assert!(check_list_name(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_unknown_identity_is_found() {
        assert_eq!(unknown_identity(["from", "envelope"].into_iter()), None);
        let found = unknown_identity(["from", "reply-to"].into_iter());
        assert_eq!(found, Some("reply-to"));
    }
}
