//! Guests that were built for an older interface, or with an older compiler, and requests of then: every later host
//! loads them, asks them, and gets the verdicts they gave.

use std::path::PathBuf;
use std::time::Duration;

use gatepost_tests::guests;
use gatepost_tests::relay::gatepost_within;

/// Far above the second that it takes.
const PATIENCE: Duration = Duration::from_secs(120);
/// Each guest of a version with its cases; nothing is ever taken from here.
const FROZEN: [(&str, &str, &str); 3] = [
    ("0.1.0", "sender-rules.wasm", "sender-rules.toml"),
    ("0.1.0", "c.wasm", "sender-rules.toml"),
    ("0.1.0", "powers.wasm", "powers.toml"),
];

fn file(version: &str, name: &str) -> String {
    let folder: PathBuf = guests::root().join("tests/guests/frozen").join(version);
    folder.join(name).display().to_string()
}

#[test]
fn frozen_guests_give_the_verdicts_they_gave() {
    for (version, guest, cases) in FROZEN {
        let (guest, cases) = (file(version, guest), file(version, cases));
        let tested = gatepost_within(PATIENCE, &["policy", "test", &guest, &cases]);
        assert_eq!(tested.code, Some(0), "{guest}: {tested:?}");
        assert!(tested.stdout.starts_with("ok: "), "{guest}: {tested:?}");
    }
}

/// A guest that is put into the folder and forgotten here would prove nothing.
#[test]
fn every_frozen_guest_is_asked() {
    let versions = guests::root().join("tests/guests/frozen");
    let entries = std::fs::read_dir(versions).expect("frozen guests");
    let folders = entries.map(|entry| entry.expect("an entry").path());
    for folder in folders.filter(|folder| folder.is_dir()) {
        let version = folder
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        for entry in std::fs::read_dir(&folder).expect("a version") {
            let name = entry
                .expect("an entry")
                .file_name()
                .into_string()
                .expect("UTF-8");
            let is_asked = FROZEN
                .iter()
                .any(|frozen| frozen.0 == version && frozen.1 == name);
            assert!(is_asked || !name.ends_with(".wasm"), "{version}/{name}");
        }
    }
}
