//! What the header of a part says about its body (RFC 2045, RFC 2046).

use mail_parser::HeaderValue;
use mail_parser::parsers::MessageStream;

use super::fields::one_line;
use crate::message::header::HeaderSection;

/// What the body of a part is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Parts between delimiters.
    Multipart {
        /// Without the hyphens ahead.
        boundary: Vec<u8>,
        /// Signed or encrypted as it stands: not an octet of it may change (RFC 1847).
        is_sealed: bool,
        /// Its parts are messages unless they say otherwise (RFC 2046 §5.1.5).
        is_digest: bool,
    },
    /// A message with a header of its own.
    Message,
    /// Octets.
    Leaf(Leaf),
}

/// How octets are and may be encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Leaf {
    pub encoding: Encoding,
    /// Lines of text, whose ends may be written in another way.
    pub is_text: bool,
    /// Its type allows an encoding (RFC 2046 §5.2.2: message/partial does not).
    pub may_be_encoded: bool,
    /// It says what it is.
    pub has_type: bool,
}

/// Content-Transfer-Encoding (RFC 2045 §6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    /// 7bit, 8bit, binary, or nothing said.
    None,
    Quoted,
    Base64,
    /// One that we do not know, which must not be encoded again (RFC 2045 §6.4).
    Other,
}

impl Kind {
    /// Reads it from the header; `is_in_digest` when the part is one of a digest.
    pub fn of(section: &HeaderSection<'_>, is_in_digest: bool) -> Self {
        let encoding = Encoding::of(section);
        let Some(value) = value(section, "Content-Type") else {
            return match encoding {
                Encoding::None if is_in_digest => Self::Message,
                _ => Self::Leaf(Leaf {
                    encoding,
                    is_text: true,
                    may_be_encoded: true,
                    has_type: false,
                }),
            };
        };
        let parsed = MessageStream::new(&value).parse_content_type();
        let HeaderValue::ContentType(found) = parsed else {
            return Self::Leaf(Leaf {
                encoding,
                is_text: true,
                may_be_encoded: true,
                has_type: true,
            });
        };
        let main = found.c_type.to_ascii_lowercase();
        let sub = found.subtype().unwrap_or_default().to_ascii_lowercase();
        match (main.as_str(), sub.as_str(), encoding) {
            ("multipart", _, Encoding::None) => match found.attribute("boundary") {
                Some(boundary) if !boundary.is_empty() => Self::Multipart {
                    boundary: boundary.as_bytes().to_vec(),
                    is_sealed: matches!(sub.as_str(), "signed" | "encrypted"),
                    is_digest: sub == "digest",
                },
                _ => Self::leaf(encoding, true, false),
            },
            ("message", "rfc822" | "news", Encoding::None) => Self::Message,
            ("multipart", ..) | ("message", "partial" | "external-body", _) => {
                Self::leaf(encoding, true, false)
            }
            // RFC 2045 §5.2: what is no type is text.
            (_, "", _) => Self::leaf(encoding, true, true),
            // RFC 6532 §3.7: message/global and its kin may be encoded.
            ("text" | "message", ..) => Self::leaf(encoding, true, true),
            _ => Self::leaf(encoding, false, true),
        }
    }

    const fn leaf(encoding: Encoding, is_text: bool, may_be_encoded: bool) -> Self {
        Self::Leaf(Leaf {
            encoding,
            is_text,
            may_be_encoded,
            has_type: true,
        })
    }
}

impl Encoding {
    fn of(section: &HeaderSection<'_>) -> Self {
        let value = value(section, "Content-Transfer-Encoding").unwrap_or_default();
        match encoding_word(&value).as_str() {
            "" | "7bit" | "8bit" | "binary" => Self::None,
            "quoted-printable" => Self::Quoted,
            "base64" => Self::Base64,
            _ => Self::Other,
        }
    }
}

/// The name of an encoding, in lower case, from the value of its field.
pub(super) fn encoding_word(value: &[u8]) -> String {
    let text = one_line(value).to_ascii_lowercase();
    let words = text.split(['(', ';', ' ', '\t']);
    words
        .map(str::trim)
        .find(|word| !word.is_empty())
        .unwrap_or_default()
        .to_owned()
}

/// The value of the first field of that name, with a line end, as the parser wants it.
fn value(section: &HeaderSection<'_>, name: &str) -> Option<Vec<u8>> {
    let mut fields = section.fields();
    let field = fields.find(|field| field.name().eq_ignore_ascii_case(name))?;
    Some([field.raw_value(), b"\n"].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(header: &str, is_in_digest: bool) -> Kind {
        let section = HeaderSection::parse(header.as_bytes()).expect("a header");
        Kind::of(&section, is_in_digest)
    }

    #[test]
    fn the_kinds_of_parts_are_told_apart() {
        let leaf = |encoding, is_text, may_be_encoded, has_type| {
            Kind::Leaf(Leaf {
                encoding,
                is_text,
                may_be_encoded,
                has_type,
            })
        };
        let multipart = |boundary: &str, is_sealed, is_digest| Kind::Multipart {
            boundary: boundary.as_bytes().to_vec(),
            is_sealed,
            is_digest,
        };
        let cases = [
            ("", leaf(Encoding::None, true, true, false)),
            (
                "Content-Type: text/html",
                leaf(Encoding::None, true, true, true),
            ),
            (
                "Content-Type: nonsense",
                leaf(Encoding::None, true, true, true),
            ),
            (
                "Content-Type: image/png\r\nContent-Transfer-Encoding: BASE64 (x)",
                leaf(Encoding::Base64, false, true, true),
            ),
            (
                "Content-Transfer-Encoding: x-uuencode",
                leaf(Encoding::Other, true, true, false),
            ),
            (
                "content-type: Multipart/Mixed;\r\n\tboundary=\"a b:c\" (comment)",
                multipart("a b:c", false, false),
            ),
            (
                "Content-Type: multipart/digest; boundary=x",
                multipart("x", false, true),
            ),
            (
                "Content-Type: multipart/signed; protocol=\"a/b\"; boundary=x",
                multipart("x", true, false),
            ),
            (
                "Content-Type: multipart/mixed",
                leaf(Encoding::None, true, false, true),
            ),
            (
                "Content-Type: multipart/mixed; boundary=x\r\nContent-Transfer-Encoding: base64",
                leaf(Encoding::Base64, true, false, true),
            ),
            ("Content-Type: message/rfc822", Kind::Message),
            (
                "Content-Type: message/partial",
                leaf(Encoding::None, true, false, true),
            ),
            (
                "Content-Type: message/global",
                leaf(Encoding::None, true, true, true),
            ),
        ];
        for (header, expected) in cases {
            assert_eq!(
                kind(&format!("{header}\r\n\r\n"), false),
                expected,
                "{header}"
            );
        }
        assert_eq!(kind("X: y\r\n\r\n", true), Kind::Message);
    }
}
