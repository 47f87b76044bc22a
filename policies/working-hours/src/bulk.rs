//! What bulk mail is: many recipients, little urgency, or a header field that only bulk mail has.

use policy_kit::text;

use crate::bindings::exports::gatepost::policy::message_stage::Request;
use crate::bindings::gatepost::policy::types::Priority;

/// Longest field name shown, in octets.
const MAX_FIELD: usize = 60;

/// What makes a message bulk mail. One of them is enough.
#[derive(Clone, Debug, PartialEq)]
pub struct Bulk {
    /// Recipients from which on it is; 0 is never. Default 50.
    pub recipients: u64,
    /// The effective priority from which down it is; none is never. Default low.
    pub priority: Option<Priority>,
    /// Names of header fields of which any makes it bulk. Default List-Unsubscribe (RFC 2369).
    pub headers: Vec<String>,
}

impl Default for Bulk {
    fn default() -> Self {
        Self {
            recipients: 50,
            priority: Some(Priority::Low),
            headers: vec!["List-Unsubscribe".to_owned()],
        }
    }
}

/// Why the message is bulk mail, in a few words; none when it is not.
pub fn reason(bulk: &Bulk, request: &Request) -> Option<String> {
    let recipients = request.envelope.recipients.len() as u64;
    if bulk.recipients > 0 && recipients >= bulk.recipients {
        return Some(format!("{recipients} recipients"));
    }
    let priority = request.effective_priority as u8 + 1;
    if bulk.priority.is_some_and(|from| priority > from as u8) {
        return Some(format!("priority {priority}"));
    }
    let headers = &request.message.headers;
    let stands = |name: &&String| {
        headers
            .iter()
            .any(|field| field.name.eq_ignore_ascii_case(name))
    };
    let name = bulk.headers.iter().find(stands)?;
    Some(format!("with {}", text::ascii(name, MAX_FIELD)))
}
