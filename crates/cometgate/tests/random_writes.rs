//! The route file under everything that people, editors, deploy scripts and full disks do to files, in random order and
//! under load: no request fails, no torn map is ever served, and the last valid content wins.
#![allow(clippy::print_stdout, reason = "the figures are worth seeing with --nocapture")]
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

mod support;

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;

use fastrand::Rng;
use support::load::{Load, share_of};
use support::{CANARY_KEY, Files, Map, PRIMARY_KEY, Program, scaled, tenants};
use testkit::Provider;

/// Writes between two looks at what is live.
const BURST: usize = 20;

#[tokio::test]
async fn no_write_of_any_kind_tears_a_map_or_fails_a_request() {
    write_at_random("", scaled(10_000), Duration::from_secs(1), 0x5EED).await;
}

#[tokio::test]
async fn without_events_from_the_system_the_last_valid_content_still_wins() {
    write_at_random("watch = \"poll\"\n", scaled(1_000), Duration::from_secs(6), 0xF00D).await;
}

async fn write_at_random(settings: &str, writes: usize, valid_within: Duration, seed: u64) {
    let primary = Provider::builder("primary").require_key(PRIMARY_KEY).record(false).start().await;
    let canary = Provider::builder("canary").require_key(CANARY_KEY).record(false).start().await;
    let urls = [primary.base_url(), canary.base_url()];
    let files = Files::new(settings, &map(0, &urls), &tenants());
    let program = Program::serve(&files).await;
    let load = Load::start(program.address);

    let mut rng = Rng::with_seed(seed);
    let mut slowest = Duration::ZERO;
    let mut version = 0;
    let mut done = 0;
    while done < writes {
        for _ in 1..BURST {
            version += 1;
            let text = map(version, &urls);
            mistreat(files.path(), &text, version, &mut rng);
            done += 1;
        }
        version += 1;
        write_valid(files.path(), &map(version, &urls), version, &mut rng);
        done += 1;
        slowest = slowest.max(load.is_served_by(version, valid_within).await);
    }
    let requests = load.end().await.requests.load(Ordering::Relaxed);
    println!("{done} writes, {requests} requests; the slowest valid content was live after {slowest:?}");
}

fn map(version: u64, urls: &[String; 2]) -> String {
    let ppm = share_of(version);
    let share = format!("{}.{:04}%", ppm / 10_000, ppm % 10_000);
    let name = format!("v{version}");
    Map { version: &name, ..Map::new(&urls[0], &urls[1], &share) }.text()
}

/// A valid map, put there in one of the ways that exist.
fn write_valid(directory: &Path, text: &str, version: u64, rng: &mut Rng) {
    let file = directory.join("routes.toml");
    if file.is_dir() {
        fs::remove_dir(&file).unwrap();
    }
    match rng.u8(..4) {
        0 => rename_over(directory, &file, text.as_bytes()),
        1 => write_in_place(&file, text.as_bytes(), rng),
        2 => {
            // A link swapped over the name.
            let target = directory.join(format!("routes-{}.toml", version % 8));
            fs::write(&target, text).unwrap();
            relink(&target, &file);
        }
        _ => swap_config_map(directory, &file, text, version),
    }
}

/// Something that happens to files; what it leaves may be a valid map or not.
fn mistreat(directory: &Path, text: &str, version: u64, rng: &mut Rng) {
    let file = directory.join("routes.toml");
    if file.is_dir() {
        fs::remove_dir(&file).unwrap();
    }
    let cut = rng.usize(..text.len());
    match rng.u8(..14) {
        0..=2 => write_valid(directory, text, version, rng),
        3 => rename_over(directory, &file, &text.as_bytes()[..cut]),
        4 => write_in_place(&file, &text.as_bytes()[..cut], rng),
        5 => rename_over(directory, &file, b""),
        6 => write_in_place(&file, b"", rng),
        7 => {
            let mut bytes = text.as_bytes().to_vec();
            bytes[cut] = 0xFF;
            rename_over(directory, &file, &bytes);
        }
        // The same version with other content.
        8 => rename_over(directory, &file, text.replace("gpt-other", "gpt-another").as_bytes()),
        9 => drop(fs::remove_file(&file)),
        10 => rename_over(directory, &file, text.replace("\"canary\"", "\"canarry\"").as_bytes()),
        11 => {
            drop(fs::remove_file(&file));
            fs::create_dir(&file).unwrap();
        }
        12 => relink(Path::new("/nonexistent/routes.toml"), &file),
        _ if rng.u8(..20) == 0 => {
            let huge = fs::File::create(directory.join("huge")).unwrap();
            huge.set_len(64 << 20).unwrap();
            fs::rename(directory.join("huge"), &file).unwrap();
        }
        _ => rename_over(directory, &file, text.replace('\n', "\r\n").as_bytes()),
    }
}

fn rename_over(directory: &Path, file: &Path, bytes: &[u8]) {
    let next = directory.join("routes.next");
    fs::write(&next, bytes).unwrap();
    fs::rename(&next, file).unwrap();
}

/// As a shell's `>` or a careless editor does: truncated, then in pieces. Through a link it changes what the link names.
fn write_in_place(file: &Path, bytes: &[u8], rng: &mut Rng) {
    // A link that leads nowhere cannot be written through.
    if fs::metadata(file).is_err() {
        drop(fs::remove_file(file));
    }
    let mut open = fs::File::create(file).unwrap();
    for piece in bytes.chunks(bytes.len() / 4 + 1) {
        open.write_all(piece).unwrap();
        std::thread::sleep(Duration::from_micros(rng.u64(..2_000)));
    }
}

fn relink(target: &Path, file: &Path) {
    let next: PathBuf = file.with_extension("link");
    drop(fs::remove_file(&next));
    symlink(target, &next).unwrap();
    fs::rename(&next, file).unwrap();
}

/// As Kubernetes updates a ConfigMap: the file is a link through `..data`, and only `..data` is swapped.
fn swap_config_map(directory: &Path, file: &Path, text: &str, version: u64) {
    let dated = directory.join(format!("..v{version}"));
    fs::create_dir(&dated).unwrap();
    fs::write(dated.join("routes.toml"), text).unwrap();
    let (data, next) = (directory.join("..data"), directory.join("..data_tmp"));
    let old = fs::read_link(&data).ok();
    symlink(&dated, &next).unwrap();
    fs::rename(&next, &data).unwrap();
    if fs::read_link(file).ok().as_deref() != Some(Path::new("..data/routes.toml")) {
        relink(Path::new("..data/routes.toml"), file);
    }
    if let Some(old) = old {
        fs::remove_dir_all(old).unwrap();
    }
}
