//! What each command does in each state (RFC 5321 §4.1.4: the order of commands).

use std::mem;

use bytes::BytesMut;

use super::auth::{self, MECHANISMS, Progress};
use super::command::{self, Command, Verb};
use super::config::AuthPolicy;
use super::content::ContentScanner;
use super::extensions::Recipient;
use super::reply::Reply;
use super::session::{Session, Step};
use super::state::{Client, Envelope, Stage, State};

impl<U> Session<U> {
    /// Takes a line: a command or a response to a challenge.
    pub(super) fn line(&mut self, line: &[u8]) -> Option<Step> {
        match mem::take(&mut self.state) {
            State::Exchanging(client, exchange) => self.progress(client, exchange.respond(line)),
            other => {
                self.state = other;
                self.command(Command::parse(line))
            }
        }
    }

    /// Takes a line that cannot be read; it ends a SASL exchange.
    pub(super) fn defective_line(&mut self, reply: &Reply) -> Option<Step> {
        self.state = match mem::take(&mut self.state) {
            State::Exchanging(client, _) => State::Anonymous(Some(client)),
            other => other,
        };
        self.refuse(reply)
    }

    /// Counts a refused login; the one too many ends the session.
    pub(super) fn login_failed(&mut self, reply: &Reply) {
        if !reply.is_transient() {
            self.counters.failed_logins += 1;
        }
        if self.counters.failed_logins >= self.config.max_failed_logins {
            self.close(&Reply::new(421, (4, 7, 0), "Too many failed logins"));
        } else {
            self.reply(reply);
        }
    }

    fn command(&mut self, Command { verb, argument }: Command<'_>) -> Option<Step> {
        self.counters.commands += 1;
        if self.counters.commands > self.config.max_commands() {
            let text = "Too many commands without a message";
            return self.hang_up(&Reply::new(421, (4, 7, 0), text));
        }
        if self.config.require_tls && !self.encrypted && !is_allowed_before_tls(verb) {
            let text = "Must issue a STARTTLS command first";
            return self.refuse(&Reply::new(530, (5, 7, 0), text));
        }
        match verb {
            Verb::Ehlo => self.ehlo(argument),
            Verb::Helo => self.helo_command(argument),
            Verb::StartTls => self.start_tls(argument),
            Verb::Auth => self.auth(argument),
            Verb::Mail => self.mail(argument),
            Verb::Rcpt => self.rcpt(argument),
            Verb::Data => self.data(argument),
            Verb::Rset => self.rset(argument),
            Verb::Quit => self.quit(argument),
            Verb::Noop => self.answer(&Reply::new(250, (2, 0, 0), "Ok")),
            Verb::Vrfy => self.vrfy(argument),
            Verb::Help => self.answer(&help()),
            Verb::NotImplemented => {
                self.refuse(&Reply::new(502, (5, 5, 1), "Command not implemented"))
            }
            Verb::Unknown => self.refuse(&Reply::new(500, (5, 5, 2), "Command not known")),
            // A browser can be made to send a form here; nothing in it may be read as a command.
            Verb::Http => self.hang_up(&Reply::new(421, (4, 7, 0), "This is not a web server")),
        }
    }

    fn ehlo(&mut self, argument: &str) -> Option<Step> {
        let helo = match command::helo_argument("EHLO", argument) {
            Ok(helo) => helo,
            Err(reply) => return self.refuse(&reply),
        };
        self.greeted(Client {
            helo,
            is_esmtp: true,
        });
        self.answer(&self.capabilities())
    }

    fn helo_command(&mut self, argument: &str) -> Option<Step> {
        let helo = match command::helo_argument("HELO", argument) {
            Ok(helo) => helo,
            Err(reply) => return self.refuse(&reply),
        };
        self.greeted(Client {
            helo,
            is_esmtp: false,
        });
        self.answer(&Reply::bare(250, self.config.hostname.clone()))
    }

    fn greeted(&mut self, client: Client) {
        self.state = mem::take(&mut self.state).greeted(client);
    }

    fn capabilities(&self) -> Reply {
        let mut reply = Reply::bare(250, self.config.hostname.clone())
            .and("PIPELINING")
            .and(format!("SIZE {}", self.config.max_message_octets))
            .and("8BITMIME");
        if self.config.starttls && !self.encrypted {
            reply = reply.and("STARTTLS");
        }
        if self.is_auth_permitted() && self.user().is_none() {
            reply = reply.and(format!("AUTH {MECHANISMS}"));
        }
        reply.and("ENHANCEDSTATUSCODES")
    }

