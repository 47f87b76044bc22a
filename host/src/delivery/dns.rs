//! Asks DNS, and tells which answers are proven by DNSSEC.
//!
//! Answers are kept as long as their time to live says, by the resolver.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ProtocolConfig, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::dnssec::{Proof, TrustAnchors};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use hickory_resolver::{TokioResolver, system_conf};
use parking_lot::Mutex;
use tokio::sync::OnceCell;

use super::config::{Dns as Config, Dnssec, Server};
use super::setup::SetupError;

/// How long a resolver that proves nothing is believed to be so. 5 minutes: it may be another one by then.
const INCAPABLE_FOR: Duration = Duration::from_secs(300);

/// Aliases of aliases that are followed; resolvers follow about as many.
const MAX_ALIASES: usize = 8;

/// What DNS said.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    /// The records, aliases on the way to them included.
    pub records: Vec<Record>,
    /// Every one of them is proven.
    pub is_secure: bool,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Miss {
    /// The name does not exist.
    NoName,
    /// It exists, without such records.
    NoRecords,
    /// Nobody knows at present: what went wrong.
    Trouble(String),
}

/// Where a host is.
#[derive(Debug, Clone)]
pub(super) struct Located {
    /// Its addresses, IPv6 and IPv4 as they came.
    pub addresses: Vec<IpAddr>,
    /// They are proven.
    pub is_secure: bool,
    /// The name at the end of its aliases, where it has any.
    pub canonical: Option<String>,
}

/// The resolvers: one that believes, one that proves.
#[derive(Debug)]
pub(super) struct Dns {
    plain: TokioResolver,
    proving: Option<Proving>,
}

#[derive(Debug)]
struct Proving {
    resolver: TokioResolver,
    /// Never ask the other one.
    is_required: bool,
    is_capable: OnceCell<()>,
    incapable_at: Mutex<Option<Instant>>,
}

/// What a resolver can do.
enum Capability {
    Proves,
    ProvesNothing(String),
    Unknown(Miss),
}

impl Dns {
    /// Prepares lookups.
    ///
    /// # Errors
    /// When the system names no resolver, or the trust anchors cannot be read.
    pub fn new(config: &Config) -> Result<Self, SetupError> {
        let anchors = anchors(config)?;
        Ok(Self {
            plain: resolver(config, None)?,
            proving: match config.dnssec {
                Dnssec::Off => None,
                Dnssec::Auto | Dnssec::Required => Some(Proving {
                    resolver: resolver(config, Some(anchors))?,
                    is_required: config.dnssec == Dnssec::Required,
                    is_capable: OnceCell::new(),
                    incapable_at: Mutex::new(None),
                }),
            },
        })
    }

    /// The records of this type at a name, aliases followed.
    ///
    /// # Errors
    /// When there are none, or nobody knows.
    pub async fn lookup(&self, name: &str, kind: RecordType) -> Result<Answer, Miss> {
        // What is no name in DNS exists in no DNS.
        let mut name = Name::from_ascii(name).map_err(|_| Miss::NoName)?;
        name.set_fqdn(true);
        let resolver = self.resolver().await?;
        let mut aliases = Vec::new();
        loop {
            match resolver.lookup(name.clone(), kind).await {
                Ok(found) => return Ok(answer(aliases.iter().chain(found.answers()), kind)),
                // hickory-resolver 0.26 seeks the proof that there are no such records at the alias, where it
                // is given for the alias's target. Each step alone is judged rightly.
                Err(bogus) if is_bogus(&bogus) && aliases.len() < MAX_ALIASES => {
                    let alias = alias(resolver, &name).await.ok_or_else(|| miss(bogus))?;
                    name = alias.0;
                    aliases.push(alias.1);
                }
                Err(error) => return Err(miss(error)),
            }
        }
    }

