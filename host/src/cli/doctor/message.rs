//! Tries the envelope, and on request a whole message, and explains what the policies said.

use super::dialogue::{Reply, Trouble};
use super::finding::Finding;
use super::visit::Encrypted;
use crate::clock::Timestamp;
use crate::id::{QueueId, session_id};
use crate::message::format_date;
use crate::smtp::Mailbox;

/// Who writes to whom, and whether a message is really sent.
#[derive(Clone, Debug)]
pub struct Letter {
    /// The sender, in the envelope and in the From field.
    pub from: Mailbox,
    /// The recipient.
    pub to: Mailbox,
    /// What is done with it.
    pub extent: Extent,
}

/// How far a letter goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// The envelope is tried and withdrawn.
    Envelope,
    /// A test message is sent.
    Message,
}

/// What came of a letter.
#[derive(Debug)]
pub struct Sent {
    /// What was found.
    pub findings: Vec<Finding>,
    /// The message's queue id, when it was accepted and the relay told it.
    pub id: Option<QueueId>,
}

/// A step of the transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Mail,
    Recipient,
    Data,
    Content,
}

/// Carries the letter as far as it is to go.
pub async fn send(dialogue: &mut Encrypted, letter: &Letter, user: &str) -> Sent {
    let mut sent = Sent {
        findings: Vec::new(),
        id: None,
    };
    if let Err(finding) = envelope(dialogue, letter, user).await {
        let _ = dialogue.say("RSET").await;
        sent.findings.push(finding);
        return sent;
    }
    let detail = format!("{} may begin a message to {}", letter.from, letter.to);
    match letter.extent {
        Extent::Envelope => {
            let _ = dialogue.say("RSET").await;
            let fix = "the From field is checked when a message is sent: add --send";
            sent.findings.push(Finding::ok("sender", detail).fix(fix));
        }
        Extent::Message => {
            sent.findings.push(Finding::ok("sender", detail));
            match content(dialogue, letter, user).await {
                Ok(reply) => {
                    sent.id = queue_id(&reply);
                    sent.findings.push(Finding::ok("message", reply.text()));
                }
                Err(finding) => sent.findings.push(finding),
            }
        }
    }
    sent
}

async fn envelope(dialogue: &mut Encrypted, letter: &Letter, user: &str) -> Result<(), Finding> {
    let (from, to) = (&letter.from, &letter.to);
    let reply = dialogue.say(&format!("MAIL FROM:<{from}>")).await;
    judge(Step::Mail, reply, letter, user)?;
    let reply = dialogue.say(&format!("RCPT TO:<{to}>")).await;
    judge(Step::Recipient, reply, letter, user)?;
    Ok(())
}

async fn content(dialogue: &mut Encrypted, letter: &Letter, user: &str) -> Result<Reply, Finding> {
    let reply = dialogue.say("DATA").await;
    judge(Step::Data, reply, letter, user)?;
    let text = text(letter, Timestamp::now());
    let reply = dialogue.content(&text).await;
    judge(Step::Content, reply, letter, user)
}

/// A message that says what it is; no line begins with a dot.
fn text(letter: &Letter, now: Timestamp) -> String {
    let (from, to) = (&letter.from, &letter.to);
    format!(
        "From: {from}\r\nTo: {to}\r\nSubject: gatepost doctor: a test message\r\n\
         Date: {}\r\nMessage-ID: <doctor.{}@{}>\r\nAuto-Submitted: auto-generated\r\n\
         MIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n\
         This message was sent by `gatepost doctor --send` to see whether mail gets through.\r\n\
         It did.\r\n",
        format_date(now),
        session_id(),
        from.domain().trim_matches(['[', ']']).replace(':', "-"),
    )
}

/// The id in `250 2.0.0 queued as <id>`.
fn queue_id(reply: &Reply) -> Option<QueueId> {
    let text = reply.text();
    let (_, id) = text.split_once("queued as ")?;
    id.split_whitespace().next()?.parse().ok()
}

