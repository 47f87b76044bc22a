//! Makes messages as programs send them: some twenty header fields and a body of a wanted size.

use std::ops::Range;

/// The header field by which the sink recognizes a message.
pub const ID_FIELD: &str = "X-Test-Id: ";

/// Octets of an id; all have the same length, so that one buffer serves many messages.
pub const ID_LENGTH: usize = 24;

/// An id of exactly [`ID_LENGTH`] octets: up to 13 of `prefix` and ten digits of `number`.
pub fn id(prefix: &str, number: u64) -> String {
    let prefix: String = prefix.chars().take(ID_LENGTH - 11).collect();
    format!("{prefix:-<width$}-{number:010}", width = ID_LENGTH - 11)
}

/// The smallest message that is complete: From, To, Subject, the id and one line.
pub fn short(from: &str, to: &str, id: &str) -> String {
    with_fields(&format!("From: {from}\r\nTo: {to}\r\n"), id)
}

/// A message with these header fields (each ended by CRLF), the id and one line of body.
pub fn with_fields(fields: &str, id: &str) -> String {
    format!("{fields}Subject: a test\r\n{ID_FIELD}{id}\r\n\r\nHello.\r\n")
}

/// A message that is built once and sent often: only its id changes.
#[derive(Clone, Debug)]
pub struct Template {
    content: Vec<u8>,
    id: Range<usize>,
}

impl Template {
    /// A message of `size` octets (at least its header), ready to be sent after DATA: CRLF line
    /// ends, no line that begins with a dot, the final dot included.
    pub fn new(from: &str, to: &str, size: usize) -> Self {
        let mut content = header(from, to).into_bytes();
        let start = find(&content, ID_FIELD.as_bytes()) + ID_FIELD.len();
        while content.len() < size {
            let line = &BODY_LINE[..BODY_LINE.len().min((size - content.len()).max(3))];
            content.extend_from_slice(&line[..line.len() - 2]);
            content.extend_from_slice(b"\r\n");
        }
        content.extend_from_slice(b".\r\n");
        Self {
            content,
            id: start..start + ID_LENGTH,
        }
    }

    /// The content under this id, the final dot included.
    ///
    /// # Panics
    /// When the id is not [`ID_LENGTH`] octets long.
    pub fn stamped(&mut self, id: &str) -> &[u8] {
        self.content[self.id.clone()].copy_from_slice(id.as_bytes());
        &self.content
    }
}

const BODY_LINE: &[u8] =
    b"Thank you for your order. It is on its way and will reach you in two days.\r\n";

fn find(haystack: &[u8], needle: &[u8]) -> usize {
    memchr::memmem::find(haystack, needle).expect("the header holds the id field")
}

fn header(from: &str, to: &str) -> String {
    let id = "0".repeat(ID_LENGTH);
    let domain = from.rsplit('@').next().unwrap_or(from);
    format!(
        "Received: from app-7.internal (app-7.internal [10.1.2.7]) by web.{domain}; Mon, 23 Nov 2026 09:12:01 +0000\r\n\
         Date: Mon, 23 Nov 2026 09:12:01 +0000\r\n\
         From: The Example Shop <{from}>\r\n\
         Sender: {from}\r\n\
         Reply-To: Customer Care <{from}>\r\n\
         To: A Customer <{to}>\r\n\
         Subject: =?utf-8?q?Your_order_has_shipped_=E2=9C=93?=\r\n\
         Message-ID: <order-4711.1700000000@{domain}>\r\n\
         In-Reply-To: <order-4711.1699999999@{domain}>\r\n\
         References: <order-4711.1699999998@{domain}>\r\n\
         \t<order-4711.1699999999@{domain}>\r\n\
         MIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8; format=flowed\r\n\
         Content-Transfer-Encoding: 7bit\r\n\
         X-Priority: 3 (Normal)\r\n\
         X-Mailer: ExampleShop 4.2 (order module)\r\n\
         List-Unsubscribe: <https://{domain}/unsubscribe?u=4711>, <mailto:unsubscribe@{domain}>\r\n\
         List-Id: Orders <orders.{domain}>\r\n\
         Auto-Submitted: auto-generated\r\n\
         Organization: The Example Shop\r\n\
         {ID_FIELD}{id}\r\n\r\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_a_fixed_length() {
        for prefix in ["", "a", "a-very-long-prefix-indeed"] {
            assert_eq!(id(prefix, 7).len(), ID_LENGTH, "{prefix}");
        }
    }

    #[test]
    fn a_template_has_its_size_and_framing() {
        for size in [4096, 4097, 4098, 4099, 102_400] {
            let mut template = Template::new("a@example.com", "b@example.net", size);
            let content = template.stamped(&id("x", 1)).to_vec();
            let extra = content.len() - 3 - size;
            assert!(extra <= 2, "{size}: {extra} octets too many");
            assert!(content.ends_with(b"\r\n.\r\n"));
            let bare = content
                .windows(2)
                .filter(|pair| (pair[1] == b'\n') != (pair[0] == b'\r'));
            assert_eq!(bare.count(), 0, "{size}: bare CR or LF");
        }
    }
}
