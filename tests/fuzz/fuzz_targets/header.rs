//! The header section: what authorization rests on, and what is written back.
#![no_main]

use gatepost_fuzz::clock::Timestamp;
use gatepost_fuzz::message::{HeaderSection, Stamp, stamp};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let content = with_line_ends(input);
    let Ok(section) = HeaderSection::parse(&content) else {
        return;
    };
    let originators = section.originators();
    assert!(section.subject().chars().count() <= 998);
    assert!(
        section
            .requested_priority()
            .is_none_or(|priority| (1..=5).contains(&priority))
    );
    let _ = section.message_id();
    let stamped = stamp(&section, &content, &STAMP);
    assert_lines(&stamped);
    let again = HeaderSection::parse(&stamped).expect("a stamped header is a header");
    assert_eq!(
        format!("{originators:?}"),
        format!("{:?}", again.originators())
    );
    assert!(!again.has("Bcc"), "a blind recipient is told");
});

const STAMP: Stamp<'static> = Stamp {
    hostname: "relay.example.com",
    helo: "client.example.com",
    client: None,
    protocol: "ESMTPSA",
    id: "0123456789abc",
    recipient: Some("bob@example.net"),
    received_at: Timestamp::from_millis(1_700_000_000_000),
    message_id_domain: "relay.example.com",
    mark_important: true,
    priority: None,
    tls: None,
    edits: &[],
};

/// What the content scanner lets through: CRLF alone, no NUL.
fn with_line_ends(input: &[u8]) -> Vec<u8> {
    let mut content = Vec::with_capacity(input.len() * 2);
    for &octet in input {
        match octet {
            b'\n' => content.extend(b"\r\n"),
            b'\r' | 0 => {}
            octet => content.push(octet),
        }
    }
    content.extend(b"\r\n");
    content
}

fn assert_lines(content: &[u8]) {
    let text = content.split(|&octet| octet == b'\n');
    let lines: Vec<&[u8]> = text.collect();
    let (last, lines) = lines.split_last().expect("never empty");
    assert!(last.is_empty(), "the last line does not end");
    for line in lines {
        let line = line.strip_suffix(b"\r").expect("a bare line feed");
        assert!(
            !line.contains(&b'\r') && !line.contains(&0),
            "a bare control"
        );
    }
}
