//! Requests as they are recorded, with what nobody should read masked, and asked again.

use std::sync::Arc;
use std::time::Duration;

use super::config::{Mask, RecordConfig};
use super::document::{Request, Stage};
use super::{AtHand, PolicySet, Ruling, types};
use crate::clock::Timestamp;
use crate::decision::Retention;
use crate::id::QueueId;

/// What stands in place of a masked value. An empty value stays empty: rules ask whether there is one.
pub const MASKED: &str = "(masked)";
/// Octets of a request that is recorded; a larger one is not. Default 256 KiB: a message with 200 long
/// header fields and 1,000 recipients.
const MAX_DOCUMENT_OCTETS: usize = 256 * 1024;

impl RecordConfig {
    /// The request of the decision `id` as a JSON document; none when it is not to be recorded.
    pub fn document(&self, id: QueueId, request: &Request) -> Option<String> {
        if !self.enabled || !self.is_sampled(id) {
            return None;
        }
        let request = self.masked(request.clone());
        let document = serde_json::to_string(&request).expect("texts and numbers can be written");
        if document.len() > MAX_DOCUMENT_OCTETS {
            tracing::debug!(queue.id = %id, octets = document.len(), "request too large to be recorded");
            return None;
        }
        Some(document)
    }

    /// Decided by the id alone, so that it is the same for whatever happens to one message.
    fn is_sampled(&self, id: QueueId) -> bool {
        // SplitMix64: neighbouring ids must not fall together.
        let mut mixed = id
            .as_i64()
            .cast_unsigned()
            .wrapping_add(0x9E37_79B9_7F4A_7C15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        let part = f64::from((mixed >> 32) as u32) / f64::from(u32::MAX);
        part <= self.sample
    }

    fn masked(&self, mut request: Request) -> Request {
        let masks = |mask| self.mask.contains(&mask);
        if masks(Mask::Client) {
            mask_client(Arc::make_mut(&mut request.session));
        }
        if masks(Mask::Note) {
            mask_facts(
                &mut Arc::make_mut(&mut request.session).identity.facts,
                &["account.note"],
            );
        }
        if let Stage::Message { message, .. } = &mut request.stage {
            if masks(Mask::Headers) {
                mask_headers(Arc::make_mut(message));
            } else if masks(Mask::Subject) {
                mask_subject(Arc::make_mut(message));
            }
        }
        request
    }
}

fn mask_client(session: &mut types::Session) {
    // Addresses of documentation (RFC 5737, RFC 3849), of the client's family.
    let address = if session.client_ip.contains(':') {
        "2001:db8::"
    } else {
        "192.0.2.0"
    };
    session.client_ip = address.to_owned();
    mask(&mut session.helo);
    mask_facts(&mut session.facts, &["client.port", "client.ptr"]);
}

fn mask_headers(message: &mut types::Message) {
    mask(&mut message.subject);
    for header in &mut message.headers {
        mask(&mut header.value);
    }
    mask_facts(&mut message.facts, &["message-id", "date"]);
}

fn mask_subject(message: &mut types::Message) {
    mask(&mut message.subject);
    let subjects = message
        .headers
        .iter_mut()
        .filter(|header| header.name.eq_ignore_ascii_case("subject"));
    for header in subjects {
        mask(&mut header.value);
    }
}

fn mask_facts(facts: &mut [types::Fact], names: &[&str]) {
    for fact in facts
        .iter_mut()
        .filter(|fact| names.contains(&fact.name.as_str()))
    {
        mask(&mut fact.value);
    }
}

fn mask(text: &mut String) {
    if !text.is_empty() {
        MASKED.clone_into(text);
    }
}

impl PolicySet {
    /// How long decisions and recorded requests are kept, as of `now`.
    pub fn retention(&self, now: Timestamp) -> Retention {
        let days = |days: u32| Duration::from_secs(u64::from(days) * 86_400);
        let (decisions, record) = (&self.config.decisions, &self.config.record);
        Retention {
            decisions_before: now - days(decisions.keep_days),
            max_decisions: decisions.max_rows,
            requests_before: now - days(record.keep_days),
            max_request_octets: u64::from(record.max_mib) << 20,
        }
    }

