//! From rows to types: whatever a row holds that cannot be is an error, never a panic.

use std::fmt::Display;
use std::str::FromStr;

use super::sql::{Column, Row};
use super::{StoreError, columns};
use crate::accounts::{
    Account, Allowance, Limit, List, PolicySettings, Suspension, Unauthorized, User,
};
use crate::alert::{About, Alert, Kind, Severity};
use crate::clock::Timestamp;
use crate::id::QueueId;
use crate::queue::{
    Attempt, MessageMeta, OpenRecipient, Origin, Outcome, Priority, RecipientDetails,
    RecipientStatus, RemoteReply, Way,
};
use crate::secret::Secret;
use crate::smtp::{BodyType, Mailbox};

/// The column as it is.
pub(super) fn get<'r, T: Column<'r>>(row: &'r Row, column: &'static str) -> Result<T, StoreError> {
    row.try_get(column)
        .map_err(|error| StoreError::reading(column, error))
}

/// A list; its columns are called `list_…` so that they can be joined to others.
pub(super) fn list(row: &Row) -> Result<List, StoreError> {
    Ok(List {
        id: get(row, "list_id")?,
        name: get(row, "list_name")?,
        unauthorized: get::<Option<i64>>(row, "list_unauthorized")?.map(unauthorized),
        check: get(row, "list_check")?,
        display_importance: get(row, "list_display_importance")?,
        route: get(row, "list_route")?,
        policy_settings: policy_settings(row, "list_policy_settings")?,
        created_at: timestamp(row, "list_created_at")?,
    })
}

/// A user.
pub(super) fn user(row: &Row) -> Result<User, StoreError> {
    Ok(User {
        id: get(row, "id")?,
        list_id: get(row, "list_id")?,
        username: get(row, "username")?,
        active: get(row, "active")?,
        priority: priority(row)?,
        note: get(row, "note")?,
        authorized_domains: get(row, "authorized_domains")?,
        authorized_senders: get(row, "authorized_senders")?,
        policy_settings: policy_settings(row, "policy_settings")?,
        messages_per_hour: allowance(row, "messages_per_hour")?,
        messages_per_day: allowance(row, "messages_per_day")?,
        urgent_per_hour: allowance(row, "urgent_per_hour")?,
        urgent_per_day: allowance(row, "urgent_per_day")?,
        suspension: suspension(row)?,
        counting_since: get::<Option<i64>>(row, "counting_since")?.map(Timestamp::from_millis),
        credential_version: get(row, "credential_version")?,
        password_hash: Secret::new(get(row, "password_hash")?),
        scram_verifier: get::<Option<String>>(row, "scram_verifier")?.map(Secret::new),
        created_at: timestamp(row, "created_at")?,
    })
}

fn policy_settings(row: &Row, column: &'static str) -> Result<PolicySettings, StoreError> {
    let Some(document) = get::<Option<String>>(row, column)? else {
        return Ok(PolicySettings::default());
    };
    PolicySettings::parse(&document).ok_or_else(|| damaged("policy settings", document))
}

/// A user with its list.
pub(super) fn account(row: &Row) -> Result<Account, StoreError> {
    Ok(Account {
        user: user(row)?,
        list: list(row)?,
    })
}

/// What is known about a message.
pub(super) fn message_meta(row: &Row) -> Result<MessageMeta, StoreError> {
    Ok(MessageMeta {
        list_id: get(row, "list_id")?,
        username: get(row, "username")?,
        reverse_path: get::<Option<String>>(row, "reverse_path")?
            .map(|text| path("reverse-path", &text))
            .transpose()?,
        priority: priority(row)?,
        body: body_type(get(row, "body")?),
        parameters: columns::message_parameters(row)?,
        subject: get(row, "subject")?,
        message_id: get(row, "message_id")?,
        session_id: get(row, "session_id")?,
        rule: get(row, "rule")?,
        received_at: timestamp(row, "received_at")?,
        expires_at: timestamp(row, "expires_at")?,
        way: Way {
            route: get(row, "route")?,
            hold: get(row, "hold")?,
            released_at: get::<Option<i64>>(row, "released_at")?.map(Timestamp::from_millis),
        },
        origin: Origin {
            client: get::<Option<String>>(row, "client")?.unwrap_or_default(),
            requested_priority: get::<Option<i64>>(row, "requested_priority")?
                .and_then(Priority::from_number),
            notice_of: get::<Option<i64>>(row, "notice_of")?.map(QueueId::from_i64),
        },
    })
}

/// A recipient that is still to be served.
pub(super) fn open_recipient(row: &Row) -> Result<OpenRecipient, StoreError> {
    Ok(OpenRecipient {
        index: count(row, "position")?,
        mailbox: mailbox(row)?,
        parameters: columns::rcpt_parameters(row)?,
        attempts: count(row, "attempts")?,
        due_at: timestamp(row, "due_at")?,
        delay_told_at: get::<Option<i64>>(row, "delay_told_at")?.map(Timestamp::from_millis),
    })
}

/// A recipient, open or not.
pub(super) fn recipient(row: &Row) -> Result<RecipientDetails, StoreError> {
    let code: i64 = get(row, "status")?;
    Ok(RecipientDetails {
        index: count(row, "position")?,
        mailbox: mailbox(row)?,
        parameters: columns::rcpt_parameters(row)?,
        status: RecipientStatus::from_code(code).ok_or_else(|| damaged("status", code))?,
        attempts: count(row, "attempts")?,
        due_at: timestamp(row, "due_at")?,
    })
}

