//! The whole session: any octets, in any state, answered in any way.
#![no_main]

use gatepost_fuzz::{Shell, replay_whole_and_cut};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    if let [bits, seed, octets @ ..] = input {
        replay_whole_and_cut(Shell::from_bits(*bits), octets, *seed);
    }
});
