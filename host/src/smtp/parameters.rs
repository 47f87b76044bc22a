//! ESMTP parameters of MAIL and RCPT (RFC 5321 §4.1.2 `esmtp-param`).

use super::extensions::{BodyType, MailParameters, RcptParameters};
use super::reply::Reply;

impl MailParameters {
    /// Reads what follows the reverse-path.
    ///
    /// # Errors
    /// The reply that refuses the command: `501 5.5.4` or, for a parameter that is not known, `555 5.5.4`.
    pub(super) fn parse(text: &str) -> Result<Self, Reply> {
        let mut parameters = Self::default();
        let mut seen = Vec::new();
        for parameter in split(text) {
            let (keyword, value) = parameter?;
            let keyword = keyword.to_ascii_uppercase();
            match keyword.as_str() {
                "SIZE" => parameters.size = Some(size(value)?),
                "BODY" => parameters.body = body(value)?,
                // RFC 4954 §5: a server that does not trust the client takes no notice of its value.
                "AUTH" => submitter(value)?,
                _ => return Err(unknown("MAIL", &keyword)),
            }
            if seen.contains(&keyword) {
                return Err(malformed(format!("{keyword} is given twice")));
            }
            seen.push(keyword);
        }
        Ok(parameters)
    }
}

/// Checks what follows the forward-path: no parameter of RCPT is known.
///
/// # Errors
/// The reply that refuses the command.
pub(super) fn parse_rcpt(text: &str) -> Result<RcptParameters, Reply> {
    match split(text).next() {
        None => Ok(RcptParameters::default()),
        Some(parameter) => Err(unknown("RCPT", parameter?.0)),
    }
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

/// `esmtp-value = 1*(%d33-60 / %d62-126)`
fn is_value(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|octet| octet.is_ascii_graphic() && octet != b'=')
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
        _ => Err(malformed("BODY must be 7BIT or 8BITMIME")),
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

    #[test]
    fn known_parameters_are_read() {
        let eight = BodyType::EightBitMime;
        let seven = BodyType::SevenBit;
        let cases = [
            ("", None, seven),
            ("SIZE=1000", Some(1000), seven),
            ("size=0", Some(0), seven),
            ("SIZE=99999999999999999999", Some(u64::MAX), seven),
            ("BODY=8BITMIME", None, eight),
            ("body=8bitmime Size=12", Some(12), eight),
            ("BODY=7bit", None, seven),
            ("  SIZE=5   AUTH=<> ", Some(5), seven),
            ("AUTH=e+3Dmc2@example.com", None, seven),
        ];
        for (text, size, body) in cases {
            assert_eq!(
                MailParameters::parse(text),
                Ok(MailParameters {
                    size,
                    body,
                    ..MailParameters::default()
                }),
                "{text}"
            );
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
            ("BODY=BINARYMIME", 501),
            ("AUTH", 501),
            ("=5", 501),
            ("-A=5", 501),
            ("A==5", 501),
            ("A=b=c", 501),
            ("SIZE=1\tBODY=7BIT", 501),
            ("SMTPUTF8", 555),
            ("RET=HDRS", 555),
            ("ENVID=a", 555),
            ("X", 555),
        ];
        for (text, code) in cases {
            let reply = MailParameters::parse(text).expect_err(text);
            assert_eq!(
                (reply.code(), reply.enhanced()),
                (code, Some((5, 5, 4))),
                "{text}"
            );
        }
    }

    #[test]
    fn rcpt_has_no_parameters() {
        assert_eq!(parse_rcpt("  "), Ok(RcptParameters::default()));
        assert_eq!(
            parse_rcpt("NOTIFY=NEVER").map_err(|reply| reply.code()),
            Err(555)
        );
        assert_eq!(
            parse_rcpt("NOTIFY=").map_err(|reply| reply.code()),
            Err(501)
        );
    }
}
