//! The grammar of commands and their arguments (RFC 5321 §4.1.1).

use super::mailbox::{Mailbox, MailboxProblem, check_domain, quoted_string_octets};
use super::parameters::{MailParameters, parse_rcpt};
use super::reply::Reply;

/// What a command asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Ehlo,
    Helo,
    StartTls,
    Auth,
    Mail,
    Rcpt,
    Data,
    Rset,
    Noop,
    Vrfy,
    Help,
    Quit,
    /// Known, but never implemented: EXPN, BDAT, ETRN, TURN and the like.
    NotImplemented,
    /// The request line of another protocol.
    Http,
    Unknown,
}

/// A line, taken apart at its first space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Command<'a> {
    pub verb: Verb,
    pub argument: &'a str,
}

impl<'a> Command<'a> {
    /// Takes a line apart. What is not UTF-8 is no command.
    pub(super) fn parse(line: &'a [u8]) -> Self {
        let Ok(line) = str::from_utf8(line) else {
            return Self {
                verb: Verb::Unknown,
                argument: "",
            };
        };
        // RFC 5321 §4.1.1: white space before the CRLF is tolerated.
        let line = line.trim_end_matches([' ', '\t']);
        let (verb, argument) = line.split_once(' ').unwrap_or((line, ""));
        Self {
            verb: Verb::parse(verb),
            argument: argument.trim_start_matches(' '),
        }
    }
}

impl Verb {
    fn parse(text: &str) -> Self {
        // RFC 5321 §2.4: verbs are not case sensitive.
        match text.to_ascii_uppercase().as_str() {
            "EHLO" => Self::Ehlo,
            "HELO" => Self::Helo,
            "STARTTLS" => Self::StartTls,
            "AUTH" => Self::Auth,
            "MAIL" => Self::Mail,
            "RCPT" => Self::Rcpt,
            "DATA" => Self::Data,
            "RSET" => Self::Rset,
            "NOOP" => Self::Noop,
            "VRFY" => Self::Vrfy,
            "HELP" => Self::Help,
            "QUIT" => Self::Quit,
            "EXPN" | "BDAT" | "BURL" | "ETRN" | "TURN" | "ATRN" | "SEND" | "SOML" | "SAML" => {
                Self::NotImplemented
            }
            "GET" | "POST" | "PUT" | "HEAD" | "OPTIONS" | "CONNECT" | "DELETE" | "PATCH"
            | "TRACE" | "PRI" => Self::Http,
            _ => Self::Unknown,
        }
    }
}

/// Reads the name a client gives itself, for use in a Received field.
///
/// RFC 5321 §4.1.4 forbids refusing mail for a name that is wrong, so anything is taken that is
/// one word and harmless in a header; what is not US-ASCII becomes `?`.
///
/// # Errors
/// `501 5.5.4`.
pub(super) fn helo_argument(verb: &str, argument: &str) -> Result<Box<str>, Reply> {
    let is_harmless = |character: char| {
        character.is_ascii_alphanumeric() || "-._:[]".contains(character) || is_foreign(character)
    };
    if !(1..=255).contains(&argument.len()) || !argument.chars().all(is_harmless) {
        return Err(Reply::new(
            501,
            (5, 5, 4),
            format!("Syntax: {verb} hostname"),
        ));
    }
    Ok(argument.replace(is_foreign, "?").into())
}

fn is_foreign(character: char) -> bool {
    !character.is_ascii() && !character.is_control()
}

/// Checks that a command has no argument.
///
/// # Errors
/// `501 5.5.4`.
pub(super) fn no_argument(verb: &str, argument: &str) -> Result<(), Reply> {
    if argument.is_empty() {
        return Ok(());
    }
    Err(Reply::new(
        501,
        (5, 5, 4),
        format!("Syntax: {verb} (no parameters)"),
    ))
}

/// Reads `FROM:<reverse-path> [parameters]`; `None` is the null reverse-path.
///
/// # Errors
/// The reply that refuses the command.
pub(super) fn mail_argument(argument: &str) -> Result<(Option<Mailbox>, MailParameters), Reply> {
    const SYNTAX: &str = "Syntax: MAIL FROM:<address> [parameters]";
    let (path, parameters) = path(argument, "FROM:", SYNTAX)?;
    let reverse_path = match path {
        "" => None,
        _ => Some(mailbox(path, (5, 1, 7))?),
    };
    Ok((reverse_path, MailParameters::parse(parameters)?))
}

/// Reads `TO:<forward-path> [parameters]`.
///
/// # Errors
/// The reply that refuses the command.
pub(super) fn rcpt_argument(argument: &str) -> Result<Mailbox, Reply> {
    const SYNTAX: &str = "Syntax: RCPT TO:<address> [parameters]";
    let (path, parameters) = path(argument, "TO:", SYNTAX)?;
    if path.is_empty() {
        return Err(Reply::new(501, (5, 1, 3), SYNTAX));
    }
    let forward_path = mailbox(path, (5, 1, 3))?;
    parse_rcpt(parameters)?;
    Ok(forward_path)
}

/// Takes `keyword <path> parameters` apart. Spaces before the path are common and harmless;
/// a path without angle brackets is not a path.
fn path<'a>(
    argument: &'a str,
    keyword: &str,
    syntax: &'static str,
) -> Result<(&'a str, &'a str), Reply> {
    let malformed = || Reply::new(501, (5, 5, 2), syntax);
    let has_keyword = argument
        .get(..keyword.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(keyword));
    if !has_keyword {
        return Err(malformed());
    }
    let inside = argument[keyword.len()..]
        .trim_start_matches(' ')
        .strip_prefix('<')
        .ok_or_else(malformed)?;
    let inside = without_source_route(inside).ok_or_else(malformed)?;
    let end = path_octets(inside).ok_or_else(malformed)?;
    let parameters = &inside[end + 1..];
    if !parameters.is_empty() && !parameters.starts_with(' ') {
        return Err(malformed());
    }
    Ok((&inside[..end], parameters))
}

/// RFC 5321 §4.1.2: `A-d-l ":"` must be accepted and should be ignored.
fn without_source_route(path: &str) -> Option<&str> {
    if !path.starts_with('@') {
        return Some(path);
    }
    let (route, mailbox) = path.split_once(':')?;
    route
        .split(',')
        .all(|hop| {
            hop.strip_prefix('@')
                .is_some_and(|domain| check_domain(domain).is_ok())
        })
        .then_some(mailbox)
}

/// Octets before the `>` that ends the path; one inside a quoted local-part does not.
fn path_octets(path: &str) -> Option<usize> {
    let quoted = if path.starts_with('"') {
        quoted_string_octets(path)?
    } else {
        0
    };
    path[quoted..].find('>').map(|octets| quoted + octets)
}

fn mailbox(text: &str, enhanced: (u8, u16, u16)) -> Result<Mailbox, Reply> {
    text.parse::<Mailbox>()
        .map_err(|error| match error.problem() {
            // RFC 6531 §3.5
            MailboxProblem::NotAscii => {
                let text =
                    "SMTPUTF8 is not offered: the address must be US-ASCII (domain as A-labels)";
                Reply::new(553, (5, 6, 7), text)
            }
            MailboxProblem::NoDomain => {
                let text =
                    format!("The address needs a domain: <{text}@example.com>, not <{text}>");
                Reply::new(550, enhanced, text)
            }
            problem => {
                let text = format!("Bad address: {problem}: <{text}>");
                Reply::new(501, enhanced, text)
            }
        })
}
