//! Content in BDAT chunks (RFC 3030), cut by the input itself.
#![no_main]

use gatepost_fuzz::{Shell, log_in, replay_whole_and_cut, split};
use libfuzzer_sys::fuzz_target;

const BODIES: [&str; 3] = ["7BIT", "8BITMIME", "BINARYMIME"];

fuzz_target!(|input: &[u8]| {
    let [bits, seed, content @ ..] = input else {
        return;
    };
    let shell = Shell {
        is_narrow: bits & 1 == 1,
        ..Shell::default()
    };
    let body = BODIES[usize::from(bits >> 1) % BODIES.len()];
    let mut octets = log_in().to_vec();
    octets.extend(format!("MAIL FROM:<a@example.com> BODY={body}\r\n").bytes());
    octets.extend(b"RCPT TO:<b@example.net>\r\n");
    for chunk in split(content, bits >> 3) {
        octets.extend(format!("BDAT {}\r\n", chunk.len()).bytes());
        octets.extend(chunk);
    }
    octets.extend(b"BDAT 0 LAST\r\nNOOP\r\n");
    replay_whole_and_cut(shell, &octets, *seed);
});
