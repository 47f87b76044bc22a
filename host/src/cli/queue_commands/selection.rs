//! Which messages a command of `gatepost queue …` is about.

use clap::{Args, ValueEnum};

use crate::cli::Failure;
use crate::cli::account_commands::find_list;
use crate::cli::when::When;
use crate::id::QueueId;
use crate::queue::{MessageFilter, MessageStatus, Priority, canonical_domain};
use crate::store::Store;

/// Properties of messages; all of those given must hold.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Which messages")]
pub struct Properties {
    /// Only those of this list
    #[arg(long, value_name = "NAME")]
    list: Option<String>,
    /// Only those of this user
    #[arg(long, value_name = "USERNAME")]
    user: Option<String>,
    /// Only those with this envelope sender; `@example.com` is all of a domain, `<>` that of notifications
    #[arg(long, value_name = "ADDRESS")]
    sender: Option<String>,
    /// Only those with a recipient at this domain
    #[arg(long, value_name = "DOMAIN")]
    recipient_domain: Option<String>,
    /// Only those of this effective priority, 1 to 5
    #[arg(long, value_name = "1-5")]
    priority: Option<Priority>,
    /// Only those that stand there
    #[arg(long, value_enum)]
    status: Option<Status>,
    /// Only those accepted longer ago: 90m, 12h, 7d; or before 2026-11-24T06:00:00Z
    #[arg(long, value_name = "WHEN")]
    older_than: Option<When>,
    /// Only those accepted since then
    #[arg(long, value_name = "WHEN")]
    newer_than: Option<When>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Status {
    Held,
    Scheduled,
    Queued,
    Deferred,
    Delivered,
    Partial,
    Failed,
    Expired,
    Cancelled,
}

impl Status {
    const fn status(self) -> MessageStatus {
        match self {
            Self::Held => MessageStatus::Held,
            Self::Scheduled => MessageStatus::Scheduled,
            Self::Queued => MessageStatus::Queued,
            Self::Deferred => MessageStatus::Deferred,
            Self::Delivered => MessageStatus::Delivered,
            Self::Partial => MessageStatus::Partial,
            Self::Failed => MessageStatus::Failed,
            Self::Expired => MessageStatus::Expired,
            Self::Cancelled => MessageStatus::Cancelled,
        }
    }

    /// True when every recipient is settled there.
    const fn is_final(self) -> bool {
        !matches!(
            self,
            Self::Held | Self::Scheduled | Self::Queued | Self::Deferred
        )
    }
}

impl Properties {
    /// True when none is given.
    fn is_empty(&self) -> bool {
        self.list.is_none()
            && self.user.is_none()
            && self.sender.is_none()
            && self.recipient_domain.is_none()
            && self.priority.is_none()
            && self.status.is_none()
            && self.older_than.is_none()
            && self.newer_than.is_none()
    }

    /// True when only finished messages can have them.
    pub fn are_of_finished(&self) -> bool {
        self.status.is_some_and(Status::is_final)
    }

    /// The filter that says the same.
    ///
    /// # Errors
    /// When there is no such list.
    pub async fn filter(&self, store: &Store) -> Result<MessageFilter, Failure> {
        let list = match &self.list {
            Some(name) => Some(find_list(store, name).await?.id),
            None => None,
        };
        let domain = self.recipient_domain.as_deref();
        Ok(MessageFilter {
            list,
            user: self.user.clone(),
            sender: self.sender.clone(),
            recipient_domain: domain.map(|name| canonical_domain(name.trim_start_matches('@'))),
            priority: self.priority,
            status: self.status.map(Status::status),
            received_before: self.older_than.map(|When(at)| at),
            received_after: self.newer_than.map(|When(at)| at),
            ..MessageFilter::default()
        })
    }
}

/// Messages that a command changes: by name, by their properties, or all of them.
#[derive(Debug, Clone, Args)]
pub struct Selection {
    /// Their queue ids, as in the reply `250 2.0.0 queued as …`
    #[arg(value_name = "ID", conflicts_with = "all")]
    pub ids: Vec<QueueId>,
    /// All that wait
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    properties: Properties,
    /// Change nothing; tell how many messages and recipients it would concern
    #[arg(long)]
    pub dry_run: bool,
}

impl Selection {
    /// The filter that says the same.
    ///
    /// # Errors
    /// When nothing says which messages, or there is no such list.
    pub async fn filter(&self, store: &Store) -> Result<MessageFilter, Failure> {
        if self.ids.is_empty() && !self.all && self.properties.is_empty() {
            let hint = "name messages by their ids, or say --list, --user, --sender, --recipient-domain, --priority, \
                 --status, --older-than or --newer-than; --all means everything that waits, and --dry-run only counts";
            return Err(Failure::message("no message is selected").hint(hint));
        }
        let ids = (!self.ids.is_empty()).then(|| self.ids.clone());
        Ok(MessageFilter {
            ids,
            ..self.properties.filter(store).await?
        })
    }
}