    /// Asks the policies what `request` says, recorded or not. Its settings and its effective priority
    /// play no part: each policy of the set has its own.
    pub async fn answer(&self, request: &Request) -> Ruling {
        self.answer_with(request, AtHand::default()).await
    }

    /// As [`PolicySet::answer`], with what there is at hand.
    pub async fn answer_with(&self, request: &Request, at_hand: AtHand<'_>) -> Ruling {
        let session = Arc::clone(&request.session);
        let envelope = Arc::clone(&request.envelope);
        match &request.stage {
            Stage::Message { message, .. } => {
                self.evaluate_with(session, envelope, Arc::clone(message), at_hand)
                    .await
            }
            Stage::Sender(sender) => self.on_sender(session, envelope, sender.clone()).await,
            Stage::Recipient(recipient) => {
                self.on_recipient(session, envelope, recipient.clone())
                    .await
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::document::from_json;
    use crate::policy::tests::{envelope, message, session};

    fn record(mask: &[Mask]) -> RecordConfig {
        RecordConfig {
            enabled: true,
            mask: mask.to_vec(),
            ..RecordConfig::default()
        }
    }

    fn recorded(mask: &[Mask]) -> (String, Request) {
        let mut session = Arc::unwrap_or_clone(session());
        let note = types::Fact {
            name: "account.note".to_owned(),
            value: "secret note".to_owned(),
        };
        session.identity.facts.push(note);
        let mut message = message("news@example.com", "secret subject");
        message.headers.push(types::Header {
            name: "X-Empty".to_owned(),
            value: String::new(),
        });
        message.headers.push(types::Header {
            name: "X-Token".to_owned(),
            value: "secret token".to_owned(),
        });
        let stage = Stage::Message {
            message: message.into(),
            effective_priority: types::Priority::Normal,
        };
        let request = Request {
            settings: "{}".into(),
            session: session.into(),
            envelope: envelope("news@example.com").into(),
            stage,
        };
        let document = record(mask).document(QueueId::from_i64(1), &request);
        let document = document.expect("recorded");
        let request = from_json(&document).expect("a request");
        (document, request)
    }

    #[test]
    fn what_is_masked_is_not_in_the_document_and_the_rest_is_as_it_was() {
        let secrets = [
            "secret subject",
            "secret token",
            "secret note",
            "client.example.com",
        ];
        let cases: [(&[Mask], &[&str]); 5] = [
            (&[], &[]),
            (&[Mask::Subject], &["secret subject"]),
            (&[Mask::Headers], &["secret subject", "secret token"]),
            (&[Mask::Note], &["secret note"]),
            (&[Mask::Headers, Mask::Client, Mask::Note], &secrets),
        ];
        for (mask, hidden) in cases {
            let (document, request) = recorded(mask);
            for secret in secrets {
                let is_hidden = hidden.contains(&secret);
                assert_eq!(document.contains(secret), !is_hidden, "{mask:?} {secret}");
            }
            let Stage::Message { message, .. } = &request.stage else {
                panic!("{document}");
            };
            assert_eq!(message.header_from[0].full, "news@example.com");
            assert_eq!(message.headers[1].value, "", "what is empty stays so");
            assert_eq!(message.headers[2].name, "X-Token");
        }
    }

    #[test]
    fn a_sample_is_about_that_part_of_all() {
        let record = RecordConfig {
            sample: 0.1,
            ..record(&[])
        };
        let sampled = (0..10_000)
            .filter(|&number| record.is_sampled(QueueId::from_i64(number << 22)))
            .count();
        assert!((800..1200).contains(&sampled), "{sampled}");
    }

    #[test]
    fn nothing_is_recorded_unless_it_is_wanted() {
        let request = Request {
            settings: "{}".into(),
            session: session(),
            envelope: envelope("a@example.com").into(),
            stage: Stage::Sender(None),
        };
        let id = QueueId::from_i64(1);
        assert_eq!(RecordConfig::default().document(id, &request), None);
        assert!(record(&[]).document(id, &request).is_some());
    }
}
