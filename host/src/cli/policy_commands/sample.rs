//! The message by which the price of a module is told: an ordinary one, with twenty header fields.

use std::sync::Arc;

use super::cases::{Asked, CaseForm, Scalar};
use crate::cli::Failure;
use crate::policy::document::Request;

/// Header fields of the message.
const FIELDS: usize = 20;

/// The question about an ordinary message of a user who may send as it does.
///
/// # Errors
/// Never, as long as the sample is what it should be.
pub fn request(settings: &Arc<str>) -> Result<Request, Failure> {
    let mut form = CaseForm {
        name: "sample".to_owned(),
        from: Some("Newsletter <newsletter@marketing.example.com>".to_owned()),
        subject: Some("The weekly newsletter, number 42".to_owned()),
        x_priority: Some(Scalar("2".to_owned())),
        ..CaseForm::default()
    };
    form.user.authorized_domains = "example.com; marketing.example.com".to_owned();
    form.user.authorized_senders = "ceo@example.org".to_owned();
    // From, Subject and X-Priority are there.
    for number in 3..FIELDS {
        let value = "of the usual length of a header field's value";
        form.header
            .insert(format!("X-Header-{number}"), Scalar(value.to_owned()));
    }
    match form.question(settings) {
        Ok(Asked::Question(request)) => Ok(*request),
        Ok(Asked::Refused(rejection)) => Err(Failure::message(rejection.reason)),
        Err(problem) => Err(Failure::message(problem)),
    }
}
