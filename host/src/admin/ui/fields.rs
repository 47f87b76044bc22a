//! What a form sent, by name.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

/// Fields of one form at most. Default 2,000: a list manager may have a box for each of many lists.
const MAX_FIELDS: usize = 2000;

/// The fields of a form. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Fields(Arc<HashMap<String, Vec<String>>>);

impl Fields {
    /// From the pairs as they were sent; none when there are too many.
    pub fn new(pairs: Vec<(String, String)>) -> Option<Self> {
        if pairs.len() > MAX_FIELDS {
            return None;
        }
        let mut fields: HashMap<String, Vec<String>> = HashMap::new();
        for (name, value) in pairs {
            fields.entry(name).or_default().push(value);
        }
        Some(Self(Arc::new(fields)))
    }

    /// The first value of a field, without blanks around it; empty when there is none.
    pub fn text(&self, name: &str) -> &str {
        self.raw(name).trim()
    }

    /// The first value of a field as it was sent.
    pub fn raw(&self, name: &str) -> &str {
        self.all(name).first().map_or("", String::as_str)
    }

    /// Whether a box was checked.
    pub fn is_checked(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Every value of a field.
    pub fn all(&self, name: &str) -> &[String] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }
}

/// Those of this request; `visit` has read them and looked at their token.
impl<S: Send + Sync> FromRequestParts<S> for Fields {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_default())
    }
}
