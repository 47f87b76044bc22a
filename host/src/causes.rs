//! Tells an error with what caused it, for logs and people.

use std::error::Error;

/// The error and its causes, each after a colon; one that an error above it tells already is left out.
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let told = cause.to_string();
        if !text.contains(&told) {
            text = format!("{text}: {told}");
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Told {
        text: &'static str,
        source: Option<Box<dyn Error>>,
    }

    fn told(text: &'static str, source: impl Error + 'static) -> Told {
        let source = Some(source.into());
        Told { text, source }
    }

    #[test]
    fn every_cause_is_told_once() {
        let cause = || io::Error::other("no space left");
        let error = told("cannot write", told("cannot commit", cause()));
        assert_eq!(
            with_causes(&error),
            "cannot write: cannot commit: no space left"
        );
        let repeating = told("cannot write: no space left", cause());
        assert_eq!(with_causes(&repeating), "cannot write: no space left");
        assert_eq!(with_causes(&cause()), "no space left");
    }
}
