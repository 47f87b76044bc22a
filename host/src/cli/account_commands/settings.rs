//! Policy settings of lists and users, as the command line shows and refuses them.

use crate::accounts::{PolicySettingError, PolicySettings};
use crate::cli::Failure;

/// Names and values on one line.
pub fn shown(settings: &PolicySettings) -> String {
    let shown: Vec<String> = settings
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    shown.join("; ")
}

/// Why settings are not taken.
pub fn refused(error: PolicySettingError) -> Failure {
    Failure::new(error).hint("nothing was changed; `NAME=` removes a setting")
}
