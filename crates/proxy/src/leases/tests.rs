use std::time::Duration;

use http::{HeaderMap, HeaderValue};

use super::*;

fn terms() -> Terms {
    Terms {
        check_id: "c-1".to_owned(),
        by: "alice".to_owned(),
        route: "r".to_owned(),
        share: Some(Share::ALL),
        role: None,
        model_id: None,
        twin: false,
        timeout: None,
        retries: None,
    }
}

fn naming(id: &'static str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(LEASE, HeaderValue::from_static(id));
    headers
}

#[tokio::test(start_paused = true)]
async fn what_nobody_renews_is_gone_after_thirty_seconds_to_the_moment() {
    let leases = Leases::default();
    leases.grant("l".to_owned(), terms()).unwrap();
    tokio::time::advance(Duration::from_millis(29_999)).await;
    assert!(leases.enter(&naming("l")).is_ok());
    assert_eq!(leases.running().len(), 1);
    tokio::time::advance(Duration::from_millis(1)).await;
    assert!(matches!(leases.enter(&naming("l")), Err(Error::NoLease)));
    assert_eq!(leases.running(), []);
    assert_eq!(leases.renew("l", Arc::new(terms())), Err(NoLease::Unknown), "what has lapsed stays so");
    assert!(leases.seen("l", 0).is_some(), "what it has seen can be asked for");
    tokio::time::advance(REMEMBERED).await;
    assert!(leases.seen("l", 0).is_none());
    assert!(leases.by_id.lock().unwrap().is_empty(), "and then nothing is left of it");
}

#[tokio::test(start_paused = true)]
async fn a_renewal_counts_from_its_own_moment_and_changes_what_comes_after_it() {
    let leases = Leases::default();
    leases.grant("l".to_owned(), terms()).unwrap();
    let before = leases.enter(&naming("l")).unwrap();
    tokio::time::advance(Duration::from_secs(29)).await;
    leases.renew("l", Arc::new(Terms { twin: true, ..terms() })).unwrap();
    tokio::time::advance(Duration::from_secs(29)).await;
    assert!(leases.enter(&naming("l")).unwrap().terms().twin);
    assert!(!before.terms().twin, "a request keeps the terms that it began with");
}

#[test]
fn an_ended_lease_refuses_at_once_and_counts_down_what_is_under_way() {
    let leases = Leases::default();
    leases.grant("l".to_owned(), terms()).unwrap();
    let checking = leases.enter(&naming("l")).unwrap();
    leases.end("l").unwrap();
    assert!(leases.enter(&naming("l")).is_err());
    assert_eq!(leases.end("l"), Err(NoLease::Unknown));
    assert_eq!(leases.seen("l", 0).unwrap().in_flight, 1);
    drop(checking);
    assert_eq!(leases.seen("l", 0).unwrap().in_flight, 0);
}

#[test]
fn only_the_named_lease_is_entered_and_there_are_so_many_at_the_most() {
    let leases = Leases::default();
    assert!(leases.enter(&HeaderMap::new()).is_err());
    for number in 0..MOST {
        leases.grant(format!("l{number}"), terms()).unwrap();
    }
    assert_eq!(leases.grant("one-more".to_owned(), terms()), Err(NoLease::TooMany));
    assert!(leases.enter(&naming("one-more")).is_err());
    leases.end("l0").unwrap();
    assert!(leases.grant("one-more".to_owned(), terms()).is_ok());
}
