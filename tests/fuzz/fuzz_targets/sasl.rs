//! SASL exchanges: the argument of AUTH and the responses, one a line.
#![no_main]

use gatepost_fuzz::{Shell, replay_whole_and_cut};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let [bits, seed, exchange @ ..] = input else {
        return;
    };
    let shell = Shell {
        encrypted: bits & 1 == 1,
        ..Shell::default()
    };
    let octets = [b"EHLO c.example\r\nAUTH ", exchange, b"\r\nNOOP\r\n"].concat();
    replay_whole_and_cut(shell, &octets, *seed);
});
