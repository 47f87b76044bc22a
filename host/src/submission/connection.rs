//! One connection: drives the session's steps and answers what it asks.

use std::io;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tracing::{debug, warn};

use super::admission::Ticket;
use super::authenticate::Login;
use super::config::Config;
use super::logins;
use super::pace::{Awaited, Overdue, Pace};
use super::proxy;
use super::scram;
use super::stream::Stream;
use super::{Door, Shared};
use crate::clock::Timestamp;
use crate::guard::Origin;
use crate::id;
use crate::intake::{Asked, Panel, Peer, Principal, Rejection, Spool};
use crate::metrics;
use crate::smtp::{Mailbox, Reply, Session, Step, Transaction};

/// Octets read at once while commands are expected: a pipelined group fits.
const COMMAND_READ_OCTETS: usize = 4 * 1024;
/// Octets read at once when content begins: a usual message fits.
const FIRST_READ_OCTETS: usize = 16 * 1024;
/// Octets read at once while content arrives faster than we read.
const CONTENT_READ_OCTETS: usize = 64 * 1024;

/// How long a client that is turned away may take to hear it: the reply fits into any buffer.
const REFUSAL_TIME: Duration = Duration::from_secs(2);
/// Clients that are told at the same time why they are turned away. 1,000; others are cut.
pub(super) const MAX_REFUSALS: usize = 1000;

/// RFC 5321 §4.1.4: there is no RCPT and no content without a MAIL before it.
const BEGUN_BY_MAIL: &str = "a transaction begins with MAIL";

/// Serves one connection to its end.
pub async fn serve(
    shared: &Arc<Shared>,
    mut stream: TcpStream,
    socket: SocketAddr,
    server_port: u16,
    door: &Door,
) {
    let limits = shared.config();
    let wait = limits.handshake_timeout();
    let Some(client) = Box::pin(proxy::client(&mut stream, socket, door, shared, wait)).await
    else {
        return;
    };
    let _connection = metrics::connected();
    let session_id = id::session_id();
    let mut stream = Stream::Plain(stream);
    let ticket = match admit(shared, client, &limits) {
        Ok(ticket) => ticket,
        Err(reply) => return Box::pin(refuse(&mut stream, door, &reply, shared)).await,
    };
    if door.implicit_tls
        && let Some(acceptor) = &door.tls
    {
        match Box::pin(handshake(stream, acceptor, shared, wait)).await {
            Ok(encrypted) => stream = encrypted,
            Err(error) => return debug!(client = %client, %error, "TLS handshake failed"),
        }
    }
    let peer = Peer {
        session_id,
        client,
        server_port,
        helo: String::new(),
        is_esmtp: false,
        tls: stream.tls_parameters(),
        mechanism: "",
        messages: 0,
        max_hold: Duration::from_secs(door.session.max_hold_s),
    };
    debug!(session.id = peer.session_id, client = %client, port = server_port, "session opened");
    let session = Session::new(
        Arc::clone(&door.session),
        peer.tls.is_some(),
        Timestamp::now(),
    );
    let mut connection = Connection {
        shared,
        door,
        stream,
        session,
        peer,
        spool: None,
        policies: None,
        buffer: Vec::new(),
        is_outpaced: false,
        pace: Pace::new(&limits),
        limits,
        asked: shared.directory.ask(),
    };
    connection.bind_channel();
    let ended = connection.run().await;
    Box::pin(connection.end(ended)).await;
    drop(ticket);
}

/// A place for a client's connection, unless its address is blocked or there are too many.
fn admit(shared: &Shared, client: SocketAddr, limits: &Config) -> Result<Ticket, Reply> {
    let origin = Origin::of(client.ip());
    if let Some(left) = shared.guard.refuses(origin, Instant::now()) {
        debug!(%origin, "a connection from a blocked address is refused");
        return Err(logins::blocked(origin, left));
    }
    shared.admission.connection(origin, limits)
}

