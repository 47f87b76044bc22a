//! The grammar of commands and their arguments (RFC 5321 §4.1.1).

use super::extensions::{MailParameters, RcptParameters, Recipient};
use super::mailbox::{Mailbox, MailboxProblem, check_domain, quoted_string_octets};
use super::parameters::Offer;
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
    Bdat,
    Rset,
    Noop,
    Vrfy,
    Help,
    Quit,
    /// Known, but never implemented: EXPN, ETRN, TURN and the like.
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
            "BDAT" => Self::Bdat,
            "RSET" => Self::Rset,
            "NOOP" => Self::Noop,
            "VRFY" => Self::Vrfy,
            "HELP" => Self::Help,
            "QUIT" => Self::Quit,
            "EXPN" | "BURL" | "ETRN" | "TURN" | "ATRN" | "SEND" | "SOML" | "SAML" => {
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
pub(super) fn mail_argument(
    argument: &str,
    offer: Offer,
) -> Result<(Option<Mailbox>, MailParameters), Reply> {
    const SYNTAX: &str = "Syntax: MAIL FROM:<address> [parameters]";
    let (path, parameters) = path(argument, "FROM:", SYNTAX)?;
    let parameters = MailParameters::parse(parameters, offer);
    // A bad address is told before a bad parameter, by what can be read of both.
    let is_international = parameters.as_ref().is_ok_and(|known| known.smtputf8);
    let reverse_path = match path {
        "" => None,
        _ => Some(mailbox(path, (5, 1, 7), is_international)?),
    };
    Ok((reverse_path, parameters?))
}

/// Reads `TO:<forward-path> [parameters]`.
///
/// # Errors
/// The reply that refuses the command.
pub(super) fn rcpt_argument(argument: &str, is_international: bool) -> Result<Recipient, Reply> {
    const SYNTAX: &str = "Syntax: RCPT TO:<address> [parameters]";
    let (path, parameters) = path(argument, "TO:", SYNTAX)?;
    if path.is_empty() {
        return Err(Reply::new(501, (5, 1, 3), SYNTAX));
    }
    Ok(Recipient {
        mailbox: mailbox(path, (5, 1, 3), is_international)?,
        parameters: RcptParameters::parse(parameters, is_international)?,
    })
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

fn mailbox(text: &str, enhanced: (u8, u16, u16), is_international: bool) -> Result<Mailbox, Reply> {
    let mailbox = if is_international {
        Mailbox::parse_utf8(text)
    } else {
        text.parse()
    };
    mailbox.map_err(|error| match error.problem() {
            // RFC 6531 §3.5
            MailboxProblem::NotAscii => {
                let text = "The address is not US-ASCII: say SMTPUTF8 with MAIL, or write the domain as A-labels";
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

#[cfg(test)]
mod tests {
    use super::*;

    const OFFER: Offer = Offer {
        encrypted: false,
        hold: None,
    };

    #[test]
    fn verbs_are_read_whatever_their_case_and_trailing_space() {
        let cases: [(&[u8], Verb, &str); 14] = [
            (b"EHLO a", Verb::Ehlo, "a"),
            (b"ehlo  a ", Verb::Ehlo, "a"),
            (b"Helo [192.0.2.1]", Verb::Helo, "[192.0.2.1]"),
            (b"QUIT", Verb::Quit, ""),
            (b"quit \t ", Verb::Quit, ""),
            (b"MAIL FROM:<a@b> SIZE=1", Verb::Mail, "FROM:<a@b> SIZE=1"),
            (b"MAIL\tFROM:<a@b>", Verb::Unknown, ""),
            (b"MAILFROM:<a@b>", Verb::Unknown, ""),
            (b" NOOP", Verb::Unknown, "NOOP"),
            (b"", Verb::Unknown, ""),
            (b"\xff\xfe", Verb::Unknown, ""),
            (b"BDAT 5 LAST", Verb::Bdat, "5 LAST"),
            (b"EXPN list", Verb::NotImplemented, "list"),
            (b"POST / HTTP/1.1", Verb::Http, "/ HTTP/1.1"),
        ];
        for (line, verb, argument) in cases {
            assert_eq!(Command::parse(line), Command { verb, argument }, "{line:?}");
        }
    }

    #[test]
    fn a_client_may_call_itself_what_is_harmless_in_a_header() {
        let cases = [
            ("client.example.com", Some("client.example.com")),
            ("my_pc", Some("my_pc")),
            ("-", Some("-")),
            ("[192.0.2.1]", Some("[192.0.2.1]")),
            ("[IPv6:2001:db8::1]", Some("[IPv6:2001:db8::1]")),
            ("b\u{fc}ro-pc", Some("b?ro-pc")),
            ("", None),
            ("two words", None),
            ("a(b)", None),
            ("a;b", None),
            ("<a>", None),
            ("a\u{7f}", None),
            ("a\u{85}", None),
        ];
        for (argument, expected) in cases {
            assert_eq!(
                helo_argument("EHLO", argument).ok().as_deref(),
                expected,
                "{argument:?}"
            );
        }
        assert!(helo_argument("EHLO", &"a".repeat(255)).is_ok());
        assert!(helo_argument("EHLO", &"a".repeat(256)).is_err());
    }

    #[test]
    fn reverse_paths_are_read() {
        let cases = [
            ("FROM:<a@example.com>", "a@example.com"),
            ("from:<a@example.com>", "a@example.com"),
            ("FROM: <a@example.com>", "a@example.com"),
            ("FROM:   <a@example.com>  SIZE=5", "a@example.com"),
            ("FROM:<>", ""),
            ("FROM:<> BODY=8BITMIME", ""),
            (
                "FROM:<@a.example,@b.example:c@example.com>",
                "c@example.com",
            ),
            ("FROM:<\"a > b\"@example.com>", "\"a > b\"@example.com"),
            (
                "FROM:<\"a\\\" > b\"@example.com> SIZE=5",
                "\"a\\\" > b\"@example.com",
            ),
            ("FROM:<a@example.com.>", "a@example.com"),
        ];
        for (argument, expected) in cases {
            let (reverse_path, _) = mail_argument(argument, OFFER).expect(argument);
            let text = reverse_path.map_or(String::new(), |mailbox| mailbox.to_string());
            assert_eq!(text, expected, "{argument}");
        }
    }

    #[test]
    fn malformed_reverse_paths_are_refused() {
        let cases = [
            ("", "501 5.5.2"),
            ("FROM", "501 5.5.2"),
            ("FROM:", "501 5.5.2"),
            ("TO:<a@example.com>", "501 5.5.2"),
            ("FROM <a@example.com>", "501 5.5.2"),
            ("FROM :<a@example.com>", "501 5.5.2"),
            ("FROM:a@example.com", "501 5.5.2"),
            ("FROM:<a@example.com", "501 5.5.2"),
            ("FROM:a@example.com>", "501 5.5.2"),
            ("FROM:Name <a@example.com>", "501 5.5.2"),
            ("FROM:<a@example.com>SIZE=5", "501 5.5.2"),
            ("FROM:<a@example.com>>", "501 5.5.2"),
            ("FROM:<\"a>@example.com>", "501 5.5.2"),
            ("FROM:<@a.example>", "501 5.5.2"),
            ("FROM:<@a.example,b:c@example.com>", "501 5.5.2"),
            ("FROM:<@:c@example.com>", "501 5.5.2"),
            ("FROM:<a@example.com>\tSIZE=5", "501 5.5.2"),
            ("FROM:< a@example.com>", "501 5.1.7"),
            ("FROM:<a@example.com >", "501 5.1.7"),
            ("FROM:<<a@example.com>>", "501 5.5.2"),
            ("FROM:<a b@example.com>", "501 5.1.7"),
            ("FROM:<a@b@example.com>", "501 5.1.7"),
            ("FROM:<a@exam\u{1}ple.com>", "501 5.1.7"),
            ("FROM:<a>", "550 5.1.7"),
            ("FROM:<\u{e9}@example.com>", "553 5.6.7"),
            ("FROM:<\u{e9}", "501 5.5.2"),
            ("FRO\u{e9}:<a@b>", "501 5.5.2"),
            ("FROM:<a@example.com> X-OTHER", "555 5.5.4"),
            ("FROM:<a@example.com> SIZE=x", "501 5.5.4"),
        ];
        for (argument, expected) in cases {
            let reply = mail_argument(argument, OFFER).expect_err(argument);
            assert!(
                reply.to_string().starts_with(expected),
                "{argument}: {reply}"
            );
        }
    }

    #[test]
    fn forward_paths_are_read_or_refused() {
        assert_eq!(
            rcpt_argument("TO:<a@example.com>", false).map(|m| m.mailbox.to_string()),
            Ok("a@example.com".to_owned())
        );
        assert_eq!(
            rcpt_argument("to: <a@[192.0.2.1]>", false).map(|m| m.mailbox.to_string()),
            Ok("a@[192.0.2.1]".to_owned())
        );
        let cases = [
            ("FROM:<a@example.com>", "501 5.5.2"),
            ("TO:a@example.com", "501 5.5.2"),
            ("TO:<>", "501 5.1.3"),
            (
                "TO:<postmaster>",
                "550 5.1.3 The address needs a domain: <postmaster@example.com>",
            ),
            ("TO:<a..b@example.com>", "501 5.1.3"),
            ("TO:<a@example.com> SIZE=5", "555 5.5.4"),
            ("TO:<a@example.com> =", "501 5.5.4"),
        ];
        for (argument, expected) in cases {
            let reply = rcpt_argument(argument, false).expect_err(argument);
            assert!(
                reply.to_string().starts_with(expected),
                "{argument}: {reply}"
            );
        }
    }
}
