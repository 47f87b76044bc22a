//! Reads when a message is to be sent, as its header says: `X-Gatepost-Schedule`, for clients that cannot say HOLDUNTIL.

use std::time::Duration;

use super::date::{MONTHS, format_date};
use super::field::FieldKind;
use super::header::HeaderSection;
use crate::clock::Timestamp;

/// Characters of a value that are shown again to who wrote it.
const MAX_SHOWN_CHARACTERS: usize = 60;

/// Why a header does not say when its message is to be sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// The field is there more than once.
    #[error("X-Gatepost-Schedule is given twice; a message is sent once")]
    Twice,
    /// It is no date with a time.
    #[error(
        "X-Gatepost-Schedule is no date and time with a zone: `{0}`; write 2027-01-31T08:00:00+01:00 or Sun, 31 Jan 2027 08:00:00 +0100"
    )]
    Malformed(String),
}

impl HeaderSection<'_> {
    /// When the message is to be sent; none when its header does not say.
    ///
    /// # Errors
    /// When the field is there twice, or is no date with a time and a zone as in RFC 3339 or RFC 5322.
    pub fn schedule(&self) -> Result<Option<Timestamp>, ScheduleError> {
        let mut fields = self.of_kind(FieldKind::Schedule);
        let Some(field) = fields.next() else {
            return Ok(None);
        };
        if fields.next().is_some() {
            return Err(ScheduleError::Twice);
        }
        let value = field.decoded();
        let at = parse(value.trim());
        at.map(Some)
            .ok_or_else(|| ScheduleError::Malformed(shown(value.trim())))
    }
}

fn shown(value: &str) -> String {
    let harmless = |c: char| if c.is_control() { ' ' } else { c };
    value
        .chars()
        .take(MAX_SHOWN_CHARACTERS)
        .map(harmless)
        .collect()
}

fn parse(text: &str) -> Option<Timestamp> {
    rfc_3339(text).or_else(|| rfc_5322(text))
}

/// RFC 3339 §5.6, for example `2027-01-31T08:00:00+01:00`.
fn rfc_3339(text: &str) -> Option<Timestamp> {
    if text.ends_with(['Z', 'z']) {
        return Timestamp::parse_utc(text);
    }
    let (local, zone) = text.split_at_checked(text.len().checked_sub("+01:00".len())?)?;
    let (hours, minutes) = zone.split_once(':')?;
    let local = Timestamp::parse_utc(&format!("{local}Z"))?;
    before(local, &format!("{hours}{minutes}"))
}

/// RFC 5322 §3.3, for example `Sun, 31 Jan 2027 08:00:00 +0100`; day of the week and seconds may be missing, and
/// of the obsolete zones (§4.3) those are read that mean UTC.
fn rfc_5322(text: &str) -> Option<Timestamp> {
    let (weekday, date) = match text.split_once(',') {
        Some((weekday, date)) => (Some(weekday.trim()), date),
        None => (None, text),
    };
    let parts: Vec<&str> = date.split_ascii_whitespace().collect();
    let [day, month, year, time, zone] = parts.as_slice() else {
        return None;
    };
    let month = MONTHS
        .iter()
        .position(|name| name.eq_ignore_ascii_case(month))?
        + 1;
    let seconds = if time.len() == "08:00".len() {
        ":00"
    } else {
        ""
    };
    let local = Timestamp::parse_utc(&format!("{year}-{month:02}-{day:0>2}T{time}{seconds}Z"))?;
    let is_that_day = weekday.is_none_or(|name| {
        let real = format_date(local);
        name.len() == 3 && real[..3].eq_ignore_ascii_case(name)
    });
    let is_utc = ["GMT", "UT", "UTC", "Z"]
        .iter()
        .any(|name| name.eq_ignore_ascii_case(zone));
    let zone = if is_utc { "+0000" } else { zone };
    is_that_day.then(|| before(local, zone)).flatten()
}

/// The point in time that is `local` in this zone, for example `+0100`.
fn before(local: Timestamp, zone: &str) -> Option<Timestamp> {
    let (sign, digits) = zone.split_at_checked(1)?;
    if digits.len() != 4 || !digits.bytes().all(|octet| octet.is_ascii_digit()) {
        return None;
    }
    let (hours, minutes): (u64, u64) = (digits[..2].parse().ok()?, digits[2..].parse().ok()?);
    let offset = Duration::from_secs((hours * 60 + minutes) * 60);
    let is_offset = hours < 24 && minutes < 60;
    match sign {
        "+" if is_offset => Some(local - offset),
        "-" if is_offset => Some(local + offset),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Option<String> {
        parse(value).map(Timestamp::to_whole_seconds)
    }

    #[test]
    fn both_ways_to_write_a_date_are_read() {
        let expected = Some("2027-01-31T07:00:00Z".to_owned());
        for text in [
            "2027-01-31T08:00:00+01:00",
            "2027-01-31T07:00:00Z",
            "2027-01-31t07:00:00.000z",
            "2027-01-31T01:30:00-05:30",
            "Sun, 31 Jan 2027 08:00:00 +0100",
            "sun , 31 jan 2027 08:00 +0100",
            "31 Jan 2027 07:00:00 GMT",
            "31 Jan 2027 07:00 -0000",
            "30 Jan 2027 20:00:00 -1100",
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
        assert_eq!(
            read("1 Feb 2027 00:00:00 UTC").as_deref(),
            Some("2027-02-01T00:00:00Z")
        );
    }

    #[test]
    fn what_is_no_point_in_time_is_none() {
        for text in [
            "",
            "tomorrow",
            "2027-01-31",
            "2027-01-31T08:00:00",
            "2027-01-31 08:00:00+01:00",
            "2027-01-31T08:00:00+0100",
            "2027-01-31T08:00:00+24:00",
            "2027-01-31T08:00:00+01:60",
            "2027-02-30T08:00:00+01:00",
            "2027-01-31T08:00:00ü01:00",
            "Mon, 31 Jan 2027 08:00:00 +0100",
            "Sunday, 31 Jan 2027 08:00:00 +0100",
            "31 Jan 27 08:00:00 +0100",
            "31 Jan 2027 08:00:00",
            "31 Jan 2027 08:00:00 CET",
            "31 Jan 2027 08:00:00 *0100",
            "31 January 2027 08:00:00 +0100",
            "31 Jan 2027 8:00:00 +0100",
            "031 Jan 2027 08:00:00 +0100",
            "1800000000",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn a_header_says_it_once_or_is_told_why_not() {
        let of = |header: &str| {
            let header = HeaderSection::parse(header.as_bytes()).expect("a header");
            header.schedule()
        };
        assert_eq!(of("Subject: x\r\n\r\n"), Ok(None));
        let at = Timestamp::parse_utc("2027-01-31T07:00:00Z");
        let folded = "X-GATEPOST-schedule:\r\n 2027-01-31T07:00:00Z\r\n\r\n";
        assert_eq!(of(folded), Ok(at));
        let twice = format!("{}{folded}", &folded[..folded.len() - 2]);
        assert_eq!(of(&twice), Err(ScheduleError::Twice));
        let error = of("X-Gatepost-Schedule: soon\r\n\r\n").expect_err("no date");
        assert!(error.to_string().contains("`soon`; write "), "{error}");
    }
}
