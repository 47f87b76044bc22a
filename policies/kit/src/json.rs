//! Reads JSON (RFC 8259), strictly and with a bounded depth.
//!
//! It is written here because it is small: a general reader with its number conversions is larger
//! than the rest of a policy, and every load of a module would pay for it.

use std::fmt;

/// Levels of arrays and objects. Settings need two.
const MAX_DEPTH: usize = 32;

/// A value with the text it was read from.
#[derive(Debug, PartialEq, Eq)]
pub struct Value<'a> {
    /// The text, as it stands in the document.
    pub text: &'a str,
    /// What it is.
    pub kind: Kind<'a>,
}

/// The kinds of value that settings tell apart.
#[derive(Debug, PartialEq, Eq)]
pub enum Kind<'a> {
    /// A string, unescaped.
    String(String),
    /// An array.
    Array(Vec<Value<'a>>),
    /// An object, in the order of the document and with repeated names.
    Object(Vec<(String, Value<'a>)>),
    /// A number, `true`, `false` or `null`.
    Other,
}

impl Value<'_> {
    /// The string, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match &self.kind {
            Kind::String(text) => Some(text),
            _ => None,
        }
    }

    /// The number, if it is a whole one of at least 0, written in digits alone.
    pub fn as_u64(&self) -> Option<u64> {
        match &self.kind {
            Kind::Other if self.text.bytes().all(|octet| octet.is_ascii_digit()) => {
                self.text.parse().ok()
            }
            _ => None,
        }
    }
}

/// What was expected, and where.
#[derive(Debug, PartialEq, Eq)]
pub struct JsonError {
    expected: &'static str,
    offset: usize,
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {} at offset {}", self.expected, self.offset)
    }
}

/// Reads a whole document.
///
/// # Errors
///
/// The text is not one JSON value, or is nested too deeply.
pub fn read(text: &str) -> Result<Value<'_>, JsonError> {
    let mut reader = Reader { text, at: 0 };
    let value = reader.value(0)?;
    match reader.peek() {
        None => Ok(value),
        Some(_) => Err(reader.expected("the end")),
    }
}

