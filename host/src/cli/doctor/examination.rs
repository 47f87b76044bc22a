//! The order of the checks: name, ports, certificates, account, sender, message.

use std::net::IpAddr;
use std::time::Duration;

use futures_util::future::join_all;
use rustls::pki_types::ServerName;

use super::account::{self, Account};
use super::certificate::{self, Trust};
use super::dns::{self, HostName};
use super::finding::Finding;
use super::follow;
use super::message::{self, Letter};
use super::plan::{self, Endpoint, PREFERRED_PORTS};
use super::port;
use super::report::Report;
use super::setting::Setting;
use super::visit::{Encrypted, Seen, Session, Stop, Visitor};
use super::{Doctor, client};
use crate::cli::Failure;
use crate::clock::Timestamp;
use crate::listener::TlsMode;
use crate::tls::{Roots, TlsError, Verification, client_config, root_store};

/// One relay under examination.
pub struct Examination {
    setting: Setting,
    visitor: Visitor,
    ports: Vec<u16>,
    tls: Option<TlsMode>,
    user: Option<String>,
    account: Option<Account>,
    letter: Option<Letter>,
    patience: Duration,
}

/// What became of one endpoint.
struct Visited {
    endpoint: Endpoint,
    seen: Seen,
    stop: Option<Stop>,
}

impl Visited {
    fn is_usable(&self) -> bool {
        self.stop.is_none() && self.seen.hello_under_tls.is_some()
    }

    fn is_proven(&self) -> bool {
        self.is_usable() && self.seen.tls.as_ref().is_some_and(|tls| tls.is_proven())
    }
}

impl Examination {
    /// Prepares the visits.
    ///
    /// # Errors
    /// When the name cannot stand in a certificate, or `--ca-file` cannot be read.
    pub fn new(
        doctor: &Doctor,
        setting: Setting,
        account: Option<Account>,
    ) -> Result<Self, Failure> {
        let patience = doctor.patience();
        let visitor = Visitor {
            patience,
            verbose: doctor.verbose,
            tls: client_config(&Roots::System, Verification::None).map_err(unprepared)?,
            trust: trust(doctor, &setting)?,
        };
        Ok(Self {
            setting,
            visitor,
            ports: doctor.ports.clone(),
            tls: doctor.tls(),
            user: doctor.user.clone(),
            account,
            letter: doctor.letter(),
            patience,
        })
    }

    /// Makes every check.
    pub async fn run(&self, report: &mut Report) {
        let addresses = self.name(report).await;
        let visited = join_all(
            self.endpoints(&addresses)
                .into_iter()
                .map(|it| self.visit(it)),
        )
        .await;
        self.ports(&visited, report);
        self.certificates(&visited, report);
        let best = best(&visited, Visited::is_proven);
        self.account(best, report).await;
        let usable = best.or_else(|| self::best(&visited, Visited::is_usable));
        let door = usable.map(|it| &it.endpoint.door);
        report.add(client::settings(
            &self.setting.name,
            door,
            self.user.as_deref(),
        ));
    }

    /// Reports on the name, and returns its addresses.
    async fn name(&self, report: &mut Report) -> Vec<IpAddr> {
        report.extend(dns::without_lookup(&self.setting.kind));
        match &self.setting.kind {
            HostName::Address(ip) => vec![*ip],
            HostName::Localhost => vec![IpAddr::from([127, 0, 0, 1])],
            HostName::Domain(name) => {
                let facts = dns::look_up(name, self.mail_domain(name), self.patience).await;
                report.extend(dns::judge(name, &facts, self.setting.place));
                facts.addresses.unwrap_or_default()
            }
        }
    }

    /// The domain whose services are looked up: the sender's, else the one above the host.
    fn mail_domain<'a>(&'a self, name: &'a str) -> &'a str {
        let of_sender = self.letter.as_ref().map(|letter| letter.from.domain());
        let above = name.split_once('.').map(|(_, above)| above);
        of_sender
            .filter(|domain| !domain.starts_with('['))
            .or(above.filter(|above| above.contains('.')))
            .unwrap_or(name)
    }

    fn endpoints(&self, addresses: &[IpAddr]) -> Vec<Endpoint> {
        let doors = match &self.setting.config {
            Some(config) => plan::local_doors(config, &self.ports, self.tls),
            None => return plan::endpoints(addresses, &plan::remote_doors(&self.ports, self.tls)),
        };
        match self.setting.place {
            port::Place::Here => plan::local_endpoints(&doors),
            port::Place::Elsewhere => {
                let doors: Vec<_> = doors.into_iter().map(|(_, door)| door).collect();
                plan::endpoints(addresses, &doors)
            }
        }
    }

