//! What the client is told when its message is refused: one line that says what is wrong and how
//! to put it right.

use policy_kit::allowed::{Allowed, Entry};
use policy_kit::text;

use crate::bindings::gatepost::policy::types::{EnhancedCode, Reply};
use crate::rules::{Claim, Malformed};

/// Longest text, in octets: with code, enhanced code and line end it stays below the 512 of
/// RFC 5321 §4.5.3.1.5.
const MAX_TEXT: usize = 450;
/// Longest address shown, in octets. Longer ones are valid, and cut here.
const MAX_ADDRESS: usize = 120;
/// Longest user name shown, in octets.
const MAX_USERNAME: usize = 40;

/// What to do about an unauthorized address, behind what is allowed.
const REMEDY: &str = "; change it to one of these in your program's settings, \
                      or ask your administrator to authorize it";

/// RFC 3463 §3.8: delivery not authorized, message refused.
const NOT_AUTHORIZED: EnhancedCode = EnhancedCode {
    class: 5,
    subject: 7,
    detail: 1,
};
/// RFC 3463 §3.7: other or undefined media error.
const MALFORMED: EnhancedCode = EnhancedCode {
    class: 5,
    subject: 6,
    detail: 0,
};

/// `550 5.7.1`: the address, where it stands, what is allowed, and what to do.
pub fn not_authorized(claim: &Claim, username: &str, allowed: &Allowed) -> Reply {
    let start = format!(
        "the sender address {} ({}) is not authorized for user {}; ",
        text::ascii(&claim.address.full, MAX_ADDRESS),
        claim.place.whereabouts(),
        text::ascii(username, MAX_USERNAME),
    );
    let Allowed::Only(entries) = allowed else {
        return reply(NOT_AUTHORIZED, start);
    };
    if entries.is_empty() {
        let useless = "none of the user's authorized domains and senders is valid: \
                       ask the administrator to correct them";
        return reply(NOT_AUTHORIZED, start + useless);
    }
    let room = MAX_TEXT.saturating_sub(start.len() + "allowed: ".len() + REMEDY.len());
    let shown = abbreviated(entries, room);
    reply(NOT_AUTHORIZED, format!("{start}allowed: {shown}{REMEDY}"))
}

/// `550 5.6.0`: what is wrong with the originator fields, and how they should look.
pub fn malformed(malformed: Malformed) -> Reply {
    let text = match malformed {
        Malformed::Missing => {
            "The message has no From field with an email address, so nobody can be told as its \
             sender; add exactly one, such as From: Your Name <you@example.com>"
        }
        Malformed::Unreadable => {
            "The From or Sender field of the message has a part that is not an email address; \
             write each as Your Name <you@example.com>, separate several by commas, and put \
             a name with special characters into double quotes"
        }
    };
    reply(MALFORMED, text.to_owned())
}

fn reply(enhanced: EnhancedCode, text: String) -> Reply {
    Reply {
        code: 550,
        enhanced,
        text: text::ascii(&text, MAX_TEXT),
    }
}

