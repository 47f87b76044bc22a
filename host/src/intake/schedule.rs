//! When a message is to be sent: what MAIL says (RFC 4865), or what the header says.

use std::time::Duration;

use super::Rejection;
use crate::clock::Timestamp;
use crate::message::HeaderSection;
use crate::smtp::{Hold, MailParameters};

/// What was asked for, as far ahead as `max` allows.
///
/// # Errors
/// The final reply: the field cannot be read, contradicts MAIL, or is too far ahead. Nothing is sent at a guess.
pub(super) fn hold(
    asked: &MailParameters,
    header: &HeaderSection<'_>,
    max: Duration,
    now: Timestamp,
) -> Result<Option<Hold>, Rejection> {
    let read = header
        .schedule()
        .map_err(|error| Rejection::schedule((5, 6, 0), error.to_string()))?;
    let Some(at) = read else {
        return Ok(asked.hold);
    };
    if asked.hold.is_some() {
        let text =
            "X-Gatepost-Schedule and HOLDFOR or HOLDUNTIL exclude each other; use one of them";
        return Err(Rejection::schedule((5, 6, 0), text.to_owned()));
    }
    if max.is_zero() {
        let text = "X-Gatepost-Schedule: this relay sends no message later; remove the field";
        return Err(Rejection::schedule((5, 7, 1), text.to_owned()));
    }
    let latest = now + max;
    if at > latest {
        let text = format!(
            "X-Gatepost-Schedule is too far ahead: at most {} seconds, until {}",
            max.as_secs(),
            latest.to_whole_seconds()
        );
        return Err(Rejection::schedule((5, 7, 1), text));
    }
    Ok(Some(Hold::Until(at)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_801_378_800_000);
    const HOUR: Duration = Duration::from_secs(3600);

    /// The hold, or the reply.
    fn held(value: &str, asked: Option<Hold>, max: Duration) -> Result<Option<Hold>, String> {
        let text = format!("X-Gatepost-Schedule: {value}\r\n\r\n");
        let header = HeaderSection::parse(text.as_bytes()).expect("a header");
        let asked = MailParameters {
            hold: asked,
            ..MailParameters::default()
        };
        hold(&asked, &header, max, NOW).map_err(|it| it.reply.to_string())
    }

    #[test]
    fn a_time_within_the_limit_is_a_hold() {
        let within = (NOW + HOUR).to_whole_seconds();
        assert_eq!(held(&within, None, HOUR), Ok(Some(Hold::Until(NOW + HOUR))));
        let past = NOW - HOUR;
        let text = past.to_whole_seconds();
        assert_eq!(held(&text, None, HOUR), Ok(Some(Hold::Until(past))));
    }

    #[test]
    fn what_cannot_be_is_refused_with_the_reason() {
        let late = (NOW + HOUR * 2).to_whole_seconds();
        let soon = (NOW + HOUR / 2).to_whole_seconds();
        for (value, asked, max, reply) in [
            (
                "soon",
                None,
                HOUR,
                "550 5.6.0 X-Gatepost-Schedule is no date",
            ),
            (
                late.as_str(),
                None,
                HOUR,
                "550 5.7.1 X-Gatepost-Schedule is too far ahead: at most 3600",
            ),
            (
                soon.as_str(),
                None,
                Duration::ZERO,
                "550 5.7.1 X-Gatepost-Schedule: this relay",
            ),
            (
                soon.as_str(),
                Some(Hold::For(5)),
                HOUR,
                "550 5.6.0 X-Gatepost-Schedule and HOLDFOR",
            ),
        ] {
            let found = held(value, asked, max).expect_err(value);
            assert!(found.starts_with(reply), "{found}");
            assert!(found.len() < 512, "one line of a reply");
        }
    }

    #[test]
    fn without_the_field_mail_alone_counts() {
        let header = HeaderSection::parse(b"Subject: x\r\n\r\n").expect("a header");
        let asked = MailParameters {
            hold: Some(Hold::For(5)),
            ..MailParameters::default()
        };
        let found = hold(&asked, &header, Duration::ZERO, NOW).expect("no contradiction");
        assert_eq!(found, Some(Hold::For(5)));
    }
}
