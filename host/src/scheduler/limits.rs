//! What the configuration says about how much the plan lets run.

use std::collections::HashMap;
use std::time::Duration;

use super::Config;
use super::plan::{Ageing, Limits, Named};
use crate::delivery::Delivery;

/// The limits of the plan, from the sections `[scheduler]` and `[delivery]`.
pub(super) fn of(config: &Config, delivery: &Delivery) -> Limits {
    Limits {
        max_concurrency: delivery.config().max_concurrency,
        per_destination: delivery.config().per_destination,
        per_destination_rate: delivery.config().per_destination_rate,
        named: named(delivery),
        urgent_reserve: config.urgent_reserve,
        slow_down_first: Duration::from_secs(config.slow_down_first_s.max(1)),
        slow_down_max: Duration::from_secs(config.slow_down_max_s.max(1)),
        unreachable_first: Duration::from_secs(config.unreachable_first_s.max(1)),
        unreachable_max: Duration::from_secs(config.unreachable_max_s.max(1)),
        content_octets: config.ready_content_octets,
        envelopes: config.ready_envelopes,
        delay_notice_after: config.delay_notice_after(),
        ageing: ageing(delivery),
        nodes: 1,
    }
}

/// What the configuration says of single destinations.
fn named(delivery: &Delivery) -> HashMap<String, Named> {
    let all = delivery.config().destination.iter().map(|one| {
        let limits = Named {
            concurrency: one.concurrency,
            rate: one.rate,
        };
        (one.name(), limits)
    });
    all.collect()
}

fn ageing(delivery: &Delivery) -> Option<Ageing> {
    let ageing = &delivery.config().ageing;
    (ageing.step_s > 0).then(|| Ageing {
        step: Duration::from_secs(ageing.step_s),
        up_to: ageing.up_to,
    })
}
