//! Parameters as they come back from where they were kept: they were checked when they were given.

use super::extensions::{EnvelopeId, OriginalRecipient};

impl EnvelopeId {
    /// From what [`EnvelopeId::as_str`] gave.
    pub fn from_stored(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }
}

impl OriginalRecipient {
    /// From what [`OriginalRecipient::as_str`] gave.
    pub fn from_stored(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }
}