    /// The addresses of a host.
    ///
    /// # Errors
    /// When it has none, or nobody knows.
    pub async fn locate(&self, host: &str) -> Result<Located, Miss> {
        // Each family by itself: of two failures a combined lookup tells only one, and "no IPv6
        // address" must not hide that the IPv4 address could not be looked up.
        let (v6, v4) = tokio::join!(
            self.lookup(host, RecordType::AAAA),
            self.lookup(host, RecordType::A)
        );
        let mut located: Option<Located> = None;
        let mut missed = Miss::NoName;
        for found in [v6, v4] {
            match (found, &mut located) {
                (Ok(answer), Some(known)) => known.add(&answer),
                (Ok(answer), None) => located = Some(Located::new(host, &answer)),
                (Err(trouble @ Miss::Trouble(_)), _) => missed = trouble,
                (Err(Miss::NoRecords), _) if missed == Miss::NoName => missed = Miss::NoRecords,
                (Err(_), _) => {}
            }
        }
        located.ok_or(missed)
    }

    async fn resolver(&self) -> Result<&TokioResolver, Miss> {
        match &self.proving {
            None => Ok(&self.plain),
            Some(proving) if proving.is_required => Ok(&proving.resolver),
            Some(proving) if proving.is_capable(&self.plain).await? => Ok(&proving.resolver),
            Some(_) => Ok(&self.plain),
        }
    }
}

fn is_bogus(error: &NetError) -> bool {
    matches!(error, NetError::Dns(DnsError::DnssecBogus))
}

/// What a name is an alias of, with the record that says so.
async fn alias(resolver: &TokioResolver, name: &Name) -> Option<(Name, Record)> {
    let found = resolver
        .lookup(name.clone(), RecordType::CNAME)
        .await
        .ok()?;
    let records = found.answers().iter();
    let mut aliases = records.filter_map(|record| match &record.data {
        RData::CNAME(target) if record.name == *name => Some((target.0.clone(), record.clone())),
        _ => None,
    });
    aliases.next_back()
}

impl Proving {
    /// Whether answers can be proven; asked until they can, and then never again.
    async fn is_capable(&self, plain: &TokioResolver) -> Result<bool, Miss> {
        let lately = |at: Instant| at.elapsed() < INCAPABLE_FOR;
        if self.is_capable.initialized() {
            return Ok(true);
        }
        if self.incapable_at.lock().is_some_and(lately) {
            return Ok(false);
        }
        let examined = self.is_capable.get_or_try_init(|| async {
            match examine(&self.resolver, plain).await {
                Capability::Proves => Ok(()),
                other => Err(other),
            }
        });
        match examined.await {
            Ok(()) | Err(Capability::Proves) => Ok(true),
            Err(Capability::Unknown(miss)) => Err(miss),
            Err(Capability::ProvesNothing(why)) => {
                if self.incapable_at.lock().replace(Instant::now()).is_none() {
                    tracing::warn!(
                        "the resolver gives no DNSSEC proofs ({why}): mail leaves without DANE\n\
                         hint: name a resolver that does in delivery.dns.servers, or set delivery.dns.dnssec = \"off\""
                    );
                }
                Ok(false)
            }
        }
    }
}

/// Asks for the keys of the root, which every resolver that serves DNSSEC can hand out.
async fn examine(proving: &TokioResolver, plain: &TokioResolver) -> Capability {
    let why = match proving.lookup(Name::root(), RecordType::DNSKEY).await {
        Ok(keys) if answer(keys.answers(), RecordType::DNSKEY).is_secure => {
            return Capability::Proves;
        }
        Ok(_) => "the keys of the root are not proven".to_owned(),
        Err(error) => error.to_string(),
    };
    // Without any answer the resolver may be away: nothing is to be concluded from that.
    match plain
        .lookup(Name::root(), RecordType::NS)
        .await
        .map_err(miss)
    {
        Err(trouble @ Miss::Trouble(_)) => Capability::Unknown(trouble),
        _ => Capability::ProvesNothing(why),
    }
}

