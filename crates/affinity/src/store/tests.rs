use std::fs;
use std::sync::mpsc::channel;
use std::time::Duration;

use super::*;

const NOW: u32 = 1_000_000;

fn learn(store: &Store, tenant: &str, provider: &str, ids: &[(&str, u32)]) -> bool {
    let (sender, answer) = channel();
    let acknowledge = Box::new(move |is_durable| sender.send(is_durable).unwrap());
    store.learn(&Made { tenant, provider, ids }, NOW, acknowledge);
    answer.recv_timeout(Duration::from_secs(30)).unwrap()
}

fn own(provider: &str) -> Found {
    Found::Own { provider: provider.into(), is_expired: false }
}

fn files(path: &Path) -> Vec<std::path::PathBuf> {
    let mut files: Vec<_> = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn what_is_acknowledged_is_there_after_the_process_without_any_end() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), NOW).unwrap();
    assert!(store.is_durable());
    assert!(learn(&store, "acme", "cometapi", &[("resp_1", NOW + 10), ("msg_1", 0)]));
    // As after a kill: nothing was closed.
    let after = Store::open(directory.path(), NOW).unwrap();
    assert_eq!(after.find("acme", "resp_1", NOW), own("cometapi"));
    assert_eq!(after.find("globex", "resp_1", NOW), Found::Anothers);
    assert_eq!(after.find("acme", "resp_2", NOW), Found::Unknown);
    let expired = Found::Own { provider: "cometapi".into(), is_expired: true };
    assert_eq!(after.find("acme", "resp_1", NOW + 10), expired);
    assert_eq!(after.len(), 2);
    drop(store);
}

#[test]
fn two_tenants_may_have_the_same_id_at_two_providers() {
    let directory = tempfile::tempdir().unwrap();
    for store in [Store::open(directory.path(), NOW).unwrap(), Store::in_memory()] {
        learn(&store, "acme", "openai", &[("1", 0)]);
        learn(&store, "globex", "cometapi", &[("1", 0)]);
        learn(&store, "acme", "openai", &[("1", 0)]);
        assert_eq!(store.find("acme", "1", NOW), own("openai"));
        assert_eq!(store.find("globex", "1", NOW), own("cometapi"));
        assert_eq!(store.find("initech", "1", NOW), Found::Anothers);
    }
    let store = Store::open(directory.path(), NOW).unwrap();
    assert_eq!(store.find("globex", "1", NOW), own("cometapi"));
}

#[test]
fn an_id_is_nowhere_on_disk() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), NOW).unwrap();
    learn(&store, "acme", "openai", &[("resp_marker_1", 0)]);
    for file in files(directory.path()) {
        let bytes = fs::read(&file).unwrap();
        assert!(!bytes.windows(11).any(|window| window == b"resp_marker"), "{}", file.display());
    }
}

/// A power cut may leave any beginning of a file, with or without rubbish behind it.
#[test]
fn a_log_cut_at_any_byte_is_read_up_to_there() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), NOW).unwrap();
    let ids: Vec<String> = (0..12).map(|id| format!("resp_{id}")).collect();
    let mut ends = Vec::new();
    let file = files(directory.path()).pop().unwrap();
    for id in &ids {
        ends.push(fs::metadata(&file).unwrap().len());
        assert!(learn(&store, "acme", "cometapi", &[(id, 0)]));
    }
    let whole = fs::read(&file).unwrap();
    ends.push(whole.len() as u64);
    for cut in 0..=whole.len() {
        let rubbish = [&b""[..], &[0; 64], b"\x2a\x00rubbish that is longer than a record can be cut to"];
        // Every cut, and each kind of rubbish behind every third.
        let rubbish = rubbish[cut % 3];
        let copy = tempfile::tempdir().unwrap();
        fs::write(copy.path().join(file.file_name().unwrap()), [&whole[..cut], rubbish].concat()).unwrap();
        let read = Store::open(copy.path(), NOW).unwrap();
        let expected = ends.iter().skip(1).filter(|end| **end <= cut as u64).count();
        assert_eq!(read.len(), expected, "cut at {cut}");
        for (at, id) in ids.iter().enumerate() {
            assert_eq!(read.find("acme", id, NOW) == own("cometapi"), at < expected, "{id} cut at {cut}");
        }
        // And what is learned after the cut is not written behind it.
        if cut % 40 == 7 {
            assert!(learn(&read, "acme", "openai", &[("after", 0)]));
            let again = Store::open(copy.path(), NOW).unwrap();
            assert_eq!(again.find("acme", "after", NOW), own("openai"));
            assert_eq!(again.len(), expected + 1);
        }
    }
}

