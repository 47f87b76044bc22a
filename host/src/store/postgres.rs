//! How PostgreSQL is reached: encrypted unless it is on this machine, and with an end to every wait.

use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions, PgSslMode};

use super::config::DatabaseTls;
use super::sql::{self, Connector, Pool};
use super::{Config, Store, StoreError};

/// Prepared statements that a connection keeps. 256: all that are asked again and again.
const STATEMENTS: usize = 256;
/// How much longer than the server itself this side waits for the end of a statement. Default 5 s: a server that
/// answers at all says that it is late.
const GRACE: Duration = Duration::from_secs(5);
/// How long the server waits for the next statement of a transaction that writes, in milliseconds. Default 5 s: a node
/// that is frozen in the middle of one holds up the others no longer, who would lose their leases by it.
const IDLE_MS: &str = "5000";
/// What is written is looked for by indexes, by plans that are made once: a plan that was made when tables were empty would
/// read all of them when they are not, until they are analysed.
const WRITER_PLANS: [(&str, &str); 5] = [
    ("plan_cache_mode", "force_generic_plan"),
    ("enable_seqscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("jit", "off"),
];
/// A connection that nobody has used for so long may have been cut, and is looked at first. Default 1 s.
const TRUSTED: Duration = Duration::from_secs(1);

/// Options of every connection.
///
/// # Errors
/// The URL is not usable.
pub(super) fn options(config: &Config) -> Result<PgConnectOptions, StoreError> {
    let malformed = |source: sqlx::Error| StoreError::MalformedServer {
        url: config.url.to_string(),
        source: Arc::new(source),
    };
    let options = PgConnectOptions::from_str(config.url.expose()).map_err(malformed)?;
    let milliseconds = |seconds: u32| (u64::from(seconds) * 1000).to_string();
    let statement_timeout = milliseconds(config.statement_timeout_s);
    let options = options
        .application_name("gatepost")
        .statement_cache_capacity(STATEMENTS)
        .options([
            ("statement_timeout", statement_timeout.as_str()),
            ("idle_in_transaction_session_timeout", &statement_timeout),
            // A commit is on the disk before it is answered, whatever the server's default is.
            ("synchronous_commit", "on"),
        ])
        .disable_statement_logging();
    Ok(encrypted(options, config))
}

/// What the URL says of TLS counts unless the configuration says something else.
fn encrypted(mut options: PgConnectOptions, config: &Config) -> PgConnectOptions {
    if let Some(path) = &config.root_certificate {
        options = options.ssl_root_cert(path);
    }
    let is_said = config.url.expose().contains("sslmode=");
    match config.database_tls {
        Some(tls) => options.ssl_mode(mode(tls)),
        None if is_said => options,
        None if is_near(&options) => options.ssl_mode(PgSslMode::Prefer),
        None => options.ssl_mode(PgSslMode::VerifyFull),
    }
}

const fn mode(tls: DatabaseTls) -> PgSslMode {
    match tls {
        DatabaseTls::Disable => PgSslMode::Disable,
        DatabaseTls::Require => PgSslMode::Require,
        DatabaseTls::VerifyCa => PgSslMode::VerifyCa,
        DatabaseTls::VerifyFull => PgSslMode::VerifyFull,
    }
}

/// Whether nothing leaves this machine.
fn is_near(options: &PgConnectOptions) -> bool {
    let host = options.get_host();
    let is_loopback = host
        .parse::<std::net::IpAddr>()
        .is_ok_and(|address| address.is_loopback());
    options.get_socket().is_some() || host.starts_with('/') || host == "localhost" || is_loopback
}

/// How long a statement may take before the connection counts as lost.
fn patience(config: &Config) -> Duration {
    Duration::from_secs(u64::from(config.statement_timeout_s)) + GRACE
}

fn connect_timeout(config: &Config) -> Duration {
    Duration::from_secs(u64::from(config.connect_timeout_s.max(1)))
}

/// Connects for writing.
pub(super) fn connector(config: &Config) -> Result<Connector, StoreError> {
    let options = options(config)?
        .options([("idle_in_transaction_session_timeout", IDLE_MS)])
        .options(WRITER_PLANS);
    Ok(Connector::Postgres {
        options: Box::new(options),
        connect_timeout: connect_timeout(config),
        patience: patience(config),
    })
}

/// The pool of connections that read; it connects when it is first used.
pub(super) fn reader_pool(config: &Config) -> Result<Pool, StoreError> {
    let pool = PgPoolOptions::new()
        .max_connections(config.readers.max(1))
        .acquire_timeout(Duration::from_secs(u64::from(config.reader_wait_s.max(1))))
        .test_before_acquire(false)
        .before_acquire(|connection, about| {
            Box::pin(async move {
                Ok(about.idle_for < TRUSTED || sqlx::Connection::ping(connection).await.is_ok())
            })
        })
        .connect_lazy_with(options(config)?);
    Ok(Pool::Postgres {
        pool,
        patience: patience(config),
    })
}

/// What a server says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Its URL without what is secret in it.
    pub url: String,
    /// Its version, as it writes it.
    pub version: String,
    /// Whether the connection is encrypted.
    pub is_encrypted: bool,
    /// Whether it leaves this machine.
    pub is_near: bool,
    /// Whether it copies another one, and takes no writes.
    pub is_standby: bool,
    /// Whether what it says is written is on its disk.
    pub is_durable: bool,
    /// How long it takes to answer.
    pub round_trip: Duration,
}

