//! Somebody with an address, as programs say it and as people type it.

/// Somebody with an address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Person {
    /// How they are called; empty: by the address.
    pub name: String,
    /// The address.
    pub address: String,
}

impl Person {
    /// Everybody in a text as people type it: `Anna <anna@example.com>, bert@example.com; …`, a line for each or several.
    pub fn typed(text: &str) -> Vec<Self> {
        let parts = apart(text).into_iter();
        let parts = parts.map(str::trim).filter(|part| !part.is_empty());
        parts.map(Self::one).collect()
    }

    fn one(text: &str) -> Self {
        let named = text
            .strip_suffix('>')
            .and_then(|text| text.rsplit_once('<'));
        let (name, address) = named.unwrap_or(("", text));
        let name = name.trim();
        let quoted = name
            .strip_prefix('"')
            .and_then(|name| name.strip_suffix('"'));
        Self {
            name: quoted.map_or_else(|| name.to_owned(), unescaped),
            address: address.trim().to_owned(),
        }
    }
}

/// Parts between commas, semicolons and line ends that do not stand in quotes.
fn apart(text: &str) -> Vec<&str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let is_end = |c: char| {
        let was_escaped = is_escaped;
        is_escaped = is_quoted && !was_escaped && c == '\\';
        if c == '"' && !was_escaped {
            is_quoted = !is_quoted;
        }
        !is_quoted && matches!(c, ',' | ';' | '\r' | '\n')
    };
    text.split(is_end).collect()
}

/// RFC 5322 §3.2.1: a backslash makes the next character one like any other.
fn unescaped(text: &str) -> String {
    let mut is_escaped = false;
    let kept = text.chars().filter(|c| {
        is_escaped = *c == '\\' && !is_escaped;
        !is_escaped
    });
    kept.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_typed_as_people_do() {
        let typed = "Anna <anna@example.com>, bert@example.com;\n \"Doe, \\\"J\\\"\" <doe@example.com>\r\n, ;";
        let named = |name: &str, address: &str| Person {
            name: name.to_owned(),
            address: address.to_owned(),
        };
        let expected = [
            named("Anna", "anna@example.com"),
            named("", "bert@example.com"),
            named("Doe, \"J\"", "doe@example.com"),
        ];
        assert_eq!(Person::typed(typed), expected);
        assert_eq!(Person::typed(" ,;\n"), []);
        assert_eq!(Person::typed("bert"), [named("", "bert")]);
        assert_eq!(Person::typed("\"a,b"), [named("", "\"a,b")]);
    }
}