/// The server's part in a TLS handshake, which the shutdown ends: nothing can be said before its end.
async fn handshake(
    stream: Stream,
    acceptor: &TlsAcceptor,
    shared: &Shared,
    wait: Duration,
) -> io::Result<Stream> {
    tokio::select! {
        encrypted = stream.accept_tls(acceptor, wait) => encrypted,
        () = shared.shutdown.announced() => Err(io::Error::other("the relay is shutting down")),
    }
}

/// Says why there is no session; to few at a time, for those who are turned away hold no place.
async fn refuse(stream: &mut Stream, door: &Door, reply: &Reply, shared: &Shared) {
    let Ok(_permit) = shared.refusals.try_acquire() else {
        return;
    };
    // Before an implicit handshake there is nothing we could say.
    let mut octets = Vec::new();
    reply.encode(&mut octets);
    if !door.implicit_tls && stream.write(&octets, REFUSAL_TIME).await.is_ok() {
        stream.close(REFUSAL_TIME).await;
    }
}

/// Content goes where it is scanned, so many octets at a time; an idle session holds no buffer.
async fn read(
    stream: &mut Stream,
    buffer: &mut Vec<u8>,
    session: &mut Session<Login>,
    content: Option<usize>,
) -> io::Result<usize> {
    match content {
        Some(octets) => stream.append(session.room(octets)).await,
        None => stream.read_lazily(buffer, COMMAND_READ_OCTETS).await,
    }
}

struct Connection<'a> {
    shared: &'a Arc<Shared>,
    door: &'a Door,
    stream: Stream,
    session: Session<Login>,
    peer: Peer,
    spool: Option<Spool>,
    /// What decides the transaction, taken at its MAIL and kept until its final reply.
    policies: Option<Panel>,
    buffer: Vec<u8>,
    /// The last read filled the buffer: there is more than we asked for.
    is_outpaced: bool,
    pace: Pace,
    /// The limits when it began.
    limits: Arc<Config>,
    /// When the commands at hand arrived: the account must be no older than that.
    asked: Asked,
}

