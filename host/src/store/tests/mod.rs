//! What every database under the store must do; instantiated once for each of them.

mod accounts;
mod alerts;
mod census;
#[expect(dead_code, reason = "the rest is for the system tests")]
#[path = "../../../../tests/src/postgres.rs"]
mod cluster;
mod content;
mod copying;
mod decisions;
mod failures;
mod limits;
mod nodes;
mod orders;
mod parameters;
mod queue;
mod search;
mod server;
mod statistics;
mod sts;
mod webhooks;

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::sql::{QueryBuilder, Row};
use super::{Config, NewUser, Store};
use crate::accounts::Allowance;
use crate::clock::Timestamp;
use crate::id::{QueueId, QueueIds};
use crate::queue::{
    Attempt, AttemptRecord, Content, MessageMeta, MessageParameters, NewMessage, Outcome, Priority,
    RecipientStatus, RecordedAttempt, RemoteReply,
};
use crate::secret::Secret;
use crate::smtp::{BodyType, Mailbox};

/// Instantiates behaviours for both databases.
macro_rules! contract {
    ($($behaviour:ident),* $(,)?) => {
        mod sqlite {
            $(
                #[tokio::test]
                async fn $behaviour() {
                    super::$behaviour($crate::store::tests::Bench::sqlite().await).await;
                }
            )*
        }

        mod postgres {
            $(
                #[tokio::test]
                async fn $behaviour() {
                    super::$behaviour($crate::store::tests::Bench::postgres().await).await;
                }
            )*
        }
    };
}
use contract;

/// A store in a folder of its own, deleted with it.
pub(super) struct Bench {
    store: Store,
    config: Config,
    folder: Folder,
    ids: QueueIds,
}

impl Bench {
    pub(super) async fn sqlite() -> Self {
        Self::sqlite_with(Config::default()).await
    }

    pub(super) async fn postgres() -> Self {
        Self::postgres_with(Config::default()).await
    }

    async fn sqlite_with(config: Config) -> Self {
        let folder = Folder::new();
        let url = format!("sqlite://{}", folder.database().display());
        Self::of(config, folder, url).await
    }

    async fn postgres_with(config: Config) -> Self {
        let url = cluster::Cluster::shared().database();
        Self::of(config, Folder::new(), url).await
    }

    async fn of(config: Config, folder: Folder, url: String) -> Self {
        let config = Config {
            url: url.into(),
            search_index: folder.0.join("search"),
            ..config
        };
        Self {
            store: Store::open(&config).await.expect("a new store opens"),
            config,
            folder,
            ids: QueueIds::new(),
        }
    }

    /// As another process would: on the same database, with connections of its own.
    async fn another(&self) -> Store {
        Store::open(&self.config)
            .await
            .expect("a store opens twice")
    }

    /// True when no message is open.
    async fn is_empty(&self) -> bool {
        let open = self.open_messages(None, 10).await.expect("readable");
        open.is_empty()
    }

    /// The name of its database on a server.
    fn database(&self) -> &str {
        let path = self.config.url.expose().split('?').next();
        path.and_then(|path| path.rsplit('/').next())
            .unwrap_or_default()
    }

    /// Closes the store and opens it again.
    async fn reopen(&mut self) {
        self.store.close().await;
        self.store = self.another().await;
    }

    fn path(&self) -> &Path {
        &self.folder.0
    }

    fn new_message(&self, recipients: &[&str]) -> NewMessage {
        message(self.ids.next(), recipients)
    }

    /// Accepts a message to these recipients.
    async fn accepted(&self, recipients: &[&str]) -> QueueId {
        let message = self.new_message(recipients);
        let id = message.id;
        let accepted = self.store.accept(Arc::new(message), Vec::new()).await;
        accepted.expect("the message is accepted");
        id
    }

    fn is_on_server(&self) -> bool {
        self.config.url.is_postgres()
    }

