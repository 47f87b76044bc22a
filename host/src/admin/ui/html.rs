//! Pieces of pages that are HTML themselves, and are made in this file alone.

mod chart;

use std::fmt;

pub use self::chart::{bars, bucket_label, grouped, hour_label};
use crate::clock::Timestamp;

/// Text that is HTML and is not escaped again. Whatever comes from elsewhere has been escaped by its maker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Html(String);

impl fmt::Display for Html {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl askama::filters::HtmlSafe for Html {}

/// A time, in UTC; the script shows it in the reader's own zone.
pub fn moment(at: &Timestamp) -> Html {
    let exact = at.to_whole_seconds();
    let (date, time) = (&exact[..10], &exact[11..16]);
    Html(format!(
        "<time datetime=\"{exact}\" title=\"{exact}\">{date} {time} UTC</time>"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_exact_for_programs_and_short_for_people() {
        assert_eq!(
            moment(&Timestamp::from_millis(951_782_400_000)).to_string(),
            "<time datetime=\"2000-02-29T00:00:00Z\" title=\"2000-02-29T00:00:00Z\">2000-02-29 00:00 UTC</time>"
        );
    }
}