/// Walks over the octets of a text; `at` always stands between two characters.
struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn expected(&self, expected: &'static str) -> JsonError {
        JsonError {
            expected,
            offset: self.at,
        }
    }

    /// The very next octet.
    fn next(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// The next octet after white space, without taking it.
    fn peek(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.next() {
            self.at += 1;
        }
        self.next()
    }

    /// Takes `octet` if it is the very next one.
    fn take(&mut self, octet: u8) -> bool {
        let found = self.next() == Some(octet);
        self.at += usize::from(found);
        found
    }

    fn value(&mut self, depth: usize) -> Result<Value<'a>, JsonError> {
        let first = self.peek();
        let start = self.at;
        let kind = match first {
            Some(b'[' | b'{') if depth == MAX_DEPTH => return Err(self.expected("fewer levels")),
            Some(b'[') => Kind::Array(self.array(depth + 1)?),
            Some(b'{') => Kind::Object(self.object(depth + 1)?),
            Some(b'"') => Kind::String(self.string()?),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b't') => self.word("true")?,
            Some(b'f') => self.word("false")?,
            Some(b'n') => self.word("null")?,
            _ => return Err(self.expected("a value")),
        };
        let text = &self.text[start..self.at];
        Ok(Value { text, kind })
    }

    fn array(&mut self, depth: usize) -> Result<Vec<Value<'a>>, JsonError> {
        let mut values = Vec::new();
        self.take(b'[');
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(values);
        }
        loop {
            values.push(self.value(depth)?);
            if !self.more(b']', "`,` or `]`")? {
                return Ok(values);
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Vec<(String, Value<'a>)>, JsonError> {
        let mut members = Vec::new();
        self.take(b'{');
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(members);
        }
        loop {
            if self.peek() != Some(b'"') {
                return Err(self.expected("a name in double quotes"));
            }
            let name = self.string()?;
            if self.peek() != Some(b':') {
                return Err(self.expected("`:`"));
            }
            self.at += 1;
            members.push((name, self.value(depth)?));
            if !self.more(b'}', "`,` or `}`")? {
                return Ok(members);
            }
        }
    }

    /// Takes the comma before a further element (true) or the bracket after the last one (false).
    fn more(&mut self, close: u8, expected: &'static str) -> Result<bool, JsonError> {
        match self.peek() {
            Some(octet) if octet == b',' || octet == close => {
                self.at += 1;
                Ok(octet == b',')
            }
            _ => Err(self.expected(expected)),
        }
    }

    fn word(&mut self, word: &'static str) -> Result<Kind<'a>, JsonError> {
        if word.bytes().all(|octet| self.take(octet)) {
            Ok(Kind::Other)
        } else {
            Err(self.expected(word))
        }
    }

    /// `-? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?`
    fn number(&mut self) -> Result<Kind<'a>, JsonError> {
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            let _sign = self.take(b'+') || self.take(b'-');
            self.digits()?;
        }
        Ok(Kind::Other)
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.next() {
            self.at += 1;
        }
        if self.at > start {
            Ok(())
        } else {
            Err(self.expected("a digit"))
        }
    }

    fn string(&mut self) -> Result<String, JsonError> {
        let mut string = String::new();
        self.take(b'"');
        loop {
            let start = self.at;
            while self
                .next()
                .is_some_and(|c| c >= b' ' && c != b'"' && c != b'\\')
            {
                self.at += 1;
            }
            string.push_str(&self.text[start..self.at]);
            match self.next() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(string);
                }
                Some(b'\\') => {
                    self.at += 1;
                    string.push(self.escaped()?);
                }
                _ => return Err(self.expected("`\"`")),
            }
        }
    }

    /// The character that an escape stands for.
    fn escaped(&mut self) -> Result<char, JsonError> {
        let character = match self.next() {
            Some(octet @ (b'"' | b'\\' | b'/')) => char::from(octet),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.at += 1;
                return self.escaped_unicode();
            }
            _ => return Err(self.expected("an escape")),
        };
        self.at += 1;
        Ok(character)
    }

    /// The character of `\uXXXX`, or of two of them that form a surrogate pair.
    fn escaped_unicode(&mut self) -> Result<char, JsonError> {
        let first = self.hexadecimal()?;
        let code = match first {
            0xD800..0xDC00 if self.take(b'\\') && self.take(b'u') => match self.hexadecimal()? {
                second @ 0xDC00..0xE000 => 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00),
                _ => first,
            },
            _ => first,
        };
        char::from_u32(code).ok_or_else(|| self.expected("a surrogate pair"))
    }

    fn hexadecimal(&mut self) -> Result<u32, JsonError> {
        let mut number = 0;
        for _ in 0..4 {
            let digit = self.next().and_then(|octet| char::from(octet).to_digit(16));
            let Some(digit) = digit else {
                return Err(self.expected("four hexadecimal digits"));
            };
            self.at += 1;
            number = number * 16 + digit;
        }
        Ok(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_what_a_general_reader_reads() {
        let documents = [
            "{}",
            " [ ] ",
            "[1, -0, 2.5, 1e9, 1E-9, 0.0e+1]",
            r#"{"a":{"b":[true,false,null]},"a":"twice"}"#,
            r#""plain""#,
            r#""\"\\\/\b\f\n\r\t\u00f6\ud83d\ude00""#,
            "\"\u{7f}\u{f6}\u{1f600}\"",
            "\t\r\n 0 \n",
            "",
            " ",
            "{",
            "[",
            "[1",
            "[1,",
            "[1,]",
            "{,}",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{a:1}",
            "{'a':1}",
            "[1 2]",
            "{} {}",
            "01",
            "+1",
            "1.",
            ".5",
            "1e",
            "-",
            "tru",
            "truex",
            "nul",
            "\"open",
            "\"\\x\"",
            "\"\\u12g4\"",
            "\"\\ud800\"",
            "\"\\udc00\"",
            "\"\\ud800\\u0041\"",
            "\"\\ud800\\ud800\"",
            "\"line\nbreak\"",
            "// comment\n{}",
            "\u{feff}{}",
        ];
        for document in documents {
            let reference: Result<serde_json::Value, _> = serde_json::from_str(document);
            let read = read(document);
            assert_eq!(read.is_ok(), reference.is_ok(), "{document:?}: {read:?}");
            if let (Ok(read), Ok(serde_json::Value::String(text))) = (&read, &reference) {
                assert_eq!(read.as_str(), Some(&**text));
            }
        }
    }

    #[test]
    fn a_value_keeps_its_text() {
        let value = read(r#" {"a" : [ 1 , {"b":2.0} ], "c":"d"} "#).expect("JSON");
        let Kind::Object(members) = value.kind else {
            panic!("not an object: {value:?}");
        };
        assert_eq!(members[0].0, "a");
        assert_eq!(members[0].1.text, r#"[ 1 , {"b":2.0} ]"#);
        assert_eq!(members[1].1.text, r#""d""#);
    }

    #[test]
    fn an_error_says_what_was_expected_and_where() {
        let cases = [
            ("", "expected a value at offset 0"),
            ("{\"a\" 1}", "expected `:` at offset 5"),
            ("[1 2]", "expected `,` or `]` at offset 3"),
            ("{} x", "expected the end at offset 3"),
            ("{a", "expected a name in double quotes at offset 1"),
        ];
        for (document, expected) in cases {
            let error = read(document).expect_err(document);
            assert_eq!(error.to_string(), expected);
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |depth| "[".repeat(depth) + &"]".repeat(depth);
        assert!(read(&nested(MAX_DEPTH)).is_ok());
        assert!(read(&nested(MAX_DEPTH + 1)).is_err());
        assert!(read(&"[".repeat(1_000_000)).is_err());
    }
}
