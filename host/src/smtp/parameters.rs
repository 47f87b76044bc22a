//! ESMTP parameters of MAIL and RCPT (RFC 5321 §4.1.2 `esmtp-param`).

use std::str::FromStr;

use super::extensions::{BodyType, Hold, MailParameters, ParseParameterError, RcptParameters};
use super::reply::Reply;
use crate::clock::Timestamp;

/// What decides whether a parameter may be used now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Offer {
    /// The connection is under TLS.
    pub encrypted: bool,
    /// Seconds that a message may be held, and until when at most; none when FUTURERELEASE is not offered.
    pub hold: Option<(u64, Timestamp)>,
}

impl MailParameters {
    /// Reads what follows the reverse-path.
    ///
    /// # Errors
    /// The reply that refuses the command: `501 5.5.4` or, for a parameter that is not known, `555 5.5.4`.
    pub(super) fn parse(text: &str, offer: Offer) -> Result<Self, Reply> {
        let mut parameters = Self::default();
        let mut seen = Seen::default();
        for parameter in split(text) {
            let (keyword, value) = parameter?;
            let keyword = seen.first(keyword)?;
            parameters.read(&keyword, value, offer)?;
        }
        Ok(parameters)
    }

    fn read(&mut self, keyword: &str, value: Option<&str>, offer: Offer) -> Result<(), Reply> {
        match keyword {
            "SIZE" => self.size = Some(size(value)?),
            "BODY" => self.body = body(value)?,
            "SMTPUTF8" => self.smtputf8 = flag(keyword, value)?,
            "REQUIRETLS" if offer.encrypted => self.require_tls = flag(keyword, value)?,
            "RET" => self.ret = Some(parse(value)?),
            "ENVID" => self.envid = Some(parse(value)?),
            "BY" => self.deliver_by = Some(parse(value)?),
            "MT-PRIORITY" => self.mt_priority = Some(parse(value)?),
            "HOLDFOR" | "HOLDUNTIL" => self.read_hold(keyword, value, offer)?,
            // RFC 4954 §5: a server that does not trust the client takes no notice of its value.
            "AUTH" => submitter(value)?,
            // RFC 8689 §4.1: offered under TLS alone.
            "REQUIRETLS" => {
                let text = "REQUIRETLS needs an encrypted connection: issue STARTTLS first";
                return Err(Reply::new(530, (5, 7, 0), text));
            }
            _ => return Err(unknown("MAIL", keyword)),
        }
        Ok(())
    }

    /// RFC 4865 §4: one of the two, and no longer than EHLO said.
    fn read_hold(&mut self, keyword: &str, value: Option<&str>, offer: Offer) -> Result<(), Reply> {
        let Some((max_s, max_until)) = offer.hold else {
            return Err(unknown("MAIL", keyword));
        };
        if self.hold.is_some() {
            return Err(malformed("HOLDFOR and HOLDUNTIL exclude each other"));
        }
        let hold = match keyword {
            "HOLDFOR" => hold_for(value)?,
            _ => hold_until(value)?,
        };
        let is_too_long = match hold {
            Hold::For(seconds) => u64::from(seconds) > max_s,
            Hold::Until(until) => until > max_until,
        };
        if is_too_long {
            return Err(malformed(format!(
                "{keyword} is too far ahead: at most {max_s} seconds"
            )));
        }
        self.hold = Some(hold);
        Ok(())
    }
}

impl RcptParameters {
    /// Reads what follows the forward-path; `is_international` after MAIL with SMTPUTF8.
    ///
    /// # Errors
    /// As for [`MailParameters::parse`].
    pub(super) fn parse(text: &str, is_international: bool) -> Result<Self, Reply> {
        let mut parameters = Self::default();
        let mut seen = Seen::default();
        for parameter in split(text) {
            let (keyword, value) = parameter?;
            // RFC 6533 §3: of all parameters ORCPT alone may go beyond US-ASCII.
            if !is_international && value.is_some_and(|value| !value.is_ascii()) {
                let text = "a parameter beyond US-ASCII needs SMTPUTF8 with MAIL";
                return Err(malformed(text));
            }
            match seen.first(keyword)?.as_str() {
                "NOTIFY" => parameters.notify = Some(parse(value)?),
                "ORCPT" => parameters.orcpt = Some(parse(value)?),
                other => return Err(unknown("RCPT", other)),
            }
        }
        Ok(parameters)
    }
}

