//! Logs in, and explains what the reply means. Passwords leave under TLS alone.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::dialogue::{Reply, Trouble};
use super::finding::Finding;
use super::visit::Encrypted;
use crate::secret::Secret;

const CHECK: &str = "auth";

/// What a client logs in with.
#[derive(Debug)]
pub struct Account {
    /// The user name.
    pub user: String,
    /// The password.
    pub password: Secret<String>,
}

/// How the doctor logs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mechanism {
    Plain,
    Login,
}

impl Mechanism {
    const fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
        }
    }
}

/// Logs in with what the server offers.
pub async fn log_in(dialogue: &mut Encrypted, hello: &Reply, account: &Account) -> Finding {
    let offered = hello.extension("AUTH").unwrap_or_default();
    let Some(mechanism) = choose(offered) else {
        let detail = format!("the server offers `{offered}`, the doctor knows PLAIN and LOGIN");
        return Finding::skipped(CHECK, detail).fix("log in with a mail client instead");
    };
    let reply = match mechanism {
        Mechanism::Plain => plain(dialogue, account).await,
        Mechanism::Login => login(dialogue, account).await,
    };
    judge(offered, mechanism.name(), &account.user, &reply)
}

fn choose(offered: &str) -> Option<Mechanism> {
    [Mechanism::Plain, Mechanism::Login]
        .into_iter()
        .find(|mechanism| {
            offered
                .split_whitespace()
                .any(|name| name.eq_ignore_ascii_case(mechanism.name()))
        })
}

/// RFC 4616 §2, with an initial response (RFC 4954 §4).
async fn plain(dialogue: &mut Encrypted, account: &Account) -> Result<Reply, Trouble> {
    let message = format!("\0{}\0{}", account.user, account.password.expose());
    let response = Secret::new(STANDARD.encode(message));
    dialogue.say_secret("AUTH PLAIN ", &response).await
}

async fn login(dialogue: &mut Encrypted, account: &Account) -> Result<Reply, Trouble> {
    let mut reply = dialogue.say("AUTH LOGIN").await?;
    for answer in [&account.user, account.password.expose()] {
        if reply.code != 334 {
            return Ok(reply);
        }
        let answer = Secret::new(STANDARD.encode(answer));
        reply = dialogue.say_secret("", &answer).await?;
    }
    Ok(reply)
}

/// What the reply to AUTH means.
fn judge(offered: &str, with: &str, user: &str, reply: &Result<Reply, Trouble>) -> Finding {
    let reply = match reply {
        Ok(reply) => reply,
        Err(trouble) => {
            return Finding::failed(CHECK, format!("no reply to AUTH: {trouble}"))
                .fix("see the relay's log; wait longer with --timeout-s 60");
        }
    };
    let text = reply.text();
    match reply.code {
        235 => Finding::ok(
            CHECK,
            format!("logged in as {user} with {with} (offered: {offered})"),
        ),
        535 if text.contains("not active") => {
            Finding::failed(CHECK, text).fix(format!("gatepost user edit {user} --active true"))
        }
        535 => Finding::failed(CHECK, text).fix(format!(
            "`gatepost user show {user}` says whether the user exists; a new password: \
             gatepost user reset-password {user}"
        )),
        454 => Finding::failed(CHECK, text)
            .fix("the relay cannot verify passwords now: try again in a minute, and see its log"),
        421 => Finding::failed(CHECK, text)
            .fix("the relay closes the session: wait a minute, and see its log for why"),
        530 | 538 => Finding::failed(CHECK, text)
            .fix("the relay takes passwords under TLS alone: use a port with TLS"),
        _ => Finding::failed(CHECK, text).fix("see the relay's log"),
    }
}

/// What is found when there is nothing to log in with.
pub fn without_account(user: Option<&str>) -> Finding {
    match user {
        None => Finding::skipped(CHECK, "no account was given").fix(
            "gatepost doctor --user NAME, with its password in GATEPOST_PASSWORD or typed when asked; \
             `gatepost user add` makes an account",
        ),
        Some(user) => Finding::failed(CHECK, format!("there is no password for {user}"))
            .fix("set GATEPOST_PASSWORD, or pipe the password to --password-stdin"),
    }
}

/// What is found when no port is fit for a password.
pub fn without_port() -> Finding {
    Finding::skipped(CHECK, "the password was not sent: no port has TLS that can be trusted").fix(
        "mend what failed above; a certificate that only your clients trust is named with --ca-file FILE",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::finding::Verdict;

    #[test]
    fn plain_is_chosen_before_login_and_nothing_else_is() {
        let cases = [
            ("SCRAM-SHA-256 LOGIN PLAIN", Some(Mechanism::Plain)),
            ("login", Some(Mechanism::Login)),
            ("PLAINTEXT XOAUTH2", None),
            ("", None),
        ];
        for (offered, expected) in cases {
            assert_eq!(choose(offered), expected, "{offered}");
        }
    }

    #[test]
    fn each_reply_to_auth_says_what_to_type() {
        let cases = [
            (235, "2.7.0 ok", Verdict::Ok, ""),
            (
                535,
                "5.7.8 authentication credentials invalid",
                Verdict::Failed,
                "gatepost user reset-password s1_1",
            ),
            (
                535,
                "5.7.8 account s1_1 is not active; ask your administrator",
                Verdict::Failed,
                "gatepost user edit s1_1 --active true",
            ),
            (454, "4.7.0 later", Verdict::Failed, "a minute"),
            (421, "4.7.0 too many", Verdict::Failed, "closes"),
            (538, "5.7.11 encryption", Verdict::Failed, "TLS"),
            (500, "what?", Verdict::Failed, "log"),
        ];
        for (code, text, result, fix) in cases {
            let reply = Reply {
                code,
                lines: vec![text.to_owned()],
            };
            let finding = judge("PLAIN", "PLAIN", "s1_1", &Ok(reply));
            assert_eq!(finding.result, result, "{code}");
            assert!(finding.fix.contains(fix), "{code}: {}", finding.fix);
        }
    }

    #[test]
    fn without_a_password_the_doctor_says_how_to_give_one() {
        assert_eq!(without_account(None).result, Verdict::Skipped);
        let missing = without_account(Some("s1_1"));
        assert_eq!(missing.result, Verdict::Failed);
        assert!(missing.fix.contains("GATEPOST_PASSWORD"));
    }
}
