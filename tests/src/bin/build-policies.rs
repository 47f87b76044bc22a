//! x
fn main() -> anyhow::Result<()> {
    let root = gatepost_tests::guests::root();
    std::fs::write(
        root.join("policies/built/sender-rules.wasm"),
        gatepost_tests::guests::build("sender-rules")?,
    )?;
    std::fs::write(
        root.join("tests/guests/built/hostile.wasm"),
        gatepost_tests::guests::build("hostile")?,
    )?;
    Ok(())
}