#[test]
fn what_another_process_learns_beside_is_found_soon() {
    let directory = tempfile::tempdir().unwrap();
    let (old, new) =
        (Store::open(directory.path(), NOW).unwrap(), Store::open(directory.path(), NOW).unwrap());
    learn(&old, "acme", "openai", &[("resp_old", 0)]);
    learn(&new, "acme", "cometapi", &[("resp_new", 0)]);
    for (store, id, provider) in [(&new, "resp_old", "openai"), (&old, "resp_new", "cometapi")] {
        let found = (0..100).any(|_| {
            std::thread::sleep(Duration::from_millis(50));
            store.find("acme", id, NOW) == own(provider)
        });
        assert!(found, "{id}");
    }
}

#[test]
fn disk_and_memory_stay_within_bounds() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open_with(directory.path(), NOW, 1600).unwrap();
    for id in 0..5000 {
        let id = format!("resp_{id}");
        store.learn(&Made { tenant: "acme", provider: "openai", ids: &[(&id, 0)] }, NOW, Box::new(|_| {}));
        if store.len().is_multiple_of(512) {
            learn(&store, "acme", "openai", &[("conv", 0)]);
        }
    }
    assert!(learn(&store, "acme", "openai", &[("last", 0)]));
    assert!(store.len() <= 1600);
    assert_eq!(store.find("acme", "resp_0", NOW), Found::Unknown);
    assert_eq!(store.find("acme", "resp_4999", NOW), own("openai"));
    assert_eq!(store.find("acme", "conv", NOW), own("openai"), "what is used stays");
    let before = store.len();
    drop(store);
    let bytes: u64 = files(directory.path()).iter().map(|file| fs::metadata(file).unwrap().len()).sum();
    assert!(bytes < 2 * 1600 * 50, "{bytes}");
    let again = Store::open_with(directory.path(), NOW, 1600).unwrap();
    assert!(again.len() <= 1600 && again.len() >= before - 101, "{} of {before}", again.len());
    assert_eq!(again.find("acme", "resp_4999", NOW), own("openai"));
}

#[test]
fn many_starts_leave_few_files_and_nothing_is_lost() {
    let directory = tempfile::tempdir().unwrap();
    for start in 0..100 {
        let store = Store::open(directory.path(), NOW).unwrap();
        let (id, short) = (format!("resp_{start}"), format!("short_{start}"));
        assert!(learn(&store, "acme", "openai", &[(&id, 0), (&short, NOW - 1)]));
        drop(store);
        assert!(files(directory.path()).len() <= MOST_FILES + 3, "{}", files(directory.path()).len());
    }
    let store = Store::open(directory.path(), NOW).unwrap();
    for start in 0..100 {
        assert_eq!(store.find("acme", &format!("resp_{start}"), NOW), own("openai"));
    }
    assert!(store.len() < 200, "what has expired goes when files are put together");
}

#[test]
fn without_a_directory_it_knows_what_it_learned_and_says_that_this_will_not_last() {
    let store = Store::in_memory();
    assert!(!store.is_durable());
    assert!(!learn(&store, "acme", "openai", &[("resp_1", 0)]));
    assert_eq!(store.find("acme", "resp_1", NOW), own("openai"));
    assert!(Store::open(Path::new("/proc/no/such"), NOW).is_err());
}

#[test]
fn a_directory_that_goes_away_and_comes_back_gets_what_it_missed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("affinity");
    let store = Store::open_with(&path, NOW, 1600).unwrap();
    fs::remove_dir_all(&path).unwrap();
    fs::write(&path, "in the way").unwrap();
    // More than a generation, so that a new file is needed.
    let acknowledged: Vec<bool> =
        (0..300).map(|id| learn(&store, "acme", "openai", &[(&format!("resp_{id}"), 0)])).collect();
    assert!(!acknowledged[299] && !store.is_durable());
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!((0..200).any(|_| {
        std::thread::sleep(Duration::from_millis(50));
        store.is_durable()
    }));
    let again = Store::open(&path, NOW).unwrap();
    assert_eq!(again.find("acme", "resp_299", NOW), own("openai"));
}
