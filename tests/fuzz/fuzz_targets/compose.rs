//! Header fields made of a policy's words: one field each, whatever the words are.
#![no_main]

use gatepost_fuzz::message::{HeaderSection, NewField, OriginatorState};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, &str, &str)| {
    let (name, value, address) = input;
    if let Ok(field) = NewField::text(name, value) {
        assert_eq!(only_field(&field), (name.to_owned(), field.value()));
    }
    let mailboxes = [(Some(value), address), (None, "z@example.com")];
    let field = NewField::mailboxes("From", mailboxes).expect("the second one can be written");
    only_field(&field);
    let header = [field.raw(), b"\r\n"].concat();
    let section = HeaderSection::parse(&header).expect("one field is within the limits");
    let originators = section.originators();
    assert_eq!(originators.state, OriginatorState::Complete, "{field:?}");
    let from: Vec<String> = originators.from.iter().map(|one| one.full()).collect();
    assert!(from == ["z@example.com"] || from == [address, "z@example.com"], "{field:?}");
});

/// The only field that a header with this one has.
fn only_field(field: &NewField) -> (String, String) {
    let text = [field.raw(), b"\r\nbody\r\n"].concat();
    let section = HeaderSection::parse(&text).expect("one field is within the limits");
    assert_eq!(section.body_offset(), field.raw().len() + 2, "{field:?}");
    let fields: Vec<_> = section.fields().collect();
    assert_eq!(fields.len(), 1, "{field:?}");
    (fields[0].name().to_owned(), fields[0].decoded().into_owned())
}