/// As many entries as fit into `room` octets, and how many there are beyond.
fn abbreviated(entries: &[Entry], room: usize) -> String {
    /// Octets of ` and 4294967295 more`.
    const MORE: usize = 20;
    let mut shown = String::new();
    for (index, entry) in entries.iter().enumerate() {
        let separator = if index == 0 { "" } else { ", " };
        let entry = text::ascii(&entry.shown(), MAX_ADDRESS);
        let left = entries.len() - index;
        let reserve = if left == 1 { 0 } else { MORE };
        if shown.len() + separator.len() + entry.len() + reserve > room {
            return format!(
                "{shown}{}{left} more",
                if index == 0 { "" } else { " and " }
            );
        }
        shown.push_str(separator);
        shown.push_str(&entry);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bindings::gatepost::policy::types::Address;
    use crate::settings::Place;

    fn refusal(full: &str, place: Place, username: &str, entries: &[String]) -> String {
        let address = Address {
            full: full.to_owned(),
            local_part: String::new(),
            domain: String::new(),
        };
        let claim = Claim {
            place,
            address: &address,
        };
        let entries = entries.iter().map(|entry| Entry::Domain(entry)).collect();
        let reply = not_authorized(&claim, username, &Allowed::Only(entries));
        assert_eq!((reply.code, reply.enhanced), (550, NOT_AUTHORIZED));
        reply.text
    }

    fn domains(count: usize) -> Vec<String> {
        (0..count)
            .map(|n| format!("domain{n}.example.com"))
            .collect()
    }

    #[test]
    fn a_refusal_names_address_place_user_allowance_and_remedy() {
        let entries = ["example.com".to_owned(), "example.org".to_owned()];
        assert_eq!(
            refusal("bob@example.net", Place::From, "s1_2", &entries),
            "the sender address bob@example.net (From field of the message) is not authorized \
             for user s1_2; allowed: example.com, example.org; change it to one of these in your \
             program's settings, or ask your administrator to authorize it"
        );
    }

    #[test]
    fn a_refused_envelope_is_told_in_the_words_of_a_mail_program() {
        let text = refusal("bob@example.net", Place::Envelope, "s1_2", &domains(1));
        let start = "the sender address bob@example.net (envelope sender: your From address, or \
                     the Return-Path where set) is not authorized for user s1_2; allowed: ";
        assert!(text.starts_with(start), "{text}");
        let text = refusal("bob@example.net", Place::Sender, "s1_2", &domains(1));
        assert!(text.contains("(Sender field of the message)"), "{text}");
    }

    #[test]
    fn what_to_do_is_told_however_long_the_names_are() {
        let long = "x".repeat(5000);
        for place in Place::ALL {
            let text = refusal(&long, place, &long, &vec![long.clone(); 1000]);
            assert!(text.ends_with(REMEDY), "{text}");
        }
    }

    #[test]
    fn a_long_allowance_is_abbreviated() {
        let text = refusal("bob@example.net", Place::From, "s1_2", &domains(1000));
        assert!(
            text.contains("domain0.example.com, domain1.example.com"),
            "{text}"
        );
        assert!(text.contains(" more; change it to one of these"), "{text}");
    }

    #[test]
    fn an_allowance_that_fits_exactly_is_not_abbreviated() {
        let entries = domains(3);
        let borrowed: Vec<_> = entries.iter().map(|entry| Entry::Domain(entry)).collect();
        let whole = entries.join(", ");
        assert_eq!(abbreviated(&borrowed, whole.len()), whole);
        assert_eq!(
            abbreviated(&borrowed, whole.len() - 1),
            "domain0.example.com, domain1.example.com and 1 more"
        );
        assert_eq!(abbreviated(&borrowed, 10), "3 more");
    }

    #[test]
    fn useless_entries_are_told_as_such() {
        let text = refusal("bob@example.net", Place::From, "s1_2", &[]);
        assert!(text.contains("none of the user's authorized domains and senders is valid"));
    }

    #[test]
    fn every_refusal_is_one_short_line_of_printable_ascii() {
        let long = "x".repeat(5000);
        let nasty = "a\r\n250 2.0.0 ok\u{0}\u{1b}[31m\u{202e}\u{f6}@example.net";
        for address in ["", "a@b", nasty, &long] {
            for username in ["s1_2", nasty, &long] {
                for entries in [0, 1, 2, 5, 20, 1000].map(domains) {
                    let text = refusal(address, Place::Envelope, username, &entries);
                    assert!(text.len() <= MAX_TEXT, "{}", text.len());
                    assert!(text.bytes().all(|octet| matches!(octet, b' '..=b'~')));
                }
            }
        }
        for malformed in [Malformed::Missing, Malformed::Unreadable].map(malformed) {
            assert_eq!((malformed.code, malformed.enhanced), (550, MALFORMED));
            assert!(malformed.text.len() <= MAX_TEXT);
            assert!(!malformed.text.ends_with("..."));
        }
    }
}
