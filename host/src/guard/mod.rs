//! Makes guessing at passwords slow, and lets in who is known: for whatever takes passwords.
//!
//! Values without clock or I/O. `submission` and `admin` wait and tell as they say.

mod guesses;
mod logins;
mod origin;
mod regulars;

pub use self::guesses::{Crossed, Guard, Guess, Hold};
pub use self::logins::Logins;
pub use self::origin::Origin;