fn judge(
    step: Step,
    reply: Result<Reply, Trouble>,
    letter: &Letter,
    user: &str,
) -> Result<Reply, Finding> {
    let check = match step {
        Step::Mail | Step::Recipient => "sender",
        Step::Data | Step::Content => "message",
    };
    let reply = reply.map_err(|trouble| {
        Finding::failed(check, format!("no reply: {trouble}"))
            .fix("see the relay's log; wait longer with --timeout-s 60")
    })?;
    if reply.is_positive() {
        return Ok(reply);
    }
    Err(Finding::failed(check, reply.text()).fix(advice(step, &reply, letter, user)))
}

fn advice(step: Step, reply: &Reply, letter: &Letter, user: &str) -> String {
    let text = reply.text();
    match reply.code {
        421 | 451 | 452 => {
            "it is only for now: see the relay's log and `gatepost alert list`, and try again"
                .to_owned()
        }
        530 => "log in first: --user NAME".to_owned(),
        552 => "raise smtp.max-message-octets, or send less".to_owned(),
        _ if step == Step::Recipient => {
            format!("check the address {}; see the relay's log", letter.to)
        }
        _ if text.contains(" 5.7.") || step == Step::Mail => format!(
            "`gatepost user show {user}` says what is authorized; to authorize it: \
             gatepost user edit {user} --authorized-senders \"{from}\" (or --authorized-domains \"{domain}\"); \
             or name another sender with --from",
            from = letter.from,
            domain = letter.from.domain(),
        ),
        _ => "see the relay's log and `gatepost alert list`".to_owned(),
    }
}

/// What is found when there is no sender to try.
pub fn without_sender() -> Finding {
    Finding::skipped("sender", "no sender was given")
        .fix("gatepost doctor --user NAME --from ADDRESS; with --send a test message is sent too")
}

/// What is found when nobody is logged in.
pub fn without_login() -> Finding {
    Finding::skipped("sender", "nobody is logged in").fix("mend or give the account first")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter() -> Letter {
        Letter {
            from: "anna@example.com".parse().expect("an address"),
            to: "bob@example.org".parse().expect("an address"),
            extent: Extent::Message,
        }
    }

    fn reply(code: u16, text: &str) -> Reply {
        Reply {
            code,
            lines: vec![text.to_owned()],
        }
    }

    #[test]
    fn each_refusal_says_what_to_type() {
        let cases = [
            (
                Step::Mail,
                reply(550, "5.7.1 no"),
                "gatepost user edit s1_1 --authorized-senders \"anna@example.com\"",
            ),
            (
                Step::Content,
                reply(550, "5.7.1 no"),
                "--authorized-domains \"example.com\"",
            ),
            (
                Step::Content,
                reply(550, "5.6.0 two From fields"),
                "alert list",
            ),
            (Step::Recipient, reply(550, "5.1.1 who?"), "bob@example.org"),
            (
                Step::Content,
                reply(451, "4.7.1 policy failed"),
                "alert list",
            ),
            (Step::Data, reply(421, "4.3.2 stopping"), "try again"),
            (Step::Mail, reply(530, "5.7.0 who are you?"), "--user"),
        ];
        for (step, reply, words) in cases {
            let shown = reply.text();
            let finding = judge(step, Ok(reply), &letter(), "s1_1").expect_err("refused");
            assert!(finding.fix.contains(words), "{shown}: {}", finding.fix);
            assert_eq!(finding.detail, shown);
        }
    }

    #[test]
    fn the_queue_id_is_found_in_the_reply() {
        let id = crate::id::QueueIds::new().next();
        let with = reply(250, &format!("2.0.0 queued as {id}"));
        assert_eq!(queue_id(&with), Some(id));
        assert_eq!(queue_id(&reply(250, "2.0.0 Ok: queued as 4bX")), None);
        assert_eq!(queue_id(&reply(250, "2.0.0 thanks")), None);
    }

    #[test]
    fn the_test_message_has_what_a_message_needs_and_no_dots_to_stuff() {
        let text = text(&letter(), Timestamp::from_millis(0));
        for field in [
            "From: anna@example.com\r\n",
            "To: bob@example.org\r\n",
            "Date: Thu, 1 Jan 1970 00:00:00 +0000\r\n",
            "\r\nMessage-ID: <doctor.",
            "@example.com>\r\n",
        ] {
            assert!(text.contains(field), "{field} in {text}");
        }
        assert!(text.ends_with("\r\n") && !text.contains("\r\n."));
        assert!(text.is_ascii());
    }
}
