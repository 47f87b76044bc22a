//! Pages of what there may be much of, by cursors.

use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::problem::Problem;

/// Things on a page when nothing is said. Default 50.
const DEFAULT: u32 = 50;
/// Things on a page at most. Default 200.
const MAX: u32 = 200;

/// Which page.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Paging {
    /// `next` of the page before; nothing for the first.
    #[param(pattern = "^c[0-9]{1,19}$")]
    pub cursor: Option<String>,
    /// Things on a page, from 1 to 200; 50 when it is left out.
    #[param(minimum = 1, maximum = 200)]
    pub limit: Option<u32>,
}

/// What is looked for, and which page of it.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// A text that is looked for, whatever its case; nothing finds all.
    pub q: Option<String>,
    /// `next` of the page before; nothing for the first.
    #[param(pattern = "^c[0-9]{1,18}$")]
    pub cursor: Option<String>,
    /// Things on a page, from 1 to 200; 50 when it is left out.
    #[param(minimum = 1, maximum = 200)]
    pub limit: Option<u32>,
}

impl Finding {
    /// The text, without blanks around it.
    pub fn text(&self) -> &str {
        self.q.as_deref().unwrap_or_default().trim()
    }
}

/// A page.
#[derive(Serialize, ToSchema)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// The cursor of the page that follows; null on the last.
    pub next: Option<String>,
}

/// How many things.
///
/// # Errors
/// It is no number of things on a page.
pub fn limit(limit: Option<u32>) -> Result<u32, Problem> {
    match limit.unwrap_or(DEFAULT) {
        limit @ 1..=MAX => Ok(limit),
        _ => {
            let detail = format!("`limit` is from 1 to {MAX}");
            Err(Problem::new(StatusCode::BAD_REQUEST, detail))
        }
    }
}

/// The number that a cursor stands for.
///
/// # Errors
/// It is none of ours.
pub fn cursor(cursor: Option<&str>) -> Result<Option<i64>, Problem> {
    let Some(text) = cursor else {
        return Ok(None);
    };
    let number = text.strip_prefix('c').and_then(|text| text.parse().ok());
    number.map(Some).ok_or_else(no_cursor)
}

/// What was shown as a cursor is none of ours.
pub fn no_cursor() -> Problem {
    let detail = "`cursor` is what `next` of the page before was";
    Problem::new(StatusCode::BAD_REQUEST, detail)
}

/// The cursor of the page behind this number.
pub fn cursor_of(number: i64) -> String {
    format!("c{number}")
}

/// A page of these things, which are one more than fit when another page follows; `number` tells where that begins.
pub fn page<T, D>(
    mut things: Vec<T>,
    limit: u32,
    number: impl Fn(&T) -> i64,
    document: impl Fn(T) -> D,
) -> Page<D> {
    let has_next = things.len() > limit as usize;
    things.truncate(limit as usize);
    let last = things.last().filter(|_| has_next);
    let next = last.map(|last| cursor_of(number(last)));
    Page {
        items: things.into_iter().map(document).collect(),
        next,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_each_other_to_the_end() {
        let first = page(vec![3, 5, 8], 2, |one| *one, |one| one);
        assert_eq!(first.items, [3, 5]);
        let next = cursor(first.next.as_deref()).expect("it is one of ours");
        assert_eq!(next, Some(5));
        let last = page(vec![8], 2, |one| *one, |one| one);
        assert_eq!(last.next, None);
    }

    #[test]
    fn another_cursor_and_another_limit_are_problems() {
        for text in ["", "5", "c", "cx", "c9999999999999999999"] {
            assert!(cursor(Some(text)).is_err(), "{text}");
        }
        assert!(limit(Some(0)).is_err());
        assert!(limit(Some(201)).is_err());
        assert_eq!(limit(None).ok(), Some(50));
    }
}