    async fn visit(&self, endpoint: Endpoint) -> Visited {
        let mut seen = Seen::default();
        let stop = match self.visitor.visit(&endpoint, &mut seen).await {
            Ok(session) => {
                session.quit().await;
                None
            }
            Err(stop) => Some(stop),
        };
        Visited {
            endpoint,
            seen,
            stop,
        }
    }

    fn ports(&self, visited: &[Visited], report: &mut Report) {
        for Visited {
            endpoint,
            seen,
            stop,
        } in visited
        {
            report.extend(port::judge(
                endpoint,
                seen,
                stop.as_ref(),
                self.setting.place,
            ));
        }
        let greeted = visited.iter().any(|it| it.seen.greeting.is_some());
        let told = visited
            .iter()
            .any(|it| it.endpoint.door.wanted == plan::Wanted::Explicitly);
        if !greeted && !told {
            report.add(
                Finding::failed("ports", "no port answers as an SMTP server")
                    .fix("name the relay's port with --port N; is the relay running, and its firewall open?"),
            );
        }
    }

    /// Each certificate once, however many ports show it.
    fn certificates(&self, visited: &[Visited], report: &mut Report) {
        let mut known = Vec::new();
        for Visited { endpoint, seen, .. } in visited {
            let Some(tls) = &seen.tls else { continue };
            if known.contains(&&tls.leaf) {
                continue;
            }
            known.push(&tls.leaf);
            let (label, name) = (&endpoint.label, &self.setting.name);
            report.extend(certificate::judge(label, name, tls, Timestamp::now()));
        }
    }

    async fn account(&self, best: Option<&Visited>, report: &mut Report) {
        let Some(account) = &self.account else {
            report.add(account::without_account(self.user.as_deref()));
            report.add(message::without_login());
            return;
        };
        let Some(best) = best else {
            report.add(account::without_port());
            report.add(message::without_login());
            return;
        };
        let mut seen = Seen::default();
        match self.visitor.visit(&best.endpoint, &mut seen).await {
            // The peer proves itself anew: another one may sit behind the same address.
            Ok(Session::Encrypted(dialogue))
                if seen.tls.as_ref().is_some_and(|tls| tls.is_proven()) =>
            {
                self.session(*dialogue, &seen, account, report).await;
            }
            Ok(session) => {
                session.quit().await;
                report.add(account::without_port());
            }
            Err(stop) => report.extend(port::judge(
                &best.endpoint,
                &Seen::default(),
                Some(&stop),
                self.setting.place,
            )),
        }
    }

    async fn session(
        &self,
        mut dialogue: Encrypted,
        seen: &Seen,
        account: &Account,
        report: &mut Report,
    ) {
        let Some(hello) = &seen.hello_under_tls else {
            return;
        };
        let login = account::log_in(&mut dialogue, hello, account).await;
        let logged_in = login.is_ok();
        report.add(login);
        match &self.letter {
            _ if !logged_in => report.add(message::without_login()),
            None => report.add(message::without_sender()),
            Some(letter) => {
                self.send(&mut dialogue, letter, &account.user, report)
                    .await
            }
        }
        let _ = dialogue.say("QUIT").await;
    }

    async fn send(
        &self,
        dialogue: &mut Encrypted,
        letter: &Letter,
        user: &str,
        report: &mut Report,
    ) {
        let sent = message::send(dialogue, letter, user).await;
        report.extend(sent.findings);
        if let (Some(config), Some(id)) = (&self.setting.config, sent.id) {
            report.add(follow::follow(config, id, self.patience).await);
        }
    }
}

/// The best endpoint among those that are good enough: the port that clients prefer.
fn best(visited: &[Visited], good: impl Fn(&Visited) -> bool) -> Option<&Visited> {
    let rank = |it: &&Visited| {
        let port = it.endpoint.door.port;
        let preferred = PREFERRED_PORTS.iter().position(|&usual| usual == port);
        preferred.unwrap_or(PREFERRED_PORTS.len())
    };
    visited.iter().filter(|it| good(it)).min_by_key(rank)
}

fn trust(doctor: &Doctor, setting: &Setting) -> Result<Trust, Failure> {
    let name = ServerName::try_from(setting.name.trim_end_matches('.').to_owned());
    let name = name.map_err(|_| {
        let text = format!("`{}` is not a name that TLS can verify", setting.name);
        Failure::message(text).hint("name the relay by a plain domain name or an address")
    })?;
    let roots = match &doctor.ca_file {
        Some(path) => Ok(root_store(&Roots::File(path.clone())).map_err(unprepared)?),
        None => root_store(&Roots::System).map_err(|error| error.to_string()),
    };
    Ok(Trust {
        name,
        roots,
        own: setting.own_certificates(),
    })
}

fn unprepared(error: TlsError) -> Failure {
    let hint = error.hint();
    Failure::new(error).hint(hint)
}
