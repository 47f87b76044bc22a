//! ESMTP parameters as columns: small numbers for what has few values, text for what is text.

use super::StoreError;
use super::rows::{damaged, get, parse};
use super::sql::Row;
use crate::clock::Timestamp;
use crate::queue::{Deadline, MessageParameters, SmtpUtf8};
use crate::smtp::{DeliverByMode, MtPriority, Notify, RcptParameters, Ret};

/// What MAIL asked for.
pub(super) fn message_parameters(row: &Row) -> Result<MessageParameters, StoreError> {
    let envid: Option<String> = get(row, "envid")?;
    let held_until: Option<i64> = get(row, "held_until")?;
    Ok(MessageParameters {
        smtputf8: get::<Option<i64>>(row, "smtputf8")?.map(smtputf8),
        require_tls: get::<Option<bool>>(row, "require_tls")?.unwrap_or_default(),
        ret: get::<Option<i64>>(row, "ret")?.map(ret),
        envid: envid.map(|text| parse("ENVID", &text)).transpose()?,
        deliver_by: deadline(row)?,
        mt_priority: mt_priority(row)?,
        held_until: held_until.map(Timestamp::from_millis),
    })
}

/// What RCPT asked for.
pub(super) fn rcpt_parameters(row: &Row) -> Result<RcptParameters, StoreError> {
    let orcpt: Option<String> = get(row, "orcpt")?;
    Ok(RcptParameters {
        notify: get::<Option<i64>>(row, "notify")?.map(notify),
        orcpt: orcpt.map(|text| parse("ORCPT", &text)).transpose()?,
    })
}

/// The number the store keeps for SMTPUTF8.
pub(super) const fn smtputf8_code(smtputf8: SmtpUtf8) -> i64 {
    match smtputf8 {
        SmtpUtf8::AsciiHeader => 1,
        SmtpUtf8::Utf8Header => 2,
    }
}

/// The number the store keeps for RET.
pub(super) const fn ret_code(ret: Ret) -> i64 {
    match ret {
        Ret::Full => 0,
        Ret::Headers => 1,
    }
}

/// The number the store keeps for the mode and trace of a deadline.
pub(super) fn deadline_code(deadline: Deadline) -> i64 {
    i64::from(deadline.returns()) + 2 * i64::from(deadline.trace)
}

/// The number the store keeps for NOTIFY.
pub(super) fn notify_code(notify: Notify) -> i64 {
    i64::from(notify.success) + 2 * i64::from(notify.failure) + 4 * i64::from(notify.delay)
}

const fn smtputf8(code: i64) -> SmtpUtf8 {
    match code {
        1 => SmtpUtf8::AsciiHeader,
        _ => SmtpUtf8::Utf8Header,
    }
}

const fn ret(code: i64) -> Ret {
    match code {
        0 => Ret::Full,
        _ => Ret::Headers,
    }
}

fn deadline(row: &Row) -> Result<Option<Deadline>, StoreError> {
    let at: Option<i64> = get(row, "deliver_by_at")?;
    let code: Option<i64> = get(row, "deliver_by_mode")?;
    Ok(at.zip(code).map(|(at, code)| Deadline {
        at: Timestamp::from_millis(at),
        mode: if code & 1 == 0 {
            DeliverByMode::Notify
        } else {
            DeliverByMode::Return
        },
        trace: code & 2 != 0,
    }))
}

fn mt_priority(row: &Row) -> Result<Option<MtPriority>, StoreError> {
    let Some(value) = get::<Option<i64>>(row, "mt_priority")? else {
        return Ok(None);
    };
    let priority = i8::try_from(value).ok().and_then(MtPriority::new);
    priority
        .map(Some)
        .ok_or_else(|| damaged("MT-PRIORITY", value))
}

const fn notify(code: i64) -> Notify {
    Notify {
        success: code & 1 != 0,
        failure: code & 2 != 0,
        delay: code & 4 != 0,
    }
}