impl Connection<'_> {
    async fn run(&mut self) -> io::Result<()> {
        loop {
            let ended = match self.session.next_step() {
                Step::NeedInput => self.read().await?,
                step => self.take(step).await?,
            };
            if ended.is_break() {
                return Ok(());
            }
        }
    }

    /// What takes time is in a box of its own, so that a session that waits for its client holds no room for it.
    async fn take(&mut self, step: Step) -> io::Result<ControlFlow<()>> {
        match step {
            // `run` waits.
            Step::NeedInput => {}
            Step::StartTls => Box::pin(self.start_tls()).await?,
            Step::LookUpVerifier(username) => {
                let found = self
                    .shared
                    .look_up_verifier(&self.peer, self.asked, &username);
                let found = Box::pin(found).await;
                self.session.verifier_found(found);
            }
            Step::Authenticate(credentials) => {
                let login = self
                    .shared
                    .authenticate(&self.peer, self.asked, credentials);
                let login = Box::pin(login).await;
                self.authenticated(login);
            }
            Step::CheckSender(sender, _) => Box::pin(self.check_sender(sender)).await,
            Step::CheckRecipient(recipient) => Box::pin(self.check_recipient(recipient)).await,
            Step::BeginContent => {
                self.pace.begin_content();
                self.spool = Some(self.shared.intake.spool());
            }
            Step::Content(octets) => Box::pin(self.content(&octets)).await,
            Step::AbortContent => Box::pin(self.abort_content()).await,
            Step::EndOfContent(transaction) => Box::pin(self.end_of_content(transaction)).await,
            Step::Close => {
                self.flush().await?;
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Writes what there is to say, then waits for the client.
    async fn read(&mut self) -> io::Result<ControlFlow<()>> {
        self.flush().await?;
        self.replied();
        let in_content = self.session.is_receiving_content();
        let content = in_content.then(|| self.content_octets());
        let awaited = self.awaited(in_content);
        let (patience, overdue) = self.pace.patience(awaited);
        if patience.is_zero() {
            self.overdue(overdue);
            return Ok(ControlFlow::Continue(()));
        }
        let began = Instant::now();
        tokio::select! {
            biased;
            read = read(&mut self.stream, &mut self.buffer, &mut self.session, content) => match read? {
                0 => return Ok(ControlFlow::Break(())),
                octets => {
                    self.is_outpaced = octets >= content.unwrap_or(COMMAND_READ_OCTETS);
                    self.asked = self.shared.directory.ask();
                    if !in_content {
                        self.session.receive(&self.buffer[..octets]);
                    }
                    let untaken = self.session.untaken();
                    let received = &untaken[untaken.len().saturating_sub(octets)..];
                    self.pace.received(awaited, began.elapsed(), received);
                }
            },
            () = self.shared.shutdown.announced(), if !in_content => {
                self.session.shut_down(Reply::new(421, (4, 3, 2), "the relay is shutting down; try again later"));
            }
            () = tokio::time::sleep(patience) => self.overdue(overdue),
        }
        Ok(ControlFlow::Continue(()))
    }

    /// The client has been told everything: now shadow policies may be asked. A session that waits keeps
    /// no policies from before a reload in memory.
    fn replied(&mut self) {
        match &self.policies {
            Some(policies) if self.session.is_in_transaction() => policies.replied(),
            _ => self.policies = None,
        }
    }

    fn awaited(&self, in_content: bool) -> Awaited {
        if in_content {
            Awaited::Content
        } else if self.session.user().is_none() {
            Awaited::Login
        } else {
            Awaited::Command
        }
    }

    fn overdue(&mut self, overdue: Overdue) {
        debug!(
            session.id = self.peer.session_id,
            ?overdue,
            "the client took too long"
        );
        self.session.time_out(overdue.reply());
    }

    fn authenticated(&mut self, login: Result<Login, Reply>) {
        match login {
            // RFC 5321 §3.8: a 421 closes the connection.
            Err(reply) if reply.code() == 421 => self.session.time_out(reply),
            login => {
                self.peer.mechanism = login.as_ref().map_or("", |login| login.mechanism);
                self.session.authenticated(login);
            }
        }
    }

    /// How much content is read at once: much of what comes fast.
    const fn content_octets(&self) -> usize {
        if self.is_outpaced {
            CONTENT_READ_OCTETS
        } else {
            FIRST_READ_OCTETS
        }
    }

    async fn flush(&mut self) -> io::Result<()> {
        let output = self.session.take_output();
        if output.is_empty() {
            Ok(())
        } else {
            self.stream
                .write(&output, self.limits.reply_timeout())
                .await
        }
    }

    fn bind_channel(&mut self) {
        if let Some(octets) = scram::channel_binding(&self.stream) {
            self.session.bind_channel(octets);
        }
    }

    async fn start_tls(&mut self) -> io::Result<()> {
        self.flush().await?;
        let acceptor = self
            .door
            .tls
            .as_ref()
            .ok_or_else(|| io::Error::other("no certificate"))?;
        let plain = std::mem::replace(&mut self.stream, Stream::Closed);
        let wait = self.limits.handshake_timeout();
        self.stream = handshake(plain, acceptor, self.shared, wait).await?;
        self.peer.tls = self.stream.tls_parameters();
        self.session.tls_established();
        self.bind_channel();
        Ok(())
    }

    /// The account as it is now; when the login no longer holds, the session is told to end.
    async fn principal(&mut self) -> Option<Arc<Principal>> {
        self.peer.helo = self.session.helo().to_owned();
        self.peer.is_esmtp = self.session.is_esmtp();
        let login = self.session.user_mut()?;
        match self.shared.still_valid(self.asked, login).await {
            Ok(principal) => {
                login.principal = Arc::clone(&principal);
                Some(principal)
            }
            Err(reply) => {
                self.session.time_out(reply);
                None
            }
        }
    }

    async fn check_sender(&mut self, sender: Option<Mailbox>) {
        let Some(principal) = self.principal().await else {
            return;
        };
        let intake = &self.shared.intake;
        let policies = intake.policies(self.policies.take());
        let policies = self.policies.insert(policies);
        let answer = intake
            .sender(policies, &self.peer, &principal, sender.as_ref())
            .await;
        if self.is_suspended(&answer).await {
            return;
        }
        self.session.sender_answered(self.told(answer).await);
    }

    async fn check_recipient(&mut self, recipient: Mailbox) {
        let Some(principal) = self.principal().await else {
            return;
        };
        let transaction = self.session.envelope();
        let intake = &self.shared.intake;
        let policies = self.policies.as_ref().expect(BEGUN_BY_MAIL);
        let answer = intake
            .recipient(policies, &self.peer, &principal, transaction, &recipient)
            .await;
        let answer = self.told(answer).await;
        self.session.recipient_answered(answer);
    }

    async fn content(&mut self, octets: &[u8]) {
        let Some(spool) = &mut self.spool else { return };
        if let Err(error) = spool.push(octets).await {
            warn!(session.id = self.peer.session_id, %error, "content cannot be stored");
            self.abort_content().await;
        }
    }

    async fn abort_content(&mut self) {
        if let Some(spool) = self.spool.take() {
            spool.discard().await;
        }
    }

    async fn end_of_content(&mut self, transaction: Transaction) {
        let Some(principal) = self.principal().await else {
            return self.abort_content().await;
        };
        let Some(spool) = self.spool.take() else {
            // The store gave up in the middle of the content.
            return self
                .session
                .content_answered(Rejection::store_unavailable().reply);
        };
        let intake = &self.shared.intake;
        let policies = self.policies.as_ref().expect(BEGUN_BY_MAIL);
        let answer = intake
            .message(policies, &self.peer, &principal, transaction, spool)
            .await;
        if self.is_suspended(&answer).await {
            return;
        }
        let reply = match self.told(answer).await {
            Ok(accepted) => {
                self.peer.messages += 1;
                self.shared.scheduler.submit(accepted.message);
                if accepted.has_policy_failure {
                    self.pause_for_failure().await;
                }
                accepted.reply
            }
            Err(reply) => reply,
        };
        self.session.content_answered(reply);
    }

    /// True when the user was suspended just now: the session ends as that of any inactive user.
    async fn is_suspended<T>(&mut self, answer: &Result<T, Rejection>) -> bool {
        if !matches!(answer, Err(rejection) if rejection.is_suspension) {
            return false;
        }
        self.asked = self.shared.directory.ask();
        self.principal().await.is_none()
    }

    /// Logs why something was refused, and returns what the client is told, when it is time to tell it.
    async fn told<T>(&self, answer: Result<T, Rejection>) -> Result<T, Reply> {
        let rejection = match answer {
            Ok(answer) => return Ok(answer),
            Err(rejection) => rejection,
        };
        debug!(
            session.id = self.peer.session_id,
            reason = rejection.reason,
            "refused"
        );
        if rejection.is_policy_failure {
            self.pause_for_failure().await;
        }
        Err(rejection.reply)
    }

    /// What misbehaves on the messages of one client is not to take the processors from the others.
    async fn pause_for_failure(&self) {
        tokio::select! {
            () = tokio::time::sleep(self.limits.policy_failure_pause()) => {}
            () = self.shared.shutdown.announced() => {}
        }
    }

    async fn end(&mut self, ended: io::Result<()>) {
        self.abort_content().await;
        match ended {
            Ok(()) => self.stream.close(self.limits.reply_timeout()).await,
            Err(error) => debug!(session.id = self.peer.session_id, %error, "connection lost"),
        }
        debug!(
            session.id = self.peer.session_id,
            messages = self.peer.messages,
            "session closed"
        );
    }
}
