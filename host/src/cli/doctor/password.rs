//! Where the password comes from: stdin, the environment or the terminal, never an argument.

use std::io::{self, BufRead, IsTerminal};

use anyhow::Context;

use crate::cli::Failure;
use crate::secret::Secret;

/// The variable that holds the password.
const VARIABLE: &str = "GATEPOST_PASSWORD";
/// Octets of a password that are read. Default 4 KiB, more than AUTH takes.
const MAX_PASSWORD_OCTETS: u64 = 4096;

/// Which sources may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The first line of standard input.
    Stdin,
    /// The environment, else the terminal.
    Usual,
}

/// The password for `user`; none when there is nowhere to take it from.
pub fn password(source: Source, user: &str) -> Result<Option<Secret<String>>, Failure> {
    let found = match source {
        Source::Stdin => Some(first_line(io::stdin().lock()).context("cannot read stdin")?),
        Source::Usual => match std::env::var(VARIABLE) {
            Ok(password) => Some(password),
            Err(_) => ask(user)?,
        },
    };
    Ok(found
        .filter(|password| !password.is_empty())
        .map(Secret::new))
}

fn ask(user: &str) -> Result<Option<String>, Failure> {
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        return Ok(None);
    }
    let prompt = format!("Password of {}: ", super::finding::harmless(user));
    let typed = rpassword::prompt_password(prompt).context("cannot ask for the password")?;
    Ok(Some(typed))
}

fn first_line(input: impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    input.take(MAX_PASSWORD_OCTETS).read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_the_password_without_its_end() {
        let cases = [
            ("secret\n", "secret"),
            (" s p \r\nmore\n", " s p "),
            ("", ""),
        ];
        for (input, expected) in cases {
            assert_eq!(first_line(input.as_bytes()).expect("readable"), expected);
        }
        let long = "x".repeat(10_000);
        let read = first_line(long.as_bytes()).expect("readable");
        assert_eq!(read.len(), MAX_PASSWORD_OCTETS as usize);
    }
}
