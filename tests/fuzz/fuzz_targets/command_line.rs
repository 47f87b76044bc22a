//! One command line, before and after a login.
#![no_main]

use gatepost_fuzz::{Shell, log_in, replay_whole_and_cut};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    if let [bits, seed, line @ ..] = input {
        let line = [line, b"\r\n"].concat();
        replay_whole_and_cut(Shell::from_bits(*bits), &line, *seed);
        replay_whole_and_cut(Shell::default(), &[log_in(), &line].concat(), *seed);
    }
});
