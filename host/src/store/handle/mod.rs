//! What the store offers its callers, by resource. Each is thin: the SQL is in the room's other files.

mod accounts;
mod administration;
mod alerts;
mod counts;
mod decisions;
mod nodes;
mod queue;
mod reloads;
mod search;
mod statistics;
mod telling;
mod traces;
mod upkeep;
mod webhooks;

pub use self::nodes::Standing;
