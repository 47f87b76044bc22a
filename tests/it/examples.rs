//! The shipped examples are right: every config is one that the relay accepts.

use std::path::Path;

use gatepost_tests::relay::gatepost;

#[test]
fn every_example_config_passes_config_check() {
    for folder in ["../examples/config", "../examples/deploy"] {
        check(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder));
    }
}

fn check(folder: &Path) {
    let entries = std::fs::read_dir(folder).expect("a folder of examples");
    let mut checked = 0;
    for entry in entries {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let path = path.to_str().expect("UTF-8");
        let output = gatepost(&["config", "check", "--config", path]);
        assert_eq!(output.code, Some(0), "{path}: {}", output.stderr);
        checked += 1;
    }
    assert!(checked > 0, "no example in {}", folder.display());
}
