//! Reads the header section of a message and writes the fields a submission server owes it, and those
//! that policies want changed.
//!
//! Pure code: octets in, values out. It decides nothing about authorization or priority (policies
//! do), keeps nothing and opens nothing. Its reading of From and Sender is what authorization rests
//! on, so it is strict: what has more than one plausible reading is [`OriginatorState::Unreadable`].
//!
//! Neighbours: `intake` parses and stamps with it, `accounts` normalises list entries with
//! [`address`]; it stands on [`Mailbox`](crate::smtp::Mailbox) alone.

pub mod address;
mod compose;
mod date;
mod decode;
pub mod downgrade;
mod edit;
mod field;
mod header;
mod lexer;
mod originators;
mod priority;
mod schedule;
mod stamp;

pub use self::address::{Address, domain_to_ascii};
pub use self::compose::{
    ComposeError, MAX_DISPLAY_NAME_OCTETS, MAX_VALUE_OCTETS, NewField, is_field_name,
};
pub use self::date::format_date;
pub use self::edit::Edit;
pub use self::field::Field;
pub use self::header::{HeaderEnd, HeaderError, HeaderSection, Limits};
pub use self::originators::{OriginatorState, Originators};
pub use self::schedule::ScheduleError;
pub use self::stamp::{Stamp, stamp};
