//! What of the original message a notification returns (RFC 3461 §4.3).

use std::borrow::Cow;

use super::lines::header_section;
use super::{Kind, Notice};
use crate::queue::SmtpUtf8;
use crate::smtp::{BodyType, Ret};

/// Octets of a message that are returned whole. Default 1 MiB; of a larger one the header is.
const MAX_WHOLE: usize = 1024 * 1024;

/// The last part of a notification.
pub(super) struct Returned<'a> {
    pub content_type: &'static str,
    pub octets: Cow<'a, [u8]>,
    /// It is the message and not its header alone.
    pub is_whole: bool,
    /// What was asked for is not what is returned.
    pub is_cut: bool,
}

impl Returned<'_> {
    /// For people.
    pub const fn description(&self) -> &'static str {
        match (self.is_whole, self.is_cut) {
            (true, _) => "Your message is attached.",
            (false, false) => "The header of your message is attached.",
            (false, true) => {
                "The header of your message is attached; as a whole it is too large to be returned, or of a kind that cannot be."
            }
        }
    }
}

/// What this notification returns.
pub(super) fn returned<'a>(notice: &Notice<'a>) -> Returned<'a> {
    let is_utf8 = notice.original.parameters.smtputf8 == Some(SmtpUtf8::Utf8Header);
    let is_wanted = wants_whole(notice);
    if is_wanted && is_at_hand(notice) {
        return Returned {
            content_type: if is_utf8 {
                "message/global"
            } else {
                "message/rfc822"
            },
            octets: Cow::Borrowed(notice.head),
            is_whole: true,
            is_cut: false,
        };
    }
    Returned {
        // RFC 6533 §6: a header beyond ASCII has its own type.
        content_type: if is_utf8 {
            "message/global-headers"
        } else {
            "text/rfc822-headers; charset=utf-8"
        },
        octets: Cow::Owned(header_section(notice.head).into_bytes()),
        is_whole: false,
        is_cut: is_wanted,
    }
}

/// RFC 3461 §4.3: RET is about failures. RFC 8689 §5: `REQUIRETLS` counts as `RET=HDRS`.
fn wants_whole(notice: &Notice<'_>) -> bool {
    let parameters = &notice.original.parameters;
    notice.kind == Kind::Failure && parameters.ret == Some(Ret::Full) && !parameters.require_tls
}

/// Only what lies in one piece and can stand in a message of lines.
fn is_at_hand(notice: &Notice<'_>) -> bool {
    notice.head.len() as u64 == notice.original_size
        && notice.head.len() <= MAX_WHOLE
        && notice.original.body != BodyType::BinaryMime
}
