//! What can go wrong in the store, and whose fault it is.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use sqlx::postgres::PgDatabaseError;
use sqlx::sqlite::SqliteError;

/// A failure of the store. Cheap to clone, for everyone who waited for the same transaction hears of it.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The URL names a kind of database this build cannot use.
    #[error("cannot use a `{scheme}` database as the store")]
    Unsupported {
        /// What stands before the colon.
        scheme: String,
    },
    /// The URL does not name a file.
    #[error("`{url}` does not name a database file")]
    MalformedUrl {
        /// The whole URL.
        url: String,
    },
    /// The URL of a server cannot be read.
    #[error("`{url}` does not name a database server")]
    MalformedServer {
        /// The URL without what is secret in it.
        url: String,
        /// Why.
        source: Arc<sqlx::Error>,
    },
    /// The database cannot be opened, made or reached.
    #[error("cannot open the store {store}")]
    Open {
        /// The database.
        store: String,
        /// Why.
        source: Arc<sqlx::Error>,
    },
    /// The database file cannot be made.
    #[error("cannot create the store {}", path.display())]
    Create {
        /// The database file.
        path: PathBuf,
        /// Why.
        source: Arc<io::Error>,
    },
    /// The file is not a database, or one of another program.
    #[error("{store} is not a gatepost store")]
    Foreign {
        /// The database.
        store: String,
    },
    /// There is nothing to copy from.
    #[error("there is no store at {store}")]
    Missing {
        /// The database.
        store: String,
    },
    /// What is to be copied into has something.
    #[error("{store} is not empty")]
    NotEmpty {
        /// The database.
        store: String,
    },
    /// Other processes work on what is copied.
    #[error("other processes use the store {store}")]
    Busy {
        /// The database.
        store: String,
    },
    /// The copy of a table is not what was read.
    #[error("the copy of the table {table} differs from what it was made of")]
    Differs {
        /// The table.
        table: String,
    },
    /// A newer release has changed the store in a way that older ones cannot use.
    #[error(
        "the store {store} has schema version {found}; this release knows versions up to {known}, and cannot use this one"
    )]
    NewerSchema {
        /// The database.
        store: String,
        /// The version it has.
        found: i64,
        /// The newest version known here.
        known: i64,
    },
    /// Another server owns the queue.
    #[error("another server is using the queue of {}", path.display())]
    QueueLocked {
        /// The database file.
        path: PathBuf,
    },
    /// The lock file cannot be used.
    #[error("cannot lock the queue with {}", path.display())]
    Lock {
        /// The lock file.
        path: PathBuf,
        /// Why.
        source: Arc<io::Error>,
    },
    /// Something of that name exists already.
    #[error("{what} exists already")]
    Conflict {
        /// What was to be made.
        what: String,
    },
    /// There is no such thing.
    #[error("there is no {what}")]
    NotFound {
        /// What was asked for.
        what: String,
    },
    /// It cannot be deleted while something needs it.
    #[error("cannot delete {what}: it still has {holder}")]
    InUse {
        /// What was to be deleted.
        what: String,
        /// What needs it.
        holder: String,
    },
    /// Nobody could let anybody in any more.
    #[error("this is the last active operator")]
    LastOperator,
    /// The database found the data itself wrong; trying again will not help.
    #[error("cannot {attempt}: the store refuses the data")]
    Refused {
        /// What was attempted.
        attempt: &'static str,
        /// Why.
        source: Arc<sqlx::Error>,
    },
    /// Nothing is known to have been written, and nothing is accepted until the store works again.
    #[error("cannot {attempt}: the store is not available")]
    Unavailable {
        /// What was attempted.
        attempt: &'static str,
        /// Why.
        source: Arc<sqlx::Error>,
    },
    /// The message is claimed by another node, or by none.
    #[error("the message belongs to another node by now")]
    Disowned,
    /// The store is closed.
    #[error("the store is closed")]
    Closed,
    /// Reading failed.
    #[error("cannot read {what} from the store")]
    Read {
        /// What was read.
        what: &'static str,
        /// Why.
        source: Arc<sqlx::Error>,
    },
    /// The store holds a value that this release would never write.
    #[error("the store holds an impossible {what}: `{value}`")]
    Damaged {
        /// What the value should be.
        what: &'static str,
        /// The value.
        value: String,
    },
}