/// One attempt of the timeline.
pub(super) fn attempt(row: &Row) -> Result<Attempt, StoreError> {
    let reply = RemoteReply {
        code: u16::try_from(get::<i64>(row, "reply_code")?)
            .map_err(|_| damaged("reply code", "out of range"))?,
        text: get(row, "reply_text")?,
    };
    Ok(Attempt {
        recipient: count(row, "recipient")?,
        began_at: get::<Option<i64>>(row, "began_at")?.map(Timestamp::from_millis),
        at: timestamp(row, "ended_at")?,
        next_hop: get(row, "next_hop")?,
        tls: get(row, "tls")?,
        outcome: match get::<i64>(row, "outcome")? {
            0 => Outcome::Delivered(reply),
            1 => Outcome::Deferred(reply),
            2 => Outcome::Failed(reply),
            code => return Err(damaged("outcome", code)),
        },
    })
}

/// An alert.
pub(super) fn alert(row: &Row) -> Result<Alert, StoreError> {
    Ok(Alert {
        id: get(row, "id")?,
        list: get(row, "list_name")?,
        kind: Kind::from_name(&get::<String>(row, "kind")?),
        severity: Severity::from_code(get(row, "severity")?),
        user: get(row, "username")?,
        summary: get(row, "summary")?,
        about: About {
            message: get::<Option<i64>>(row, "message_id")?.map(QueueId::from_i64),
            sender: get(row, "sender")?,
            rule: get(row, "rule")?,
        },
        count: get(row, "occurrences")?,
        first_at: timestamp(row, "first_at")?,
        last_at: timestamp(row, "last_at")?,
    })
}

/// The list that a row belongs to; the whole relay has the number 0.
pub(super) fn list_id(row: &Row) -> Result<Option<i64>, StoreError> {
    Ok(Some(get(row, "list_id")?).filter(|&id: &i64| id != 0))
}

/// The identifier of a message.
pub(super) fn queue_id(row: &Row, column: &'static str) -> Result<QueueId, StoreError> {
    get(row, column).map(QueueId::from_i64)
}

/// A point in time.
pub(super) fn timestamp(row: &Row, column: &'static str) -> Result<Timestamp, StoreError> {
    get(row, column).map(Timestamp::from_millis)
}

/// A number that is never negative.
pub(super) fn count<T: TryFrom<i64>>(row: &Row, column: &'static str) -> Result<T, StoreError> {
    let number: i64 = get(row, column)?;
    T::try_from(number).map_err(|_| damaged(column, number))
}

/// The number the store keeps for an outcome.
pub(super) const fn outcome_code(outcome: &Outcome) -> i64 {
    match outcome {
        Outcome::Delivered(_) => 0,
        Outcome::Deferred(_) => 1,
        Outcome::Failed(_) => 2,
    }
}

/// The number the store keeps for a list's rule.
pub(super) const fn unauthorized_code(rule: Unauthorized) -> i64 {
    match rule {
        Unauthorized::Alert => 0,
        Unauthorized::Block => 1,
    }
}

/// The number the store keeps for how much a user may send.
pub(super) fn allowance_code(allowance: Allowance) -> Option<i64> {
    match allowance {
        Allowance::Default => None,
        Allowance::Own(Limit(limit)) => Some(limit.map_or(0, |number| i64::from(number.get()))),
    }
}

/// The number the store keeps for a body type.
pub(super) const fn body_code(body: BodyType) -> i64 {
    match body {
        BodyType::SevenBit => 0,
        BodyType::EightBitMime => 1,
        BodyType::BinaryMime => 2,
    }
}

fn allowance(row: &Row, column: &'static str) -> Result<Allowance, StoreError> {
    let Some(code) = get::<Option<i64>>(row, column)? else {
        return Ok(Allowance::Default);
    };
    let number = u32::try_from(code).map_err(|_| damaged(column, code))?;
    Ok(Allowance::Own(Limit::at_most(number)))
}

fn suspension(row: &Row) -> Result<Option<Suspension>, StoreError> {
    let at: Option<i64> = get(row, "suspended_at")?;
    let reason: Option<String> = get(row, "suspended_because")?;
    Ok(at.map(|at| Suspension {
        at: Timestamp::from_millis(at),
        reason: reason.unwrap_or_default(),
    }))
}

const fn unauthorized(code: i64) -> Unauthorized {
    match code {
        0 => Unauthorized::Alert,
        _ => Unauthorized::Block,
    }
}

const fn body_type(code: i64) -> BodyType {
    match code {
        0 => BodyType::SevenBit,
        2 => BodyType::BinaryMime,
        _ => BodyType::EightBitMime,
    }
}

/// A priority.
pub(super) fn priority(row: &Row) -> Result<Priority, StoreError> {
    let number: i64 = get(row, "priority")?;
    Priority::from_number(number).ok_or_else(|| damaged("priority", number))
}

fn mailbox(row: &Row) -> Result<Mailbox, StoreError> {
    path("mailbox", get(row, "mailbox")?)
}

/// RFC 6531: with SMTPUTF8 a path goes beyond US-ASCII.
fn path(what: &'static str, text: &str) -> Result<Mailbox, StoreError> {
    Mailbox::parse_utf8(text).map_err(|_| damaged(what, text))
}

pub(super) fn parse<T: FromStr>(what: &'static str, text: &str) -> Result<T, StoreError> {
    text.parse().map_err(|_| damaged(what, text))
}

pub(super) fn damaged(what: &'static str, value: impl Display) -> StoreError {
    StoreError::Damaged {
        what,
        value: value.to_string(),
    }
}