const SELECT_SERVER: &str = "SELECT current_setting('server_version') AS version, \
     COALESCE((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), FALSE) AS encrypted, \
     pg_is_in_recovery() AS standby, current_setting('fsync') = 'on' AS durable";

impl Store {
    /// Asks the server of a configuration what it is; none when the store is a file. Changes nothing.
    ///
    /// # Errors
    /// It cannot be reached.
    pub async fn server(config: &Config) -> Result<Option<Server>, StoreError> {
        if !config.url.is_postgres() {
            return Ok(None);
        }
        let url = config.url.to_string();
        let failed = |error| StoreError::opening(url.clone(), error);
        let mut connection = connector(config)?.connect().await.map_err(failed)?;
        let row = sql::query(SELECT_SERVER).fetch_one(&mut connection).await;
        let row = row.map_err(failed)?;
        let asked = Instant::now();
        connection.command("SELECT 1").await.map_err(failed)?;
        let round_trip = asked.elapsed();
        // Nobody needs it any more.
        let _ = connection.close().await;
        Ok(Some(Server {
            version: row.try_get("version").map_err(failed)?,
            is_encrypted: row.try_get("encrypted").map_err(failed)?,
            is_near: is_near(&options(config)?),
            is_standby: row.try_get("standby").map_err(failed)?,
            is_durable: row.try_get("durable").map_err(failed)?,
            round_trip,
            url: url.clone(),
        }))
    }
}

/// The one connection on which notices come.
pub(super) fn listening_pool(config: &Config) -> Result<PgPool, StoreError> {
    Ok(PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(connect_timeout(config))
        .connect_lazy_with(options(config)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options_of(url: &str, tls: Option<DatabaseTls>) -> PgConnectOptions {
        let config = Config {
            url: url.into(),
            database_tls: tls,
            ..Config::default()
        };
        options(&config).expect(url)
    }

    #[test]
    fn what_leaves_the_machine_is_encrypted_and_checked() {
        let cases = [
            ("postgres://a@db.example.com/g", None, PgSslMode::VerifyFull),
            ("postgres://a@10.0.0.1/g", None, PgSslMode::VerifyFull),
            ("postgres://a@127.0.0.1/g", None, PgSslMode::Prefer),
            ("postgres://a@localhost/g", None, PgSslMode::Prefer),
            (
                "postgres://a@%2Frun%2Fpostgresql/g",
                None,
                PgSslMode::Prefer,
            ),
            (
                "postgres://a@db.example.com/g?sslmode=require",
                None,
                PgSslMode::Require,
            ),
            (
                "postgres://a@db.example.com/g?sslmode=require",
                Some(DatabaseTls::Disable),
                PgSslMode::Disable,
            ),
        ];
        for (url, tls, mode) in cases {
            let found = options_of(url, tls).get_ssl_mode();
            assert_eq!(format!("{found:?}"), format!("{mode:?}"), "{url}");
        }
    }

    #[test]
    fn a_url_that_is_none_is_explained_without_its_password() {
        let config = Config {
            url: "postgres://user:hunter2@host:port/db".into(),
            ..Config::default()
        };
        let error = options(&config).expect_err("no port");
        assert!(error.hint().is_some());
        let shown = format!("{error} {error:?} {config:?}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
