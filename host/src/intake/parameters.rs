//! What of a client's parameters goes into the queue: times made absolute, the header looked at.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::message::HeaderSection;
use crate::queue::{Deadline, MessageParameters, Priority, SmtpUtf8};
use crate::smtp::{BodyType, Hold, MailParameters, MtPriority};

/// What MAIL asked for, as it is kept for a message received at `now`; `hold` is what it or the header says.
pub fn kept(
    asked: &MailParameters,
    hold: Option<Hold>,
    header: &HeaderSection<'_>,
    now: Timestamp,
) -> MessageParameters {
    MessageParameters {
        smtputf8: asked.smtputf8.then(|| reach(header)),
        require_tls: asked.require_tls,
        ret: asked.ret,
        envid: asked.envid.clone(),
        deliver_by: asked.deliver_by.map(|by| Deadline::new(by, now)),
        mt_priority: asked.mt_priority,
        held_until: hold.and_then(|hold| release(hold, now)),
    }
}

/// When the message is given up: its lifetime begins with its release (RFC 4865), and a deadline of
/// mode `R` ends it early (RFC 2852 §4).
pub fn expiry(parameters: &MessageParameters, now: Timestamp, lifetime: Duration) -> Timestamp {
    let end = parameters.held_until.unwrap_or(now) + lifetime;
    match parameters.deliver_by {
        Some(deadline) if deadline.returns() => end.min(deadline.at),
        _ => end,
    }
}

/// Where a value of RFC 6710 stands on the scale of five; the table is in `wit/FACTS.md`.
pub const fn priority(asked: MtPriority) -> Priority {
    match asked.value() {
        4.. => Priority::Highest,
        1..=3 => Priority::High,
        0 => Priority::Normal,
        -3..=-1 => Priority::Low,
        _ => Priority::Lowest,
    }
}

/// Whether the header itself needs SMTPUTF8. Octets beyond ASCII in a message whose client did not say
/// SMTPUTF8 are left as they are: programs have always sent them so.
fn reach(header: &HeaderSection<'_>) -> SmtpUtf8 {
    if header.fields().all(|field| field.raw().is_ascii()) {
        SmtpUtf8::AsciiHeader
    } else {
        SmtpUtf8::Utf8Header
    }
}

/// RFC 4865 §4: a time that is over means at once.
fn release(hold: Hold, now: Timestamp) -> Option<Timestamp> {
    let at = match hold {
        Hold::For(seconds) => now + Duration::from_secs(u64::from(seconds)),
        Hold::Until(at) => at,
    };
    (at > now).then_some(at)
}

/// What the content is: many clients send 8-bit content without a word about it (RFC 6152 §2), and a next
/// hop must be told, or spared it.
pub(super) const fn body(declared: BodyType, is_ascii: bool) -> BodyType {
    match declared {
        BodyType::SevenBit if !is_ascii => BodyType::EightBitMime,
        declared => declared,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smtp::{DeliverBy, DeliverByMode};

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_millis(NOW.as_millis() + second * 1000)
    }

    fn kept_of(asked: &MailParameters, header: &[u8]) -> MessageParameters {
        let header = HeaderSection::parse(header).expect("a header");
        kept(asked, asked.hold, &header, NOW)
    }

    #[test]
    fn what_is_released_in_the_past_is_released_at_once() {
        let cases = [
            (Hold::For(60), Some(at(60))),
            (Hold::For(0), None),
            (Hold::Until(at(5)), Some(at(5))),
            (Hold::Until(at(-5)), None),
        ];
        for (hold, expected) in cases {
            let asked = MailParameters {
                hold: Some(hold),
                ..MailParameters::default()
            };
            assert_eq!(kept_of(&asked, b"").held_until, expected, "{hold:?}");
        }
    }

    #[test]
    fn a_lifetime_begins_with_the_release_and_ends_with_a_deadline_of_mode_r() {
        let by = |mode| {
            Some(DeliverBy {
                seconds: 30,
                mode,
                trace: false,
            })
        };
        let cases = [
            (None, None, 100),
            (Some(Hold::For(50)), None, 150),
            (None, by(DeliverByMode::Return), 30),
            (None, by(DeliverByMode::Notify), 100),
            (Some(Hold::For(50)), by(DeliverByMode::Return), 30),
        ];
        for (hold, deliver_by, expected) in cases {
            let asked = MailParameters {
                hold,
                deliver_by,
                ..MailParameters::default()
            };
            let found = expiry(&kept_of(&asked, b""), NOW, Duration::from_secs(100));
            assert_eq!(found, at(expected), "{asked:?}");
        }
    }

    #[test]
    fn the_header_is_looked_at_where_smtputf8_was_said() {
        let utf8 = "Subject: Grüße\r\n\r\n".as_bytes();
        let body = "Subject: x\r\n\r\nGrüße\r\n".as_bytes();
        let cases = [
            (false, utf8, None),
            (true, utf8, Some(SmtpUtf8::Utf8Header)),
            (true, body, Some(SmtpUtf8::AsciiHeader)),
        ];
        for (smtputf8, header, expected) in cases {
            let asked = MailParameters {
                smtputf8,
                ..MailParameters::default()
            };
            assert_eq!(kept_of(&asked, header).smtputf8, expected);
        }
    }

    #[test]
    fn the_nineteen_values_stand_on_the_scale_of_five() {
        let expected = [5, 5, 5, 5, 5, 5, 4, 4, 4, 3, 2, 2, 2, 1, 1, 1, 1, 1, 1];
        for (value, number) in (-9..=9).zip(expected) {
            let asked = MtPriority::new(value).expect("in range");
            assert_eq!(priority(asked).number(), number, "{value}");
        }
    }
}