/// Keywords that were given, in upper case.
#[derive(Default)]
struct Seen(Vec<String>);

impl Seen {
    fn first(&mut self, keyword: &str) -> Result<String, Reply> {
        let keyword = keyword.to_ascii_uppercase();
        if self.0.contains(&keyword) {
            return Err(malformed(format!("{keyword} is given twice")));
        }
        self.0.push(keyword.clone());
        Ok(keyword)
    }
}

fn parse<T: FromStr<Err = ParseParameterError>>(value: Option<&str>) -> Result<T, Reply> {
    let value = value.unwrap_or_default();
    value
        .parse()
        .map_err(|error: ParseParameterError| malformed(error.0))
}

fn flag(keyword: &str, value: Option<&str>) -> Result<bool, Reply> {
    match value {
        None => Ok(true),
        Some(_) => Err(malformed(format!("{keyword} takes no value"))),
    }
}

/// RFC 4865 §4.1: `future-release-integer = NZDIGIT *8DIGIT`
fn hold_for(value: Option<&str>) -> Result<Hold, Reply> {
    let digits = value.unwrap_or_default();
    let is_number = (1..=9).contains(&digits.len())
        && !digits.starts_with('0')
        && digits.bytes().all(|octet| octet.is_ascii_digit());
    let seconds = digits.parse().ok().filter(|_| is_number).map(Hold::For);
    seconds.ok_or_else(|| malformed("HOLDFOR must be a number of seconds"))
}

fn hold_until(value: Option<&str>) -> Result<Hold, Reply> {
    let until = Timestamp::parse_utc(value.unwrap_or_default()).map(Hold::Until);
    until.ok_or_else(|| malformed("HOLDUNTIL must be a time in UTC: 2027-01-31T08:00:00Z"))
}

type Parameter<'a> = (&'a str, Option<&'a str>);

fn split(text: &str) -> impl Iterator<Item = Result<Parameter<'_>, Reply>> {
    text.split(' ')
        .filter(|parameter| !parameter.is_empty())
        .map(keyword_and_value)
}

fn keyword_and_value(parameter: &str) -> Result<Parameter<'_>, Reply> {
    let (keyword, value) = match parameter.split_once('=') {
        Some((keyword, value)) => (keyword, Some(value)),
        None => (parameter, None),
    };
    if !is_keyword(keyword) || !value.is_none_or(is_value) {
        return Err(malformed(format!(
            "`{parameter}` is not KEYWORD or KEYWORD=value"
        )));
    }
    Ok((keyword, value))
}

/// `esmtp-keyword = (ALPHA / DIGIT) *(ALPHA / DIGIT / "-")`
fn is_keyword(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text
            .bytes()
            .all(|octet| octet.is_ascii_alphanumeric() || octet == b'-')
}

/// `esmtp-value = 1*(%d33-60 / %d62-126)`; RFC 6531 §3.3 adds `UTF8-non-ascii`, which is for the values
/// themselves to refuse.
fn is_value(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|octet| (octet.is_ascii_graphic() || !octet.is_ascii()) && octet != b'=')
}

/// RFC 1870 §3: `size-value = 1*20DIGIT`; what does not fit is as large as can be.
fn size(value: Option<&str>) -> Result<u64, Reply> {
    let digits = value.unwrap_or_default();
    let is_number =
        (1..=20).contains(&digits.len()) && digits.bytes().all(|octet| octet.is_ascii_digit());
    if !is_number {
        return Err(malformed("SIZE must be a number of octets"));
    }
    Ok(digits.parse().unwrap_or(u64::MAX))
}

