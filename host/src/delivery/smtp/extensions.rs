//! What a peer offers in its reply to EHLO (RFC 5321 §4.1.1.1), as far as we make use of it.

/// The offered extensions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Extensions {
    /// RFC 3207.
    pub starttls: bool,
    /// RFC 2920.
    pub pipelining: bool,
    /// RFC 6152.
    pub eight_bit_mime: bool,
    /// RFC 6531.
    pub smtputf8: bool,
    /// RFC 1870: none when not offered, 0 when offered without a limit.
    pub size: Option<u64>,
    /// RFC 4954: `AUTH PLAIN`.
    pub auth_plain: bool,
    /// `AUTH LOGIN`.
    pub auth_login: bool,
    /// RFC 3461.
    pub dsn: bool,
    /// RFC 3030: BDAT.
    pub chunking: bool,
    /// RFC 3030: content that is not lines of text.
    pub binary_mime: bool,
    /// RFC 8689.
    pub require_tls: bool,
    /// RFC 2852: none when not offered; the least seconds that are taken with mode `R`, else 0.
    pub deliver_by: Option<u32>,
    /// RFC 6710.
    pub mt_priority: bool,
}

impl Extensions {
    /// From the lines of the reply, with or without their codes.
    pub fn parse<'a>(lines: impl IntoIterator<Item = &'a str>) -> Self {
        lines.into_iter().fold(Self::default(), Self::with_line)
    }

    fn with_line(mut self, line: &str) -> Self {
        // Some servers still write `AUTH=PLAIN`, as drafts of RFC 2554 had it.
        let mut words = line.split([' ', '=', '\t']).filter(|word| !word.is_empty());
        match words
            .next()
            .unwrap_or_default()
            .to_ascii_uppercase()
            .as_str()
        {
            "STARTTLS" => self.starttls = true,
            "PIPELINING" => self.pipelining = true,
            "8BITMIME" => self.eight_bit_mime = true,
            "SMTPUTF8" => self.smtputf8 = true,
            "SIZE" => {
                self.size = Some(words.next().and_then(|size| size.parse().ok()).unwrap_or(0))
            }
            "AUTH" => {
                for mechanism in words {
                    self.auth_plain |= mechanism.eq_ignore_ascii_case("PLAIN");
                    self.auth_login |= mechanism.eq_ignore_ascii_case("LOGIN");
                }
            }
            "DSN" => self.dsn = true,
            "CHUNKING" => self.chunking = true,
            "BINARYMIME" => self.binary_mime = true,
            "REQUIRETLS" => self.require_tls = true,
            "DELIVERBY" => {
                let least = words.next().and_then(|least| least.parse().ok());
                self.deliver_by = Some(least.unwrap_or(0));
            }
            "MT-PRIORITY" => self.mt_priority = true,
            _ => {}
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_are_read_in_any_case_and_the_rest_is_ignored() {
        let lines = [
            "mx.example.net at your service",
            "size 1000",
            "Pipelining",
            "AUTH=LOGIN plain",
            "X-OTHER 1",
            "dsn",
            "deliverby 240",
            "MT-PRIORITY MIXER",
        ];
        let expected = Extensions {
            pipelining: true,
            size: Some(1000),
            auth_plain: true,
            auth_login: true,
            dsn: true,
            deliver_by: Some(240),
            mt_priority: true,
            ..Extensions::default()
        };
        assert_eq!(Extensions::parse(lines), expected);
    }

    #[test]
    fn a_size_without_a_number_is_no_limit() {
        for (line, size) in [("SIZE", Some(0)), ("SIZE x", Some(0)), ("SIZES 3", None)] {
            assert_eq!(Extensions::parse([line]).size, size, "{line}");
        }
    }
}
