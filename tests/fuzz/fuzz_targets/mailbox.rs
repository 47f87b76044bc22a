//! Mailboxes: what passes reads the same again, and is compared by one form.
#![no_main]

use gatepost_fuzz::message::Address;
use gatepost_fuzz::smtp::Mailbox;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Ok(text) = str::from_utf8(input) else {
        return;
    };
    if let Ok(mailbox) = text.parse::<Mailbox>() {
        assert!(mailbox.as_str().is_ascii());
        assert_eq!(Mailbox::parse_utf8(text), Ok(mailbox));
    }
    if let Ok(mailbox) = Mailbox::parse_utf8(text) {
        assert_eq!(Mailbox::parse_utf8(mailbox.as_str()), Ok(mailbox.clone()));
        assert!(!mailbox.as_str().chars().any(char::is_control));
        assert!(
            mailbox.local_part().starts_with('"') || !mailbox.as_str().contains(['<', '>', ' '])
        );
        // Two forms of one address would be two answers to "may this user send as it?".
        if let Some(address) = Address::from_mailbox(&mailbox) {
            assert_eq!(Address::parse(&address.full()), Some(address));
        }
    }
});