fn body(value: Option<&str>) -> Result<BodyType, Reply> {
    match value.unwrap_or_default() {
        seven if seven.eq_ignore_ascii_case("7BIT") => Ok(BodyType::SevenBit),
        eight if eight.eq_ignore_ascii_case("8BITMIME") => Ok(BodyType::EightBitMime),
        binary if binary.eq_ignore_ascii_case("BINARYMIME") => Ok(BodyType::BinaryMime),
        _ => Err(malformed("BODY must be 7BIT, 8BITMIME or BINARYMIME")),
    }
}

/// RFC 4954 §5: `AUTH=` carries an xtext mailbox or `<>`.
fn submitter(value: Option<&str>) -> Result<(), Reply> {
    match value {
        Some(_) => Ok(()),
        None => Err(malformed("AUTH must be a mailbox or <>")),
    }
}

fn malformed(text: impl Into<std::borrow::Cow<'static, str>>) -> Reply {
    Reply::new(501, (5, 5, 4), text)
}

/// RFC 5321 §4.1.1.11
fn unknown(verb: &str, keyword: &str) -> Reply {
    Reply::new(
        555,
        (5, 5, 4),
        format!("{verb} parameter {keyword} is not known"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smtp::{MtPriority, Notify, Ret};

    const NOW: Timestamp = Timestamp::from_millis(1_795_449_600_000);
    const OFFER: Offer = Offer {
        encrypted: true,
        hold: Some((3600, Timestamp::from_millis(1_795_453_200_000))),
    };

    #[test]
    fn known_parameters_are_read() {
        let mail = MailParameters::default;
        let eight = BodyType::EightBitMime;
        let cases = [
            ("", mail()),
            (
                "SIZE=1000",
                MailParameters {
                    size: Some(1000),
                    ..mail()
                },
            ),
            (
                "size=0",
                MailParameters {
                    size: Some(0),
                    ..mail()
                },
            ),
            (
                "SIZE=99999999999999999999",
                MailParameters {
                    size: Some(u64::MAX),
                    ..mail()
                },
            ),
            (
                "BODY=8BITMIME",
                MailParameters {
                    body: eight,
                    ..mail()
                },
            ),
            (
                "body=8bitmime Size=12",
                MailParameters {
                    body: eight,
                    size: Some(12),
                    ..mail()
                },
            ),
            (
                "BODY=BinaryMime",
                MailParameters {
                    body: BodyType::BinaryMime,
                    ..mail()
                },
            ),
            ("BODY=7bit", mail()),
            (
                "  SIZE=5   AUTH=<> ",
                MailParameters {
                    size: Some(5),
                    ..mail()
                },
            ),
            ("AUTH=e+3Dmc2@example.com", mail()),
            (
                "smtputf8",
                MailParameters {
                    smtputf8: true,
                    ..mail()
                },
            ),
            (
                "REQUIRETLS",
                MailParameters {
                    require_tls: true,
                    ..mail()
                },
            ),
            (
                "RET=hdrs",
                MailParameters {
                    ret: Some(Ret::Headers),
                    ..mail()
                },
            ),
            (
                "ENVID=a+2Bb",
                MailParameters {
                    envid: "a+2Bb".parse().ok(),
                    ..mail()
                },
            ),
            (
                "BY=60;R",
                MailParameters {
                    deliver_by: "60;R".parse().ok(),
                    ..mail()
                },
            ),
            (
                "MT-PRIORITY=-9",
                MailParameters {
                    mt_priority: MtPriority::new(-9),
                    ..mail()
                },
            ),
            (
                "HOLDFOR=3600",
                MailParameters {
                    hold: Some(Hold::For(3600)),
                    ..mail()
                },
            ),
            (
                "HOLDUNTIL=2026-11-23T16:00:00Z",
                MailParameters {
                    hold: Some(Hold::Until(NOW)),
                    ..mail()
                },
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(MailParameters::parse(text, OFFER), Ok(expected), "{text}");
        }
    }

    #[test]
    fn other_parameters_are_refused() {
        let cases = [
            ("SIZE", 501),
            ("SIZE=", 501),
            ("SIZE=-1", 501),
            ("SIZE=1e3", 501),
            ("SIZE=999999999999999999999", 501),
            ("SIZE=1 SIZE=1", 501),
            ("SIZE=1 size=2", 501),
            ("BODY", 501),
            ("BODY=", 501),
            ("BODY=BINARY", 501),
            ("AUTH", 501),
            ("=5", 501),
            ("-A=5", 501),
            ("A==5", 501),
            ("A=b=c", 501),
            ("SIZE=1\tBODY=7BIT", 501),
            ("SMTPUTF8=1", 501),
            ("SMTPUTF8 SMTPUTF8", 501),
            ("REQUIRETLS=1", 501),
            ("RET=SOME", 501),
            ("RET=FULL RET=FULL", 501),
            ("ENVID=a+zz", 501),
            ("ENVID=\u{e9}", 501),
            ("SIZE=\u{661}", 501),
            ("BY=0;R", 501),
            ("MT-PRIORITY=10", 501),
            ("HOLDFOR=0", 501),
            ("HOLDFOR=3601", 501),
            ("HOLDFOR=1 HOLDUNTIL=2026-11-23T16:00:00Z", 501),
            ("HOLDUNTIL=2026-11-23T17:00:01Z", 501),
            ("HOLDUNTIL=tomorrow", 501),
            ("NOTIFY=NEVER", 555),
            ("X", 555),
        ];
        for (text, code) in cases {
            let reply = MailParameters::parse(text, OFFER).expect_err(text);
            assert_eq!(
                (reply.code(), reply.enhanced()),
                (code, Some((5, 5, 4))),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_not_offered_is_refused() {
        let offer = Offer {
            encrypted: false,
            hold: None,
        };
        let refused = |text| MailParameters::parse(text, offer).map_err(|reply| reply.code());
        assert_eq!(refused("REQUIRETLS"), Err(530));
        assert_eq!(refused("HOLDFOR=1"), Err(555));
    }

    #[test]
    fn rcpt_has_its_own_parameters() {
        let read = |text| RcptParameters::parse(text, true).map_err(|reply| reply.code());
        let both = read("NOTIFY=success,DELAY ORCPT=rfc822;a@example.com").expect("known");
        let notify = Notify {
            success: true,
            failure: false,
            delay: true,
        };
        assert_eq!(both.notify, Some(notify));
        assert_eq!(
            both.orcpt.map(|known| known.decoded()),
            Some("a@example.com".to_owned())
        );
        assert_eq!(read("  "), Ok(RcptParameters::default()));
        for (text, code) in [
            ("NOTIFY=", 501),
            ("NOTIFY=NEVER,SUCCESS", 501),
            ("NOTIFY=NEVER NOTIFY=NEVER", 501),
            ("ORCPT=a@example.com", 501),
            ("SIZE=5", 555),
            ("MT-PRIORITY=1", 555),
            ("NOTIFY=n\u{e9}ver", 501),
            ("ORCPT=rfc822;\u{e9}@example.com", 501),
        ] {
            assert_eq!(read(text), Err(code), "{text}");
        }
    }

    #[test]
    fn an_original_recipient_beyond_ascii_needs_smtputf8() {
        let text = "ORCPT=utf-8;\u{e9}@example.com";
        let read = |is_international| RcptParameters::parse(text, is_international);
        let known = read(true).expect("unitext").orcpt;
        assert_eq!(
            known.map(|known| known.decoded()).as_deref(),
            Some("\u{e9}@example.com")
        );
        let refused = read(false).expect_err("no SMTPUTF8");
        assert!(refused.text().contains("SMTPUTF8"), "{refused}");
    }
}