    fn is_auth_permitted(&self) -> bool {
        self.encrypted || (self.config.auth == AuthPolicy::Always && !self.config.require_tls)
    }

    fn start_tls(&mut self, argument: &str) -> Option<Step> {
        if let Err(reply) = command::no_argument("STARTTLS", argument) {
            return self.refuse(&reply);
        }
        if self.encrypted {
            return self.out_of_sequence("TLS is already active");
        }
        if !self.config.starttls {
            return self.refuse(&Reply::new(502, (5, 5, 1), "STARTTLS is not offered here"));
        }
        self.reply(&Reply::new(220, (2, 0, 0), "Ready to start TLS"));
        // What was pipelined behind STARTTLS may be an attacker's, and would be taken for
        // something said under TLS.
        self.input = BytesMut::new();
        self.framer.reset();
        self.state = State::Handshaking;
        Some(Step::StartTls)
    }

    fn auth(&mut self, argument: &str) -> Option<Step> {
        match mem::take(&mut self.state) {
            State::Anonymous(Some(client)) if self.is_auth_permitted() => {
                self.progress(client, auth::begin(argument))
            }
            other => {
                self.state = other;
                self.refuse_auth()
            }
        }
    }

    fn refuse_auth(&mut self) -> Option<Step> {
        if self.user().is_some() {
            return self.out_of_sequence("Already authenticated");
        }
        if self.state.client().is_none() {
            return self.out_of_sequence("Send EHLO first");
        }
        let text = if self.config.starttls {
            "Encryption required: issue STARTTLS first"
        } else {
            "Encryption required: use a port with TLS"
        };
        // RFC 4954 §6
        self.refuse(&Reply::new(538, (5, 7, 11), text))
    }

    fn progress(&mut self, client: Client, progress: Progress) -> Option<Step> {
        match progress {
            Progress::Challenge(exchange, challenge) => {
                self.state = State::Exchanging(client, exchange);
                self.answer(&challenge)
            }
            Progress::Complete(credentials) => {
                self.state = State::Authenticating(client);
                Some(Step::Authenticate(credentials))
            }
            Progress::Failed(reply) => {
                self.state = State::Anonymous(Some(client));
                self.refuse(&reply)
            }
        }
    }

    fn mail(&mut self, argument: &str) -> Option<Step> {
        match self.state {
            State::Submitting(_, Stage::Idle) => {}
            State::Submitting(..) => return self.out_of_sequence("Nested MAIL command"),
            _ => return self.refuse_mail_without_login(),
        }
        if self.counters.transactions >= self.config.max_transactions {
            let text = "Too many messages in one session; connect again";
            return self.hang_up(&Reply::new(421, (4, 7, 0), text));
        }
        if self.counters.recipients >= self.config.max_session_recipients {
            let text = "Too many recipients in one session; connect again";
            return self.hang_up(&Reply::new(421, (4, 7, 0), text));
        }
        let (reverse_path, parameters) = match command::mail_argument(argument) {
            Ok(mail) => mail,
            Err(reply) => return self.refuse(&reply),
        };
        // RFC 1870 §6.1
        let max_octets = self.config.max_message_octets;
        if parameters.size.is_some_and(|size| size > max_octets) {
            let text = format!("Message too large: at most {max_octets} octets are accepted");
            return self.answer(&Reply::new(552, (5, 3, 4), text));
        }
        self.set_stage(Stage::CheckingSender(Envelope {
            reverse_path: reverse_path.clone(),
            parameters: parameters.clone(),
            recipients: Vec::new(),
        }));
        Some(Step::CheckSender(reverse_path, parameters))
    }

    fn refuse_mail_without_login(&mut self) -> Option<Step> {
        if self.state.client().is_none() {
            return self.out_of_sequence("Send EHLO first");
        }
        // RFC 4954 §6
        self.refuse(&Reply::new(530, (5, 7, 0), "Authentication required"))
    }

