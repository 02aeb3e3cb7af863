//! A second attempt beside a slow one: off unless asked for, begun late, paid for, and only one of the two is heard.
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

mod support;

use std::time::Duration;

use support::fault::{LONG, World, begun, done, finish, role, said};
use testkit::{Reply, Step};

/// Just enough for the gateway to know how long the first content usually takes: one more, and it might be slow itself.
const LEARNT: u64 = 20;

async fn learnt(route: &str) -> World {
    let world = World::new(route).await;
    for _ in 0..LEARNT {
        assert_eq!(world.stream().await.header("x-cometgate-attempts"), "1");
    }
    world
}

#[tokio::test]
async fn a_slow_stream_gets_another_beside_it_and_the_first_content_wins() {
    let world = learnt("hedge = true").await;
    world.primary(Reply::sse(vec![role(), Step::Pause(LONG)]));
    let answer = world.stream().await;
    assert_eq!(
        (answer.header("x-cometgate-provider"), answer.header("x-cometgate-attempts")),
        ("cometapi", "2")
    );
    assert!(said(&answer).is_done && said(&answer).content.contains("fallback"));
    // The one that lost is cancelled at once.
    world.primary.wait_aborted(1).await;
    assert_eq!(world.seen(), (LEARNT + 1, 1));
}

#[tokio::test]
async fn a_slow_stream_that_is_first_all_the_same_wins() {
    let world = learnt("hedge = true").await;
    world.fallback(Reply::hang_before_head());
    world.primary(Reply::sse(vec![role(), Step::Pause(Duration::from_millis(400)), finish(), done()]));
    let answer = world.stream().await;
    assert_eq!(
        (answer.header("x-cometgate-provider"), answer.header("x-cometgate-attempts")),
        ("openai", "2")
    );
    world.fallback.wait_aborted(1).await;
}

#[tokio::test]
async fn a_hedge_that_fails_leaves_the_slow_one_alone_and_both_failing_shows_the_first() {
    let world = learnt("hedge = true").await;
    world.fallback(Reply::error(500, "server_error", None, "the hedge"));
    world.primary(begun(2, [finish(), done()]).delayed(Duration::from_millis(300)));
    let answer = world.stream().await;
    assert_eq!((answer.header("x-cometgate-provider"), said(&answer).content.as_str()), ("openai", "w0 w1 "));
    world
        .primary(Reply::error(500, "server_error", None, "the slow one").delayed(Duration::from_millis(300)));
    let answer = world.stream().await;
    assert_eq!((answer.status.as_u16(), answer.error_message()), (500, "the slow one".to_owned()));
    assert_eq!(answer.header("x-cometgate-provider"), "openai");
}

#[tokio::test]
async fn nothing_is_begun_beside_a_slow_one_unless_asked_for() {
    let world = learnt("").await;
    world.primary(begun(2, [finish(), done()]).delayed(Duration::from_millis(300)));
    assert_eq!(world.stream().await.header("x-cometgate-attempts"), "1");
    assert_eq!(world.seen(), (LEARNT + 1, 0));
}
