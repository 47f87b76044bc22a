//! Forms that come twice, because a button was pressed twice or a page loaded anew: what they send is sent once.
//!
//! In memory alone: what a crash forgets is sent again only if somebody presses the button again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::{OnceCell, oneshot};
use tokio::task::JoinSet;

use crate::admin::service::{ServiceError, Submitted};
use crate::id::QueueId;
use crate::operators::Digest;

/// How long a form is remembered. Default ten minutes: nobody waits longer before pressing once more.
const MEMORY: Duration = Duration::from_secs(600);
/// Forms that are remembered at most. Default 1,000; then the oldest are forgotten.
const MAX_FORMS: usize = 1000;

/// What became of a form.
type Answer = Result<Submitted, ServiceError>;

/// Forms that were sent. Cheap to clone; all clones share them.
#[derive(Clone, Default)]
pub struct Twice(Arc<Forms>);

#[derive(Default)]
struct Forms {
    known: Mutex<HashMap<Digest, Form>>,
    tasks: Mutex<JoinSet<()>>,
}

/// A form, since when it is known, and the message that was made of it.
struct Form {
    since: Instant,
    message: Arc<OnceCell<QueueId>>,
}

impl Twice {
    /// Sends by `sending`, unless this form has sent a message before: then that is the answer. One that comes while it is
    /// being sent waits for it; what was not sent may be tried again.
    ///
    /// It goes on when the browser has gone away, as it does when a button is pressed a second time.
    ///
    /// # Errors
    /// Those of `sending`.
    pub async fn send(
        &self,
        form: Digest,
        sending: impl Future<Output = Answer> + Send + 'static,
    ) -> Answer {
        let message = self.message(form);
        let (answer, answered) = oneshot::channel();
        {
            let mut tasks = self.0.tasks.lock();
            while tasks.try_join_next().is_some() {}
            tasks.spawn(async move {
                let sent = sent(&message, sending).await;
                // Nobody waits any more.
                let _ = answer.send(sent);
            });
        }
        let gone = |_| Err(ServiceError::Unavailable("it was not sent".to_owned()));
        answered.await.unwrap_or_else(gone)
    }

    fn message(&self, form: Digest) -> Arc<OnceCell<QueueId>> {
        let now = Instant::now();
        let mut known = self.0.known.lock();
        known.retain(|_, form| now.saturating_duration_since(form.since) < MEMORY);
        if known.len() >= MAX_FORMS && !known.contains_key(&form) {
            let oldest = known.iter().min_by_key(|(_, form)| form.since);
            let oldest = oldest.map(|(key, _)| *key);
            oldest.map(|key| known.remove(&key));
        }
        let form = known.entry(form).or_insert_with(|| Form {
            since: now,
            message: Arc::default(),
        });
        Arc::clone(&form.message)
    }
}

async fn sent(message: &OnceCell<QueueId>, sending: impl Future<Output = Answer>) -> Answer {
    let only_queued = || async {
        match sending.await {
            Ok(Submitted::Queued(id)) => Ok(id),
            other => Err(other),
        }
    };
    match message.get_or_try_init(only_queued).await {
        Ok(id) => Ok(Submitted::Queued(*id)),
        Err(other) => other,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;

    #[derive(Clone, Default)]
    struct Relay(Arc<AtomicI64>);

    impl Relay {
        async fn queue(self) -> Answer {
            tokio::task::yield_now().await;
            let number = self.0.fetch_add(1, Ordering::SeqCst);
            Ok(Submitted::Queued(QueueId::from_i64(number)))
        }

        fn count(&self) -> i64 {
            self.0.load(Ordering::SeqCst)
        }
    }

    #[tokio::test]
    async fn a_form_sends_one_message_however_often_it_comes() {
        let (twice, relay) = (Twice::default(), Relay::default());
        let (form, other) = (Digest::of(b"a"), Digest::of(b"b"));
        let (one, two) = tokio::join!(
            twice.send(form, relay.clone().queue()),
            twice.send(form, relay.clone().queue())
        );
        assert_eq!(one, two);
        assert_eq!(twice.send(form, relay.clone().queue()).await, one);
        assert_eq!(relay.count(), 1);
        assert_ne!(twice.send(other, relay.clone().queue()).await, one);
    }

    #[tokio::test]
    async fn what_was_not_sent_may_be_tried_again() {
        let (twice, relay) = (Twice::default(), Relay::default());
        let form = Digest::of(b"a");
        let refused = Submitted::Refused("550 5.7.1 no".to_owned());
        let first = twice.send(form, std::future::ready(Ok(refused.clone())));
        assert_eq!(first.await, Ok(refused));
        let again = twice.send(form, relay.clone().queue()).await;
        assert_eq!(again, Ok(Submitted::Queued(QueueId::from_i64(0))));
    }

    #[tokio::test]
    async fn who_goes_away_has_sent_all_the_same() {
        let (twice, relay) = (Twice::default(), Relay::default());
        let form = Digest::of(b"a");
        {
            let gone = twice.send(form, relay.clone().queue());
            tokio::pin!(gone);
            let first = std::future::poll_fn(|context| {
                std::task::Poll::Ready(gone.as_mut().poll(context).is_pending())
            });
            assert!(first.await, "it is under way");
        }
        let again = twice.send(form, relay.clone().queue()).await;
        assert_eq!(again, Ok(Submitted::Queued(QueueId::from_i64(0))));
        assert_eq!(relay.count(), 1);
    }

    #[tokio::test]
    async fn few_are_remembered() {
        let (twice, relay) = (Twice::default(), Relay::default());
        for number in 0..=MAX_FORMS {
            let form = Digest::of(&number.to_be_bytes());
            twice.send(form, relay.clone().queue()).await.expect("sent");
        }
        assert_eq!(twice.0.known.lock().len(), MAX_FORMS);
    }
}
