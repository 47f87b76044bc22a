//! A program that sends mail, as it is started: the settings and the message go in by environment.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::desk::{Desk, HOST, Security, TO};

/// This folder.
pub const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/interop");
/// The folder of the recipes.
pub const RECIPES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/clients");
/// Seconds that a client may take; a desktop program starts slowly on a busy machine.
const LIMIT_S: &str = "120";

/// A client under test.
pub struct Client {
    /// What it is called in output.
    pub name: &'static str,
    /// Programs (looked up in PATH) and files (with a slash) that it consists of; `tests/interop/needs` installs them.
    pub needs: &'static [&'static str],
    /// The command that sends one message.
    pub command: fn() -> Command,
    /// What its user sees of a refused sender, beside the server's own words.
    pub refused: &'static [&'static str],
    /// What its user sees of a wrong password.
    pub wrong_password: &'static [&'static str],
}

/// What a client is asked to send.
#[derive(Clone, Debug)]
pub struct Mail {
    pub from: &'static str,
    pub subject: &'static str,
    pub text: &'static str,
    pub attachment: Option<PathBuf>,
    pub is_urgent: bool,
}

/// How a client is asked to connect.
#[derive(Clone, Copy)]
pub struct Login<'a> {
    pub security: Security,
    /// `plain` or `login`; empty leaves it to the client. Some cannot be asked.
    pub mechanism: &'a str,
    pub password: &'a str,
}

/// What the user saw.
#[derive(Debug)]
pub struct Shown {
    pub code: Option<i32>,
    pub text: String,
}

impl Client {
    /// What of the client is missing on this machine.
    fn missing(&self) -> Option<&'static str> {
        self.needs.iter().copied().find(|need| !is_there(need))
    }

    /// True when the client is installed. Under `CI` it must be; elsewhere it is said that nothing was tested.
    ///
    /// # Panics
    /// When it is missing under `CI`.
    pub fn is_installed(&self) -> bool {
        let Some(missing) = self.missing() else {
            return true;
        };
        let said = format!(
            "{}: NOT TESTED, {missing} is missing\nhint: run tests/interop/run, which installs it",
            self.name
        );
        assert!(std::env::var_os("CI").is_none(), "{said}");
        // Past the capture of the test harness, so that it is seen although the test passes.
        let _ = writeln!(std::io::stderr(), "{said}");
        false
    }

    /// Sends a message and waits for the client's end.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn send(&self, desk: &Desk, login: Login<'_>, mail: &Mail) -> Shown {
        let recipe = (self.command)();
        let mut command = Command::new("timeout");
        command.args(["--kill-after=5", LIMIT_S]);
        command.arg(recipe.get_program()).args(recipe.get_args());
        command.envs(
            recipe
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
        settings(&mut command, desk, login);
        message(&mut command, mail);
        let output = command
            .current_dir(desk.relay.folder())
            .stdin(Stdio::null())
            .output()
            .expect("coreutils has timeout");
        let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.push_str(&String::from_utf8_lossy(&output.stderr));
        println!(
            "--- {}, {:?} {}, from {} ---\n{text}",
            self.name, login.security, login.mechanism, mail.from
        );
        Shown {
            code: output.status.code(),
            text,
        }
    }
}

/// A recipe with the program that runs it.
pub fn recipe(program: &str, file: &str) -> Command {
    let mut command = Command::new(program);
    command.arg(format!("{RECIPES}/{file}"));
    command
}

fn settings(command: &mut Command, desk: &Desk, login: Login<'_>) {
    let security = match login.security {
        Security::Starttls => "starttls",
        Security::Implicit => "tls",
    };
    command
        .env("SMTP_HOST", HOST)
        .env("SMTP_PORT", desk.port(login.security).to_string())
        .env("SMTP_SECURITY", security)
        .env("SMTP_USER", &desk.user.username)
        .env("SMTP_PASSWORD", login.password)
        .env("SMTP_AUTH", login.mechanism)
        // A home of its own: no ~/.curlrc or ~/.msmtprc of whoever runs the tests takes part.
        .env("HOME", desk.relay.folder());
    for trust in ["SSL_CERT_FILE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"] {
        command.env(trust, desk.certificate());
    }
}

fn message(command: &mut Command, mail: &Mail) {
    command
        .env("MAIL_FROM", mail.from)
        .env("MAIL_TO", TO)
        .env("MAIL_SUBJECT", mail.subject)
        .env("MAIL_TEXT", mail.text)
        .env("MAIL_URGENT", if mail.is_urgent { "1" } else { "" });
    let attachment = mail.attachment.as_deref();
    command.env("MAIL_ATTACHMENT", attachment.unwrap_or(Path::new("")));
}

/// True when a program, or a file with a slash in its name, is there.
pub fn is_there(need: &str) -> bool {
    if need.contains('/') {
        return Path::new(need).exists();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(need).is_file())
}
