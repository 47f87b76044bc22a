//! `gatepost list …` and `gatepost user …`

mod lists;
mod settings;
mod suppressions;
mod users;

pub use self::lists::{ListCommand, find_list, run as run_list};
pub use self::users::{UserCommand, run as run_user};
