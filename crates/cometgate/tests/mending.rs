//! The way home beside whatever is broken: a map, a tenants file, a state directory, a terminal that waits.
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

mod support;

use std::fs::{self, File};
use std::process::Stdio;
use std::time::Duration;

use support::program::{command, output};
use support::{Files, Map, Program, tenants};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::time::Instant;

fn map(version: &str, share: &str, top: &str) -> String {
    let map = Map::new("http://127.0.0.1:8/v1", "http://127.0.0.1:9/v1", share);
    Map { version, environment: "production", top, ..map }.text()
}

const BACK: &str = "rollback_route_version = \"old\"";

/// `old` and then `new` were live, and no gateway runs.
async fn lived_through(settings: &str) -> Files {
    let files = Files::new(settings, &map("old", "0%", ""), &tenants());
    let mut program = Program::serve(&files).await;
    files.write("routes.toml", &map("new", "0%", BACK));
    program.logged("route map new is live").await;
    program.terminate();
    program.ended().await;
    files
}

fn path(files: &Files, name: &str) -> String {
    files.path().join(name).to_str().unwrap().to_owned()
}

fn read(files: &Files) -> String {
    fs::read_to_string(files.path().join("routes.toml")).unwrap()
}

async fn routes(files: &Files, arguments: &[&str]) -> (i32, String) {
    let settings = path(files, "cometgate.toml");
    let (code, said, errors) = output(&[&["routes"], arguments, &["--config", &settings]].concat()).await;
    (code, said + &errors)
}

