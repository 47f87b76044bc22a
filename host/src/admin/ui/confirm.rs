//! The page that asks once before something is deleted.

use askama::Template;

use super::frame::Frame;

/// Asks; the form goes to `action`.
#[derive(Template)]
#[template(path = "confirm.html")]
pub struct Confirm {
    /// The frame.
    pub frame: Frame,
    /// The question.
    pub question: String,
    /// What comes of it.
    pub text: String,
    /// What the button says.
    pub yes: &'static str,
    /// Where the form goes.
    pub action: String,
    /// Where one goes who does not want it.
    pub cancel: String,
}
