//! Many cases, most of which listen for silence: side by side, each lane with a gateway of its own.

/// Enough that waiting costs little, and few enough that gateways start in time.
const LANES: usize = 8;

/// Runs all cases and says what is wrong with those that did not become what they should.
pub(crate) async fn in_lanes<C: Send + 'static, R>(mut cases: Vec<C>, run: impl Fn(Vec<C>) -> R)
where
    R: Future<Output = Vec<String>> + Send + 'static,
{
    let (count, mut lanes) = (cases.len(), Vec::new());
    while !cases.is_empty() {
        let rest = cases.split_off(cases.len().min(count.div_ceil(LANES)));
        lanes.push(tokio::spawn(run(std::mem::replace(&mut cases, rest))));
    }
    let mut wrong = Vec::new();
    for lane in lanes {
        wrong.extend(lane.await.unwrap());
    }
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
}