fn make_pipe(path: &str) {
    assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[tokio::test]
async fn a_rollback_needs_no_tenants_file_and_no_readable_map() {
    let files = lived_through("").await;
    type Damage = fn(&Files);
    let damages: [(Damage, &str); 6] = [
        (|files| files.write("tenants.toml", "oops"), "old"),
        (|files| fs::remove_file(files.path().join("tenants.toml")).unwrap(), "old"),
        // What was last in force is the way back from a map that says nothing.
        (|files| fs::write(files.path().join("routes.toml"), b"\xff\xfe").unwrap(), "new"),
        (|files| fs::remove_file(files.path().join("routes.toml")).unwrap(), "new"),
        (
            |files| {
                fs::remove_file(files.path().join("routes.toml")).unwrap();
                make_pipe(&path(files, "routes.toml"));
            },
            "new",
        ),
        (
            |files| {
                files.write("routes.toml", "oops");
                files.write("tenants.toml", "oops");
            },
            "new",
        ),
    ];
    for (number, (damage, expected)) in damages.into_iter().enumerate() {
        files.write("tenants.toml", &tenants());
        files.write("routes.toml", &map("new", "0%", BACK));
        damage(&files);
        let (code, said) = routes(&files, &["rollback", "--yes"]).await;
        assert_eq!(code, 0, "{number}: {said}");
        assert!(read(&files).contains(&format!("# end {expected}\n")), "{number}: {said}");
    }
}

#[tokio::test]
async fn a_rollback_without_a_state_directory_takes_what_is_in_versions() {
    let files = Files::new("state_dir = \"/proc/cometgate\"\n", &map("new", "5%", BACK), &tenants());
    fs::create_dir(files.path().join("versions")).unwrap();
    let old = map("old", "0%", "");
    files.write("versions/old.toml", &old);
    let (code, said) = routes(&files, &["rollback", "--yes"]).await;
    assert_eq!((code, read(&files)), (0, old.clone()), "{said}");

    // Nor does it take tenants, or a directory that is one.
    files.write("routes.toml", "oops");
    files.write("tenants.toml", "oops");
    files.write("file", "");
    files.write("cometgate.toml", "listen = \"127.0.0.1:0\"\nstate_dir = \"file\"\n");
    let (code, said) = routes(&files, &["rollback", "--to", "old", "--yes"]).await;
    assert_eq!((code, read(&files)), (0, old), "{said}");
    assert!(said.contains("cannot tell what is in force"), "{said}");
    files.write("versions/other.toml", &map("old", "0%", ""));
    let (code, said) = routes(&files, &["rollback", "--to", "other", "--yes"]).await;
    assert!(code == 3 && said.contains("version old"), "{code} {said}");
}

#[tokio::test]
async fn a_canary_goes_home_beside_a_broken_tenants_file() {
    let files = lived_through("").await;
    files.write("routes.toml", &map("later.1", "5%", BACK));
    for tenants in ["oops", "\0"] {
        files.write("tenants.toml", tenants);
        let (code, said) = routes(&files, &["shift", "the-canary", "0%", "--yes"]).await;
        assert_eq!(code, 0, "{said}");
        assert!(read(&files).contains("share = \"0%\""), "{said}");
    }
}

#[tokio::test]
async fn where_nobody_can_tell_what_is_in_force_a_raise_is_refused_and_a_way_home_is_not() {
    for damage in ["state", "state/history.jsonl"] {
        let files = lived_through("").await;
        let damaged = files.path().join(damage);
        if damaged.is_dir() {
            fs::remove_dir_all(damaged).unwrap();
        } else {
            fs::remove_file(damaged).unwrap();
        }
        files.write("routes.toml", &map("later.1", "5%", ""));
        let before = read(&files);
        let (code, said) = routes(&files, &["shift", "the-canary", "20%", "--yes"]).await;
        assert!(code == 4 && said.contains("cannot tell what is in force"), "{code} {said}");
        assert_eq!(read(&files), before);
        for share in ["1%", "0%"] {
            let (code, said) = routes(&files, &["shift", "the-canary", share, "--yes"]).await;
            assert_eq!(code, 0, "{said}");
        }
    }
}

/// Removes the state directory at one stroke: the gateway makes things anew in it while it is emptied.
fn remove_state(files: &Files) {
    let gone = tempfile::tempdir_in(files.path()).unwrap();
    fs::rename(files.path().join("state"), gone.path().join("state")).unwrap();
}

#[tokio::test]
async fn a_state_directory_that_is_removed_under_a_gateway_is_made_again() {
    let files = Files::new("", &map("old", "0%", ""), &tenants());
    let mut program = Program::serve(&files).await;
    for emptied in [false, true] {
        remove_state(&files);
        if emptied {
            fs::create_dir(files.path().join("state")).unwrap();
        }
        program.logged("had lost what is in force, and has it again").await;
        let (code, said) = routes(&files, &["history"]).await;
        assert!(code == 0 && said.contains("old"), "{said}");
        let (code, said) = routes(&files, &["shift", "the-canary", "20%", "--yes"]).await;
        assert!(code == 4 && said.contains("would take route the-canary home"), "{code} {said}");
    }
    // Also by what goes live before that is noticed.
    remove_state(&files);
    files.write("routes.toml", &map("new", "0%", ""));
    program.logged("route map new is live").await;
    let (_, said) = routes(&files, &["history"]).await;
    assert!(said.contains("new"), "{said}");
}

#[tokio::test]
async fn a_state_directory_that_can_be_used_at_last_is_used_without_a_restart() {
    let files = Files::new("", &map("old", "0%", ""), &tenants());
    files.write("state", "in the way");
    let mut program = Program::serve(&files).await;
    fs::remove_file(files.path().join("state")).unwrap();
    program.logged("versions are kept in").await;
    let (code, said) = routes(&files, &["history"]).await;
    assert!(code == 0 && said.contains("old"), "{said}");
}

/// With a terminal of its own, as `script` makes one.
async fn waiting_shift(files: &Files) -> (tokio::process::Child, tokio::process::ChildStdin) {
    let typed = format!(
        "{} routes shift the-canary 20% --config {}",
        env!("CARGO_BIN_EXE_cometgate"),
        path(files, "cometgate.toml")
    );
    let mut child = tokio::process::Command::new("script")
        .args(["-qec", &typed, "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap());
    let answers = child.stdin.take().unwrap();
    let asked = async {
        let mut seen = Vec::new();
        while !seen.ends_with(b"[y/N]") {
            assert_ne!(
                said.read_until(b']', &mut seen).await.unwrap(),
                0,
                "{}",
                String::from_utf8_lossy(&seen)
            );
        }
    };
    tokio::time::timeout(Duration::from_secs(60), asked).await.unwrap();
    // Somebody has to read on, or its last words have nowhere to go.
    tokio::spawn(async move { tokio::io::copy(&mut said, &mut tokio::io::sink()).await });
    (child, answers)
}

async fn answer(mut child: tokio::process::Child, mut answers: tokio::process::ChildStdin) -> i32 {
    answers.write_all(b"y\n").await.unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(60), child.wait()).await.unwrap().unwrap();
    ended.code().unwrap()
}

#[tokio::test]
async fn a_question_that_waits_keeps_nobody_from_going_home_and_overwrites_nothing_afterwards() {
    let development = map("v.1", "5%", "").replace("production", "development");
    let files = Files::new("", &development, &tenants());
    type Change = fn(&Files);
    let changes: [(Change, i32); 5] = [
        (|_| (), 0),
        (|files| fs::write(files.path().join("routes.toml"), b"\xff\xfe").unwrap(), 3),
        (|files| fs::remove_file(files.path().join("routes.toml")).unwrap(), 3),
        (|files| files.write("tenants.toml", "oops"), 3),
        // Other tenants that change nothing about the verdict are nobody's concern.
        (|files| files.write("tenants.toml", &tenants().replace("globex", "initech")), 0),
    ];
    for (number, (change, expected)) in changes.into_iter().enumerate() {
        files.write("tenants.toml", &tenants());
        files.write("routes.toml", &development);
        let (child, answers) = waiting_shift(&files).await;
        change(&files);
        let before = fs::read(files.path().join("routes.toml")).ok();
        assert_eq!(answer(child, answers).await, expected, "{number}");
        let after = fs::read(files.path().join("routes.toml")).ok();
        assert_eq!(after == before, expected != 0, "{number}");
    }
    files.write("routes.toml", &development);
    let (child, answers) = waiting_shift(&files).await;
    let (code, said) = routes(&files, &["shift", "the-canary", "0%", "--yes"]).await;
    assert_eq!(code, 0, "{said}");
    assert_eq!(answer(child, answers).await, 3, "it was changed meanwhile");
    assert!(read(&files).contains("share = \"0%\""));
}

#[tokio::test]
async fn who_finds_another_writing_waits_for_a_while_and_through_links_too() {
    let files = Files::new("", &map("v.1", "5%", "").replace("production", "development"), &tenants());
    let beside = tempfile::tempdir().unwrap();
    for name in ["cometgate.toml", "routes.toml", "tenants.toml"] {
        std::os::unix::fs::symlink(files.path().join(name), beside.path().join(name)).unwrap();
    }
    let settings = beside.path().join("cometgate.toml");
    let shift = |share| {
        command(&["routes", "shift", "the-canary", share, "--yes", "--config", settings.to_str().unwrap()])
    };
    let directory = File::open(files.path()).unwrap();
    directory.lock().unwrap();
    let began = Instant::now();
    let refused = shift("1%").output().await.unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(3), "{said}");
    assert!(said.contains(&format!("(process {})", std::process::id())), "{said}");
    assert!(began.elapsed() >= Duration::from_secs(5), "it did not wait");

    let mut waiting = shift("2%").spawn().unwrap();
    let mut said = BufReader::new(waiting.stderr.take().unwrap()).lines();
    // What would change has been shown, so it waits or is about to.
    while !said.next_line().await.unwrap().unwrap().contains("2%") {}
    drop(directory);
    assert!(waiting.wait().await.unwrap().success());
    assert!(read(&files).contains("share = \"2%\""));
}
