//! Messages encoded down: octets that the next hop takes, however the message is made and wherever it is cut.
#![no_main]

use std::sync::Arc;

use gatepost_fuzz::message::downgrade::{Channel, Downgrade, Obstacle, Survey};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let [bits, cut, content @ ..] = data else {
        return;
    };
    let channel = Channel {
        eight_bit: bits & 1 == 1,
        utf8_header: bits & 2 == 2,
    };
    let whole = down(content, channel, content.len().max(1));
    let pieces = down(content, channel, usize::from(*cut).max(1));
    assert_eq!(whole, pieces, "cut at every {cut}");
    let Ok(Some(out)) = whole else {
        return;
    };
    assert!(channel.eight_bit || channel.utf8_header || out.is_ascii());
    assert!(!out.contains(&0), "NUL");
    assert!(out.is_empty() || out.ends_with(b"\r\n"), "the last line");
    for (at, &octet) in out.iter().enumerate() {
        match octet {
            b'\r' => assert_eq!(out.get(at + 1), Some(&b'\n'), "bare CR at {at}"),
            b'\n' => assert_eq!(out[..at].last(), Some(&b'\r'), "bare LF at {at}"),
            _ => {}
        }
    }
    assert_eq!(down(&out, channel, out.len().max(1)), Ok(None), "once is enough");
});

/// None when it can go as it is.
fn down(content: &[u8], channel: Channel, piece: usize) -> Result<Option<Vec<u8>>, Obstacle> {
    let mut survey = Survey::new(channel);
    content.chunks(piece).try_for_each(|part| survey.read(part))?;
    let plan = survey.finish()?;
    if plan.is_nothing() {
        return Ok(None);
    }
    let mut downgrade = Downgrade::new(channel, Arc::new(plan));
    let mut out = Vec::new();
    for part in content.chunks(piece) {
        downgrade.write(part, &mut out).expect("what was surveyed can be written");
    }
    downgrade.finish(&mut out).expect("what was surveyed can be written");
    Ok(Some(out))
}
