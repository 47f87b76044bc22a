//! What a form sent: fields by name, and files.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::FromRequestParts;
use axum::extract::multipart::Multipart;
use axum::http::request::Parts;
use tokio::sync::OwnedSemaphorePermit;

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

/// A file that a form sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its name, as the browser says.
    pub name: String,
    /// Its media type, as the browser says.
    pub media_type: String,
    /// What is in it.
    pub octets: Bytes,
}

/// The files of a form. Cheap to clone; while there is one, the turn of the form is taken.
#[derive(Clone, Debug, Default)]
pub struct Files {
    all: Arc<Vec<File>>,
    _turn: Option<Arc<OwnedSemaphorePermit>>,
}

impl Files {
    /// Each of them, in the order in which they were chosen.
    pub fn all(&self) -> &[File] {
        &self.all
    }

    /// These with those that an earlier form sent before them.
    #[must_use]
    pub fn after(self, mut earlier: Vec<File>) -> Self {
        earlier.extend_from_slice(&self.all);
        Self {
            all: Arc::new(earlier),
            ..self
        }
    }
}

/// The fields and the files of a form that is sent in parts; none when it breaks off or has too many.
pub async fn parts_of(
    mut sent: Multipart,
    turn: Option<Arc<OwnedSemaphorePermit>>,
) -> Option<(Fields, Files)> {
    let (mut pairs, mut files) = (Vec::new(), Vec::new());
    while let Some(part) = sent.next_field().await.ok()? {
        if pairs.len() + files.len() >= MAX_FIELDS {
            return None;
        }
        let name = part.name().unwrap_or_default().to_owned();
        let file_name = part.file_name().map(str::to_owned);
        let media_type = part.content_type().unwrap_or_default().to_owned();
        let octets = part.bytes().await.ok()?;
        match file_name {
            None => pairs.push((name, String::from_utf8_lossy(&octets).into_owned())),
            // Nothing was chosen.
            Some(name) if name.is_empty() && octets.is_empty() => {}
            Some(name) => files.push(File {
                name,
                media_type,
                octets,
            }),
        }
    }
    let files = Files {
        all: Arc::new(files),
        _turn: turn,
    };
    Some((Fields::new(pairs)?, files))
}

/// Those of this request; `form` has read them and looked at their token.
impl<S: Send + Sync> FromRequestParts<S> for Files {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.remove::<Self>().unwrap_or_default())
    }
}

/// Those of this request; `form` has read them and looked at their token.
impl<S: Send + Sync> FromRequestParts<S> for Fields {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_default())
    }
}
