//! Tells every part of the process that it is time to end.

use std::sync::Arc;

use tokio::sync::watch;

/// An announcement that is made once and stays made. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Shutdown {
    announce: Arc<watch::Sender<bool>>,
    announced: watch::Receiver<bool>,
}

impl Shutdown {
    /// Nothing announced yet.
    pub fn new() -> Self {
        let (announce, announced) = watch::channel(false);
        Self {
            announce: Arc::new(announce),
            announced,
        }
    }

    /// Announces the end.
    pub fn announce(&self) {
        self.announce.send_replace(true);
    }

    /// True once the end was announced.
    pub fn is_announced(&self) -> bool {
        *self.announced.borrow()
    }

    /// Waits for the announcement.
    ///
    /// # Cancel safety
    /// May be dropped and called again.
    pub async fn announced(&self) {
        let mut announced = self.announced.clone();
        announced
            .wait_for(|&announced| announced)
            .await
            .expect("this holds the sender too");
    }
}

impl Default for Shutdown {
    fn default() -> Self {
        Self::new()
    }
}
