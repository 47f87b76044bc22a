//! Serves HTTP connections with limits on everything: places, octets, and every wait.
//!
//! Knows no path and no page; `web` and `admin` bring a router and say how long what may take.

mod limits;
mod places;
mod server;

pub use self::limits::Limits;
pub use self::server::{Bound, Client, ListenError, Server};
