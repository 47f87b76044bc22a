//! The settings that the next session of a listener gets, replaceable while sessions run.

use std::sync::Arc;

use parking_lot::RwLock;

use super::Door;

/// Hands each new session the present [`Door`]; a session that runs keeps the one it began with.
/// Cheap to clone; all clones hand out the same.
#[derive(Clone)]
pub struct Entrance(Arc<RwLock<Arc<Door>>>);

impl Entrance {
    /// Hands out `door`.
    pub fn new(door: Door) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(door))))
    }

    /// What a session that begins now gets.
    pub fn door(&self) -> Arc<Door> {
        Arc::clone(&self.0.read())
    }

    /// Hands out another one from the next session on.
    pub fn replace(&self, door: Door) {
        *self.0.write() = Arc::new(door);
    }
}