    /// How SQLite means to find what a statement asks for.
    async fn plan(&self, statement: &str) -> Vec<String> {
        let mut explain = QueryBuilder::new(format!("EXPLAIN QUERY PLAN {statement}"));
        let steps = explain.build().fetch_all(&self.shared.readers).await;
        let detail = |step: &Row| step.try_get("detail").expect("each step has one");
        steps.expect("a plan").iter().map(detail).collect()
    }

    async fn list(&self, name: &str) -> i64 {
        self.store.create_list(name).await.expect("a new name").id
    }
}

impl Deref for Bench {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}

/// A folder of its own, deleted with it.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new() -> Self {
        Self(scratch())
    }

    /// Where the database is, if there is one.
    pub(super) fn database(&self) -> PathBuf {
        self.0.join("store.db")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be deleted is left to the system's own cleaning.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn scratch() -> PathBuf {
    let folder = std::env::temp_dir().join(format!("gatepost-{}", crate::id::session_id()));
    std::fs::create_dir(&folder).expect("the temporary folder is writable");
    folder
}

const RECEIVED: Timestamp = Timestamp::from_millis(1_800_000_000_000);

fn message(id: QueueId, recipients: &[&str]) -> NewMessage {
    let head = Bytes::from(format!("Subject: {id}\r\n\r\nHello\r\n"));
    NewMessage {
        id,
        meta: MessageMeta {
            list_id: Some(7),
            username: "s7_1".to_owned(),
            reverse_path: Some("shop@example.com".parse().expect("a mailbox")),
            priority: Priority::High,
            body: BodyType::EightBitMime,
            parameters: MessageParameters::default(),
            subject: "Grüße".to_owned(),
            message_id: "<1@example.com>".to_owned(),
            session_id: "session".to_owned(),
            rule: "sender-rules/authorized-domain".to_owned(),
            received_at: RECEIVED,
            expires_at: RECEIVED + Duration::from_secs(86_400),
            way: crate::queue::Way::default(),
            origin: crate::queue::Origin::default(),
        },
        recipients: recipients
            .iter()
            .map(|text| text.parse::<Mailbox>().expect("a mailbox").into())
            .collect(),
        content: Content {
            size: head.len() as u64,
            head,
            staged_chunks: 0,
        },
    }
}

/// The record of one attempt, `minutes` after the message was received.
fn record(id: QueueId, recipient: u32, status: RecipientStatus, minutes: u64) -> AttemptRecord {
    let reply = RemoteReply {
        code: 250,
        text: "2.0.0 as you say".to_owned(),
    };
    let at = RECEIVED + Duration::from_secs(60 * minutes);
    AttemptRecord {
        id,
        attempts: vec![RecordedAttempt {
            attempt: Attempt {
                tls: "1.3, not verified".to_owned(),
                recipient,
                began_at: Some(at - Duration::from_millis(40)),
                at,
                next_hop: "mx.example.net:25".to_owned(),
                outcome: match status {
                    RecipientStatus::Delivered => Outcome::Delivered(reply),
                    RecipientStatus::Deferred => Outcome::Deferred(reply),
                    _ => Outcome::Failed(reply),
                },
            },
            status,
            due_at: at + Duration::from_secs(60),
            delay_told_at: None,
        }],
    }
}

fn new_user(list_id: i64) -> NewUser {
    NewUser {
        list_id,
        password_hash: Secret::new("$argon2id$hunter2".to_owned()),
        scram_verifier: Some(Secret::new("SCRAM-SHA-256$hunter2".to_owned())),
        priority: Priority::Normal,
        note: "the shop".to_owned(),
        active: true,
        authorized_domains: "example.com".to_owned(),
        authorized_senders: String::new(),
        policy_settings: crate::accounts::PolicySettings::default(),
        messages_per_hour: Allowance::Default,
        messages_per_day: Allowance::Default,
        urgent_per_hour: Allowance::Default,
        urgent_per_day: Allowance::Default,
    }
}
