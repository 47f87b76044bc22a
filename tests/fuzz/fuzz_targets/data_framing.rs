//! The content behind DATA.
#![no_main]

use gatepost_fuzz::{Shell, log_in, replay_whole_and_cut};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let [bits, seed, content @ ..] = input else {
        return;
    };
    let shell = Shell {
        is_narrow: bits & 1 == 1,
        ..Shell::default()
    };
    let before: &[u8] = b"MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.net>\r\nDATA\r\n";
    let octets = [log_in(), before, content, b"\r\n.\r\nNOOP\r\n"].concat();
    replay_whole_and_cut(shell, &octets, *seed);
});
