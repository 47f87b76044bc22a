//! `gatepost autoconfig …`

use clap::{Subcommand, ValueEnum};
use serde_json::json;

use super::{Failure, Output};
use crate::app::describe;
use crate::autoconfig::{Record, Relay, apple, outlook, records, thunderbird};
use crate::config::Config;
use crate::message::domain_to_ascii;
use crate::smtp::Mailbox;

/// Where HTTPS is served when the config does not say.
const HTTPS_PORT: u16 = 443;

/// `gatepost autoconfig …`
#[derive(Debug, Subcommand)]
pub enum AutoconfigCommand {
    /// Print the DNS records by which clients find this relay
    Dns {
        /// A mail domain; any number [default: autoconfig.domains]
        #[arg(long = "domain", value_name = "DOMAIN")]
        domains: Vec<String>,
    },
    /// Print a document that clients configure themselves by
    Show {
        /// For which clients
        client: Client,
        /// The address it is for
        #[arg(long, value_name = "ADDRESS")]
        email: String,
        /// The user name to log in with (apple only)
        #[arg(long, value_name = "NAME")]
        username: Option<String>,
    },
}

/// A family of clients.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Client {
    /// Thunderbird and all who read config-v1.1.xml
    Thunderbird,
    /// Outlook: the answer of Autodiscover
    Outlook,
    /// iOS, iPadOS and macOS: a configuration profile
    Apple,
}

/// Runs the command.
pub fn run(command: AutoconfigCommand, config: &Config, output: Output) -> Result<(), Failure> {
    let relay = describe(config);
    match command {
        AutoconfigCommand::Dns { domains } => dns(&relay, config, &domains, output),
        AutoconfigCommand::Show {
            client,
            email,
            username,
        } => show(&relay, client, &email, username.as_deref(), output),
    }
}

fn dns(relay: &Relay, config: &Config, domains: &[String], output: Output) -> Result<(), Failure> {
    let domains = if domains.is_empty() {
        relay.domains.clone()
    } else {
        domains
            .iter()
            .map(|domain| a_labels(domain))
            .collect::<Result<_, _>>()?
    };
    if domains.is_empty() {
        return Err(
            Failure::message("no mail domain is known to print records for")
                .hint("set autoconfig.domains, or name one: --domain example.com"),
        );
    }
    let https_port = config
        .web
        .https
        .first()
        .map_or(HTTPS_PORT, |address| address.port());
    let records: Vec<Record> = domains
        .iter()
        .flat_map(|domain| records(relay, domain, https_port))
        .collect();
    output.print(&records, || {
        let lines: Vec<String> = records.iter().map(ToString::to_string).collect();
        lines.join("\n")
    })
}

fn a_labels(domain: &str) -> Result<String, Failure> {
    domain_to_ascii(domain).ok_or_else(|| {
        Failure::message(format!("{domain:?} is not a domain")).hint("use a name like example.com")
    })
}

fn show(
    relay: &Relay,
    client: Client,
    email: &str,
    username: Option<&str>,
    output: Output,
) -> Result<(), Failure> {
    let mailbox = Mailbox::parse_utf8(email)
        .map_err(|error| Failure::new(error).hint("use an address like anna@example.com"))?;
    if !relay.serves(&mailbox) {
        let text = format!("addresses of {} are not configured here", mailbox.domain());
        return Err(Failure::message(text).hint("add the domain to autoconfig.domains"));
    }
    let document = match client {
        Client::Thunderbird => thunderbird(relay, Some(&mailbox)),
        Client::Outlook => outlook(relay, &mailbox),
        Client::Apple => apple(relay, Some(&mailbox), username).ok_or_else(|| {
            Failure::message("an Apple profile must name the server that mail is read from")
                .hint("set autoconfig.incoming-host")
        })?,
    };
    output.print(&json!({ "document": document }), || document.clone())
}