    fn rcpt(&mut self, argument: &str) -> Option<Step> {
        let State::Submitting(_, Stage::Open(envelope)) = &self.state else {
            return self.out_of_sequence("Send MAIL first");
        };
        let recipient = match command::rcpt_argument(argument) {
            Ok(recipient) => recipient,
            Err(reply) => return self.refuse(&reply),
        };
        let mailbox = recipient.mailbox.clone();
        let is_same = |known: &Recipient| {
            let same_domain = known
                .mailbox
                .domain()
                .eq_ignore_ascii_case(mailbox.domain());
            same_domain && known.mailbox.local_part() == mailbox.local_part()
        };
        if envelope.recipients.iter().any(is_same) {
            return self.answer(&Self::recipient_ok());
        }
        // RFC 5321 §4.5.3.1.10
        if envelope.recipients.len() >= self.config.max_recipients {
            let text = format!(
                "Too many recipients: at most {} in one transaction",
                self.config.max_recipients
            );
            return self.answer(&Reply::new(452, (4, 5, 3), text));
        }
        if let Stage::Open(envelope) = self.take_stage() {
            self.set_stage(Stage::CheckingRecipient(envelope, recipient));
        }
        Some(Step::CheckRecipient(mailbox))
    }

    fn data(&mut self, argument: &str) -> Option<Step> {
        if let Err(reply) = command::no_argument("DATA", argument) {
            return self.refuse(&reply);
        }
        match self.take_stage() {
            Stage::Open(envelope) if !envelope.recipients.is_empty() => {
                let content = ContentScanner::new(&self.config);
                self.set_stage(Stage::Receiving(envelope, content));
                self.reply(&Reply::bare(354, "End data with <CR><LF>.<CR><LF>"));
                Some(Step::BeginContent)
            }
            Stage::Open(envelope) => {
                self.set_stage(Stage::Open(envelope));
                // RFC 2920 §3.1: pipelined behind RCPT commands that were all refused.
                self.answer(&Reply::new(554, (5, 5, 1), "No valid recipients"))
            }
            other => {
                self.set_stage(other);
                self.out_of_sequence("Send MAIL and RCPT first")
            }
        }
    }

    fn rset(&mut self, argument: &str) -> Option<Step> {
        if let Err(reply) = command::no_argument("RSET", argument) {
            return self.refuse(&reply);
        }
        self.set_stage(Stage::Idle);
        self.answer(&Reply::new(250, (2, 0, 0), "Ok"))
    }

    fn quit(&mut self, argument: &str) -> Option<Step> {
        if let Err(reply) = command::no_argument("QUIT", argument) {
            return self.refuse(&reply);
        }
        self.hang_up(&Reply::new(221, (2, 0, 0), "Bye"))
    }

    fn vrfy(&mut self, argument: &str) -> Option<Step> {
        if argument.is_empty() {
            return self.refuse(&Reply::new(501, (5, 5, 4), "Syntax: VRFY address"));
        }
        // RFC 5321 §3.5.3: neither confirmed nor denied.
        let text = "Cannot verify the address, but will try to deliver to it";
        self.answer(&Reply::new(252, (2, 5, 2), text))
    }

    fn answer(&mut self, reply: &Reply) -> Option<Step> {
        self.reply(reply);
        None
    }

    fn hang_up(&mut self, reply: &Reply) -> Option<Step> {
        self.close(reply);
        None
    }

    fn out_of_sequence(&mut self, text: &'static str) -> Option<Step> {
        self.refuse(&Reply::new(503, (5, 5, 1), text))
    }

    /// Refuses a command that no correct client sends; the one too many ends the session.
    fn refuse(&mut self, reply: &Reply) -> Option<Step> {
        self.counters.bad_commands += 1;
        if self.counters.bad_commands > self.config.max_bad_commands {
            return self.hang_up(&Reply::new(421, (4, 7, 0), "Too many bad commands"));
        }
        self.answer(reply)
    }
}

/// RFC 3207 §4: the commands that need no TLS where all others do.
fn is_allowed_before_tls(verb: Verb) -> bool {
    matches!(
        verb,
        Verb::Ehlo | Verb::Noop | Verb::StartTls | Verb::Quit | Verb::Http
    )
}

fn help() -> Reply {
    Reply::new(
        214,
        (2, 0, 0),
        "EHLO HELO STARTTLS AUTH MAIL RCPT DATA RSET NOOP VRFY HELP QUIT",
    )
    .and("Log in with AUTH, then MAIL FROM:<you>, RCPT TO:<them>, DATA (RFC 6409)")
}
