use super::*;

const MAX_PAUSE: Duration = Duration::from_secs(30);

fn limited(octets_per_s: u32) -> Bandwidth {
    Bandwidth::new(NonZeroU32::new(octets_per_s), MAX_PAUSE)
}

/// Writes `octets` in turns; returns when it is done.
async fn carry(bandwidth: Bandwidth, priority: Priority, mut octets: usize) -> Instant {
    let mut transfer = bandwidth.transfer(priority);
    while octets > 0 {
        octets -= transfer.turn(octets).await;
    }
    transfer.rest();
    now()
}

#[tokio::test]
async fn the_more_urgent_is_through_before_the_others_go_on() {
    let bandwidth = limited(1_000_000);
    let started = now();
    // Three times two pieces; the burst of the beginning is used up.
    bandwidth.spend(50_000);
    let low = tokio::spawn(carry(bandwidth.clone(), Priority::Low, 40_000));
    let normal = tokio::spawn(carry(bandwidth.clone(), Priority::Normal, 40_000));
    let urgent = tokio::spawn(carry(bandwidth.clone(), Priority::Highest, 40_000));
    let low = low.await.expect("no panic");
    let normal = normal.await.expect("no panic");
    let urgent = urgent.await.expect("no panic");
    assert!(urgent <= normal && normal <= low);
    assert!(low - started >= Duration::from_millis(80), "not at once");
}

#[tokio::test]
async fn who_gives_up_leaves_its_place_to_the_others() {
    let bandwidth = limited(1_000_000);
    bandwidth.spend(60_000);
    let mut given_up = bandwidth.transfer(Priority::Highest);
    {
        let turn = given_up.turn(10);
        tokio::pin!(turn);
        assert!(futures_util::poll!(turn.as_mut()).is_pending());
    }
    drop(given_up);
    carry(bandwidth.clone(), Priority::Lowest, 1000).await;
    assert!(bandwidth.0.state.lock().waiting.is_empty());
}

#[tokio::test]
async fn a_turn_that_was_given_up_can_be_asked_for_again() {
    let bandwidth = limited(1_000_000);
    bandwidth.spend(60_000);
    let mut transfer = bandwidth.transfer(Priority::Normal);
    for _ in 0..3 {
        let turn = transfer.turn(10);
        tokio::pin!(turn);
        assert!(futures_util::poll!(turn.as_mut()).is_pending());
    }
    assert_eq!(transfer.turn(10).await, 10);
}

#[tokio::test]
async fn nothing_runs_while_nobody_waits() {
    let bandwidth = limited(1_000_000);
    carry(bandwidth.clone(), Priority::Normal, 100_000).await;
    let ended = async {
        while bandwidth.0.state.lock().keeper.is_some() {
            tokio::task::yield_now().await;
        }
    };
    let limit = Duration::from_secs(10);
    let ended = tokio::time::timeout(limit, ended).await;
    ended.expect("the keeper of time ends");
}
