//! The shipped policy modules and their sources.

use gatepost_tests::guests::GUESTS;

#[test]
fn shipped_bytes_are_what_the_source_builds_to() {
    for guest in GUESTS {
        if let Err(error) = guest.check() {
            panic!("{error:#}");
        }
    }
}

#[test]
fn shipped_bytes_name_no_place_of_a_machine() {
    for guest in GUESTS {
        let bytes = guest.shipped().expect("it is in the tree");
        for place in [
            "/home/",
            "/root/",
            "/Users/",
            "/tmp/",
            ".cargo/registry",
            ".rustup/",
        ] {
            let found = bytes
                .windows(place.len())
                .any(|part| part == place.as_bytes());
            assert!(!found, "{} contains {place}", guest.built);
        }
    }
}
