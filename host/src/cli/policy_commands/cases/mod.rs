//! Cases for policies: what is asked, and what is to come of it. `wit/TESTING.md` documents the format.
//!
//! | file | what |
//! |---|---|
//! | `form` | the format, as it is written |
//! | `file` | reads a file: defaults, cases, their senders |
//! | `question` | from a case to what the policy is asked |
//! | `expectation` | compares what came with what is expected |
//! | `outcome` | what came of a question, in the words of people |

mod expectation;
mod file;
mod form;
mod outcome;
mod question;

pub use self::expectation::Expectation;
pub use self::file::{Case, read};
pub use self::form::{CaseForm, OneOrMany, PriorityWord, Scalar, StageName};
pub use self::outcome::Outcome;
pub use self::question::{Asked, octets_with_line_ends as with_line_ends};

#[cfg(test)]
mod tests;
