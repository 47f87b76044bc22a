//! The policies that decide one transaction, from MAIL to the final reply.

use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::policy::{PolicySet, ShadowQueue};

type Afterthought = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A set of policies, and what is to be asked of those in mode `shadow` once the client has its reply.
/// At the latest that is when this is dropped.
pub struct Panel {
    set: Arc<PolicySet>,
    later: Mutex<Vec<Afterthought>>,
    queue: ShadowQueue,
}

impl Panel {
    pub(super) fn new(set: Arc<PolicySet>, queue: ShadowQueue) -> Self {
        Self {
            set,
            later: Mutex::new(Vec::new()),
            queue,
        }
    }

    /// Takes over what the panel of an earlier transaction has not asked yet.
    pub(super) fn following(self, earlier: Option<Self>) -> Self {
        if let Some(earlier) = earlier {
            self.later.lock().append(&mut earlier.later.lock());
        }
        self
    }

    pub(super) fn later(&self, afterthought: impl Future<Output = ()> + Send + 'static) {
        self.later.lock().push(Box::pin(afterthought));
    }

    /// The client has what it was told: now the shadow policies may be asked.
    pub fn replied(&self) {
        for afterthought in self.later.lock().drain(..) {
            self.queue.push(afterthought);
        }
    }
}

impl Deref for Panel {
    type Target = Arc<PolicySet>;

    fn deref(&self) -> &Self::Target {
        &self.set
    }
}

impl Drop for Panel {
    fn drop(&mut self) {
        self.replied();
    }
}
