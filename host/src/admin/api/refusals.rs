//! The problems that operations may answer with, described once: each operation names the groups that concern it.

use std::collections::BTreeMap;

use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, ToSchema};

use super::problem::{PROBLEM_JSON, Problem};

type Described = BTreeMap<String, RefOr<Response>>;

/// Whoever asks is not known, may not, asks too often, or the store cannot answer.
pub struct Refused;

impl IntoResponses for Refused {
    fn responses() -> Described {
        described(&[
            (401, "No token, or none that holds"),
            (403, "The token does not allow it"),
            (429, "Too many requests"),
            (503, "The store cannot answer now"),
        ])
    }
}

/// What is named in the path is not there for who asks.
pub struct NotThere;

impl IntoResponses for NotThere {
    fn responses() -> Described {
        described(&[(404, "There is no such thing, or it belongs to others")])
    }
}

/// The query is wrong.
pub struct BadRequest;

impl IntoResponses for BadRequest {
    fn responses() -> Described {
        described(&[(400, "The request cannot be read")])
    }
}

/// The document is wrong, or does not come.
pub struct BadDocument;

impl IntoResponses for BadDocument {
    fn responses() -> Described {
        let mut described = described(&[
            (408, "The document did not come in time"),
            (413, "The document is too large"),
            (415, "The document is not JSON"),
            (422, "Fields of the document cannot be as they are"),
        ]);
        described.append(&mut BadRequest::responses());
        described
    }
}

/// It cannot be done as things are.
pub struct Contradiction;

impl IntoResponses for Contradiction {
    fn responses() -> Described {
        described(&[(409, "It contradicts what there is")])
    }
}

fn described(problems: &[(u16, &str)]) -> Described {
    let described = problems.iter().map(|(status, description)| {
        let schema = Ref::from_schema_name(Problem::name());
        let content = ContentBuilder::new().schema(Some(schema)).build();
        let response = ResponseBuilder::new().description(*description);
        let response = response.content(PROBLEM_JSON, content).build();
        (status.to_string(), RefOr::T(response))
    });
    described.collect()
}
