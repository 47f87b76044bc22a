//! What a password must be that a person chooses.

/// Characters at least: NIST SP 800-63B asks for 8, and for 15 where there is no second factor; 12 is
/// what people still accept, and guessing is slow here.
const MIN_CHARACTERS: usize = 12;
/// Octets at most, so that hashing one has a price with a limit.
const MAX_OCTETS: usize = 256;
/// Different characters at least: `aaaaaaaaaaaa` is no password.
const MIN_DISTINCT: usize = 5;

/// What is wrong with a chosen password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordProblem {
    /// It could be guessed.
    #[error("use {MIN_CHARACTERS} characters at least; a few words are easy to remember")]
    Short,
    /// It is longer than anybody types.
    #[error("use {MAX_OCTETS} octets at most")]
    Long,
    /// It repeats itself.
    #[error("use more than a few different characters")]
    Repetitive,
    /// It tells itself.
    #[error("do not use your name")]
    IsName,
}

/// Checks a password that `name` has chosen.
///
/// # Errors
/// Why it is none.
pub fn check_password(password: &str, name: &str) -> Result<(), PasswordProblem> {
    if password.chars().count() < MIN_CHARACTERS {
        return Err(PasswordProblem::Short);
    }
    if password.len() > MAX_OCTETS {
        return Err(PasswordProblem::Long);
    }
    let distinct: std::collections::HashSet<char> = password.chars().collect();
    if distinct.len() < MIN_DISTINCT {
        return Err(PasswordProblem::Repetitive);
    }
    if password.to_lowercase().trim() == name.to_lowercase() {
        return Err(PasswordProblem::IsName);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_long_varied_and_not_the_name() {
        assert_eq!(check_password("correct horse battery", "anna"), Ok(()));
        assert_eq!(
            check_password("elf letters", "anna"),
            Err(PasswordProblem::Short)
        );
        let long = "abcdefghij".repeat(26);
        assert_eq!(check_password(&long, "anna"), Err(PasswordProblem::Long));
        assert_eq!(
            check_password("aaaaaaaabbbbcc", "anna"),
            Err(PasswordProblem::Repetitive)
        );
        assert_eq!(
            check_password("Anna.Margarete", "anna.margarete"),
            Err(PasswordProblem::IsName)
        );
    }
}
