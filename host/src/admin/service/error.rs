//! Why an operation was not done, in words for whoever asked.

use std::str::FromStr;

use tracing::error;

use crate::accounts::{EntryProblem, VerifierError};
use crate::store::StoreError;

/// Why an operation was not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServiceError {
    /// There is no such thing, or it belongs to others.
    #[error("there is no such {0}")]
    NotFound(String),
    /// Only operators may.
    #[error("only operators may do that")]
    Forbidden,
    /// What was given cannot be.
    #[error("{0}")]
    Invalid(Invalid),
    /// It contradicts what there is.
    #[error("{0}")]
    Conflict(String),
    /// The store or another room cannot answer now.
    #[error("{0}")]
    Unavailable(String),
}

/// What is wrong with what was given, all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Invalid {
    problems: Vec<Problem>,
}

/// What is wrong with one field.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Problem {
    /// The field, by its name in forms and documents.
    pub field: &'static str,
    /// What is wrong with it and what to write instead.
    pub message: String,
}

impl ServiceError {
    /// There is no such thing.
    pub fn not_found(what: &str) -> Self {
        Self::NotFound(what.to_owned())
    }

    /// One field is wrong.
    pub fn invalid(field: &'static str, message: impl Into<String>) -> Self {
        let mut invalid = Invalid::default();
        invalid.add(field, message);
        Self::Invalid(invalid)
    }
}

impl Invalid {
    /// Notes one more problem.
    pub fn add(&mut self, field: &'static str, message: impl Into<String>) {
        let message = message.into();
        self.problems.push(Problem { field, message });
    }

    /// Reads a field into its place, and notes when it cannot be read.
    pub fn read<T>(&mut self, field: &'static str, text: &str, place: &mut T)
    where
        T: FromStr,
        T::Err: Into<String>,
    {
        match text.parse() {
            Ok(value) => *place = value,
            Err(problem) => self.add(field, problem),
        }
    }

    /// Notes what is wrong with the entries of a `;` text.
    pub fn add_entries(&mut self, field: &'static str, checked: Result<(), Vec<EntryProblem>>) {
        for problem in checked.err().unwrap_or_default() {
            self.add(field, problem.to_string());
        }
    }

    /// Nothing when nothing was noted.
    ///
    /// # Errors
    /// [`ServiceError::Invalid`] with everything that was.
    pub fn into_result(self) -> Result<(), ServiceError> {
        if self.problems.is_empty() {
            Ok(())
        } else {
            Err(ServiceError::Invalid(self))
        }
    }

    /// The problems, in the order of the fields.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// True when nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.problems.is_empty()
    }

    /// What is wrong with one field.
    pub fn of(&self, field: &str) -> Vec<&str> {
        let own = self.problems.iter().filter(|one| one.field == field);
        own.map(|one| one.message.as_str()).collect()
    }
}

impl std::fmt::Display for Invalid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let texts = self.problems.iter();
        let texts: Vec<String> = texts
            .map(|one| format!("{}: {}", one.field, one.message))
            .collect();
        f.write_str(&texts.join("; "))
    }
}

impl From<StoreError> for ServiceError {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::NotFound { what } => Self::NotFound(what.clone()),
            StoreError::Conflict { what } => Self::Conflict(format!("a {what} exists already")),
            StoreError::InUse { .. } | StoreError::LastOperator => {
                let hint = error.hint().unwrap_or_default();
                Self::Conflict(format!("{error}; {hint}"))
            }
            _ => {
                error!(
                    error = crate::causes::with_causes(&error),
                    "the panel cannot use the store"
                );
                Self::Unavailable("the store does not answer; try again in a moment".to_owned())
            }
        }
    }
}

impl From<VerifierError> for ServiceError {
    fn from(error: VerifierError) -> Self {
        error!(
            error = crate::causes::with_causes(&error),
            "the panel cannot use a password"
        );
        Self::Unavailable("passwords cannot be checked now; try again in a moment".to_owned())
    }
}
