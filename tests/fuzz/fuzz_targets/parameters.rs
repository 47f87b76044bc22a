//! The parameters of MAIL and RCPT.
#![no_main]

use gatepost_fuzz::{Shell, log_in, replay_whole_and_cut};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let [bits, seed, parameters @ ..] = input else {
        return;
    };
    let shell = Shell {
        encrypted: bits & 1 == 1,
        ..Shell::default()
    };
    let mail = [log_in(), b"MAIL FROM:<a@example.com> ", parameters, b"\r\n"].concat();
    replay_whole_and_cut(shell, &mail, *seed);
    let before = b"MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.net> ";
    let rcpt = [log_in(), before, parameters, b"\r\n"].concat();
    replay_whole_and_cut(shell, &rcpt, *seed);
});