impl StoreError {
    /// What the person who meets the error can do, as one sentence.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Unsupported { .. } | Self::MalformedUrl { .. } => {
                "set store.url to sqlite:// and the path of a file, for example \"sqlite://gatepost.db\""
            }
            Self::MalformedServer { .. } => {
                "write store.url as postgres://USER:PASSWORD@HOST:PORT/DATABASE"
            }
            Self::Open { store, source } if is_server(store) => server_hint(source),
            Self::Open { .. } | Self::Create { .. } | Self::Lock { .. } => {
                "the folder of store.url must exist and be writable for this user, and so must the file"
            }
            Self::Foreign { .. } => {
                "point store.url at a store of gatepost, at a file that does not exist yet, or at an empty database"
            }
            Self::Missing { .. } => "check the path; the configuration's store is store.url",
            Self::NotEmpty { .. } => "copy into a new file, or into a database that was just made",
            Self::Busy { .. } => "stop every relay and every command that uses it first",
            Self::Differs { .. } => "nothing was written; copy again, and report it if it stays so",
            Self::NewerSchema { .. } => "use the release that wrote the store, or a newer one",
            Self::QueueLocked { .. } => {
                "stop the other server, or give this one a store.url of its own"
            }
            Self::InUse { .. } => {
                "delete the users first, and let the queue deliver or delete its messages"
            }
            Self::LastOperator => "make another operator first",
            Self::Unavailable { .. } if self.is_read_only() => READ_ONLY_HINT,
            Self::Unavailable { .. } => {
                "look at the free space and the permissions of the store's folder, or at its server; it is tried again by itself"
            }
            Self::Damaged { .. } => {
                "restore the store from a backup, or ask for help with this message"
            }
            _ => return None,
        })
    }

    /// True when the job itself is wrong, so that others in its transaction may go on without it.
    pub(super) const fn is_fault_of_job(&self) -> bool {
        matches!(
            self,
            Self::Conflict { .. }
                | Self::NotFound { .. }
                | Self::InUse { .. }
                | Self::LastOperator
                | Self::Refused { .. }
        )
    }

    /// True when others wrote the same rows in another order, so that doing it again may well succeed.
    pub(super) fn is_collision(&self) -> bool {
        let Self::Unavailable { source, .. } = self else {
            return false;
        };
        // "serialization failure" and "deadlock detected".
        matches!(state(source).as_deref(), Some("40001" | "40P01"))
    }

    /// True when the server answers and takes no writes.
    pub(super) fn is_read_only(&self) -> bool {
        matches!(self, Self::Unavailable { source, .. } if is_read_only(source))
    }

    /// Classifies what the database said about a write.
    pub(super) fn writing(attempt: &'static str, error: sqlx::Error) -> Self {
        let source = Arc::new(error);
        if is_data_fault(&source) {
            Self::Refused { attempt, source }
        } else {
            Self::Unavailable { attempt, source }
        }
    }

    /// What the database said about a read.
    pub(super) fn reading(what: &'static str, error: sqlx::Error) -> Self {
        Self::Read {
            what,
            source: Arc::new(error),
        }
    }

    /// What the database said when it was opened.
    pub(super) fn opening(store: impl Into<String>, error: sqlx::Error) -> Self {
        let store = store.into();
        if primary_code(&error) == Some(SQLITE_NOTADB) {
            return Self::Foreign { store };
        }
        Self::Open {
            store,
            source: Arc::new(error),
        }
    }
}

/// The row or value is too big.
const SQLITE_TOOBIG: i64 = 18;
/// A constraint does not hold.
const SQLITE_CONSTRAINT: i64 = 19;
/// A value is of the wrong type.
const SQLITE_MISMATCH: i64 = 20;
/// The file is something else.
const SQLITE_NOTADB: i64 = 26;

fn is_data_fault(error: &sqlx::Error) -> bool {
    match state(error) {
        // Classes 22 "data exception" and 23 "integrity constraint violation".
        Some(state) => state.starts_with("22") || state.starts_with("23"),
        None => matches!(
            primary_code(error),
            Some(SQLITE_TOOBIG | SQLITE_CONSTRAINT | SQLITE_MISMATCH)
        ),
    }
}

/// The five letters and digits by which PostgreSQL names an error (its manual, appendix A).
fn state(error: &sqlx::Error) -> Option<String> {
    let error = error.as_database_error()?;
    error.try_downcast_ref::<PgDatabaseError>()?;
    error.code().map(String::from)
}

/// SQLite's result code without its extension (the low eight bits).
fn primary_code(error: &sqlx::Error) -> Option<i64> {
    let error = error.as_database_error()?;
    error.try_downcast_ref::<SqliteError>()?;
    let code = error.code()?;
    code.parse::<i64>().ok().map(|code| code & 0xff)
}

/// What to do about a server that takes no writes.
const READ_ONLY_HINT: &str = "the server is a standby or set to read-only: promote it, or lead store.url to the primary; \
     it is tried again by itself";

/// True when the server answers and takes no writes: "read only sql transaction".
pub(super) fn is_read_only(error: &sqlx::Error) -> bool {
    state(error).as_deref() == Some("25006")
}

fn is_server(store: &str) -> bool {
    store.starts_with("postgres")
}

/// Whether the server has proven who it is, or not.
fn is_about_certificates(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Tls(_) => true,
        sqlx::Error::Io(error) => error.get_ref().is_some_and(|cause| {
            matches!(
                cause.downcast_ref(),
                Some(rustls::Error::InvalidCertificate(_))
            )
        }),
        _ => false,
    }
}

fn server_hint(error: &sqlx::Error) -> &'static str {
    match (error, state(error).as_deref()) {
        (_, Some("28P01")) => "check the user and the password in store.url",
        (_, Some("28000")) => {
            "the server lets this user, host or encryption not in: look at its pg_hba.conf, and at store.tls"
        }
        (_, Some("3D000")) => "make the database first, for example with `createdb gatepost`",
        (_, Some("25006")) => READ_ONLY_HINT,
        (_, Some("42501")) => {
            "the user must own the database or its schema: GRANT ALL ON SCHEMA public TO its name"
        }
        (error, _) if is_about_certificates(error) => {
            "set store.root-certificate to the authority of the server's certificate; the name in store.url must be in it"
        }
        _ => "the server of store.url must run and let this machine in",
    }
}

#[cfg(test)]
mod tests {
    use rustls::CertificateError::UnknownIssuer;

    use super::*;

    #[test]
    fn who_does_not_know_the_servers_authority_is_told_to_name_it() {
        let unknown = io::Error::other(rustls::Error::InvalidCertificate(UnknownIssuer));
        let error = StoreError::opening("postgres://a@db/g", sqlx::Error::Io(unknown));
        assert!(
            error
                .hint()
                .is_some_and(|hint| hint.contains("root-certificate"))
        );
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        let error = StoreError::opening("postgres://a@db/g", sqlx::Error::Io(refused));
        assert!(error.hint().is_some_and(|hint| hint.contains("must run")));
    }
}