impl Located {
    fn new(host: &str, answer: &Answer) -> Self {
        let mut located = Self {
            addresses: Vec::new(),
            is_secure: true,
            canonical: None,
        };
        located.add(answer);
        let owner = answer
            .records
            .iter()
            .find(|one| one.data.ip_addr().is_some());
        let owner = owner.map(|record| host_name(&record.name));
        located.canonical = owner.filter(|owner| owner != host);
        located
    }

    fn add(&mut self, answer: &Answer) {
        self.is_secure &= answer.is_secure;
        let addresses = answer.records.iter();
        self.addresses
            .extend(addresses.filter_map(|record| record.data.ip_addr()));
    }
}

/// A name as it is compared and shown: lower case, without the dot at its end.
pub(super) fn host_name(name: &Name) -> String {
    name.to_ascii().trim_end_matches('.').to_ascii_lowercase()
}

fn answer<'a>(records: impl IntoIterator<Item = &'a Record>, kind: RecordType) -> Answer {
    let matters = |record: &&Record| {
        matches!(record.record_type(), RecordType::CNAME) || record.record_type() == kind
    };
    let records: Vec<Record> = records.into_iter().filter(matters).cloned().collect();
    Answer {
        is_secure: !records.is_empty() && records.iter().all(|one| one.proof == Proof::Secure),
        records,
    }
}

impl Answer {
    /// What the records say.
    pub fn data(&self) -> impl Iterator<Item = &RData> {
        self.records.iter().map(|record| &record.data)
    }
}

fn miss(error: NetError) -> Miss {
    match error {
        error if is_bogus(&error) => Miss::Trouble(
            "the answer does not pass DNSSEC validation (its zone may be broken, or somebody forges it)"
                .to_owned(),
        ),
        error if error.is_nx_domain() => Miss::NoName,
        error if error.is_no_records_found() => Miss::NoRecords,
        error => Miss::Trouble(error.to_string()),
    }
}

fn anchors(config: &Config) -> Result<Arc<TrustAnchors>, SetupError> {
    let Some(path) = &config.trust_anchor_file else {
        return Ok(Arc::new(TrustAnchors::default()));
    };
    let unreadable = |source: Box<dyn std::error::Error + Send + Sync>| SetupError::TrustAnchor {
        path: path.display().to_string(),
        source,
    };
    let anchors = TrustAnchors::from_file(path).map_err(|error| unreadable(Box::new(error)))?;
    if anchors.is_empty() {
        return Err(unreadable("there is no DNSKEY of the root in it".into()));
    }
    Ok(Arc::new(anchors))
}

fn resolver(
    config: &Config,
    anchors: Option<Arc<TrustAnchors>>,
) -> Result<TokioResolver, SetupError> {
    let unusable = |error| SetupError::Resolver(Box::new(error));
    let (servers, mut options) = if config.servers.is_empty() {
        system_conf::read_system_conf().map_err(unusable)?
    } else {
        let servers = config.servers.iter().map(name_server).collect();
        let servers = ResolverConfig::from_name_servers(servers);
        (servers, ResolverOpts::default())
    };
    options.timeout = Duration::from_secs(config.timeout_s);
    options.attempts = config.attempts;
    // Aliases must be seen to be judged.
    options.preserve_intermediates = true;
    let provider = TokioRuntimeProvider::default();
    let mut builder = TokioResolver::builder_with_config(servers, provider).with_options(options);
    if let Some(anchors) = anchors {
        builder = builder.with_trust_anchor(anchors);
    }
    builder.build().map_err(unusable)
}

fn name_server(server: &Server) -> NameServerConfig {
    let connection = |protocol| {
        let mut connection = ConnectionConfig::new(protocol);
        connection.port = server.0.port();
        connection
    };
    let connections = vec![
        connection(ProtocolConfig::Udp),
        connection(ProtocolConfig::Tcp),
    ];
    NameServerConfig::new(server.0.ip(), true, connections)
}
