//! How a command fails: what happened, to what, and a `hint:` what to do next.

use std::process::ExitCode;

use crate::app::StartError;
use crate::store::StoreError;

/// A failed command.
#[derive(Debug)]
pub struct Failure {
    error: anyhow::Error,
    hint: Option<String>,
}

impl Failure {
    /// From the error that ends the command.
    pub fn new(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self {
            error: error.into(),
            hint: None,
        }
    }

    /// From a sentence.
    pub fn message(text: impl Into<String>) -> Self {
        Self {
            error: anyhow::Error::msg(text.into()),
            hint: None,
        }
    }

    /// Adds what to do next.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Says what was attempted.
    pub fn context(self, text: &'static str) -> Self {
        Self {
            error: self.error.context(text),
            hint: self.hint,
        }
    }

    /// Prints the error with its causes, and returns the exit code for "failed".
    pub fn report(self) -> ExitCode {
        let mut causes: Vec<String> = Vec::new();
        for cause in self.error.chain().map(ToString::to_string) {
            // Some errors repeat their source in their own text.
            if !causes.iter().any(|known| known.contains(&cause)) {
                causes.push(cause);
            }
        }
        eprintln!("error: {}", causes.join(": "));
        if let Some(hint) = &self.hint {
            eprintln!("hint: {hint}");
        }
        ExitCode::FAILURE
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self { error, hint: None }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let hint = error.hint().map(str::to_owned);
        Self {
            error: error.into(),
            hint,
        }
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        let hint = error.hint();
        Self {
            error: error.into(),
            hint,
        }
    }
}
