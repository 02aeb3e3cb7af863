//! How many instructions the path of a request takes, counted by valgrind: unlike time, the same on a busy machine and on an
//! idle one, so a rise can be refused. Compared with what `benches/instructions.txt` says.
//!
//! Not with gungraun, and why: docs/adr/0029-instruction-counts.md. This program starts itself under valgrind, once for each
//! case of `cases`, and twice for what a running gateway does (`relayed`).
#![expect(clippy::print_stdout, reason = "this is how a bench reports")]

mod callgrind;
mod cases;
mod relayed;

use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, anyhow, bail, ensure};
use benches::baseline::{Baseline, TOLERANCE_PERCENT, Verdict};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/instructions.txt");

const ACCEPT: &str = "UPDATE_EXPECTED=1 cargo bench --locked -p benches --bench instructions";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["case", name] => cases::run(name),
        ["gateway", provider] => relayed::serve(provider),
        _ => compare(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn compare() -> Result<()> {
    let is_taken_anew = std::env::var_os("UPDATE_EXPECTED").is_some();
    let new = count_all()?;
    if is_taken_anew {
        std::fs::write(FILE, new.to_text(&comment()))?;
        println!("written to {FILE}");
        return Ok(());
    }
    let text = std::fs::read_to_string(FILE).with_context(|| format!("{FILE}; to write it: {ACCEPT}"))?;
    let old = Baseline::parse(&text).map_err(|line| anyhow!("{FILE}: no count: {line}"))?;
    if old.taken_with != new.taken_with {
        println!(
            "NOT COMPARED: these counts were taken with {},\nand those of {FILE} with {}.\nTo compare two commits here, \
             take the counts of the first as below and run this again at the second:\n{ACCEPT}",
            new.taken_with, old.taken_with
        );
        return Ok(());
    }
    report(&old, &new)
}

fn comment() -> String {
    format!(
        "Instructions on the path of a request (docs/testing.md). More than {TOLERANCE_PERCENT} % above these is refused. \
         To accept new counts:\n{ACCEPT}"
    )
}

fn count_all() -> Result<Baseline> {
    let mut new = Baseline { taken_with: taken_with()?, ..Baseline::default() };
    let mut add = |name: &str, count: u64| {
        println!("{name}: {count}");
        new.counts.insert(name.to_owned(), count);
    };
    for name in cases::names() {
        add(name, callgrind::count_case(name)?);
    }
    for case in relayed::CASES {
        add(case.name, case.count()?);
    }
    Ok(new)
}

/// Says what differs, and fails if a change must not go in like that.
fn report(old: &Baseline, new: &Baseline) -> Result<()> {
    let mut failed = 0;
    for (name, verdict) in old.compare(new) {
        let count = |of: &Baseline| of.counts.get(name).copied().unwrap_or_default();
        let (was, is) = (count(old), count(new));
        match verdict {
            Verdict::Same => {}
            Verdict::Rose => println!("ROSE: {name}: from {was} to {is} instructions, {}", change(was, is)),
            Verdict::Fell => {
                println!(
                    "fell: {name}: from {was} to {is} instructions, {}; take it down: {ACCEPT}",
                    change(was, is)
                );
            }
            Verdict::New => println!("NEW: {name}: {is} instructions, and no count of it is written down"),
            Verdict::Gone => println!("GONE: {name}: it has a count of {was} and is no case"),
        }
        failed += u32::from(verdict.is_failure());
    }
    if failed > 0 {
        bail!("not as {FILE} says: {failed} of the counts. If the change is worth it: {ACCEPT}");
    }
    println!("no count is more than {TOLERANCE_PERCENT} % above what was written down");
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a percentage for people")]
fn change(was: u64, is: u64) -> String {
    format!("{:+.1} %", (is as f64 / was as f64 - 1.0) * 100.0)
}

/// Whatever makes counts of the same code differ, but for the features of dependencies, which are those of `-p benches`.
/// Valgrind shows programs a processor of its own, with AVX2 only where there is AVX2, and who finds it takes other ways.
fn taken_with() -> Result<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let rustc = said(Command::new(rustc).arg("--version"))?;
    let libc = said(Command::new("getconf").arg("GNU_LIBC_VERSION"))?;
    let valgrind = said(Command::new("valgrind").arg("--version"))?;
    let flags = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let avx2 = if flags.split_whitespace().any(|flag| flag == "avx2") { "with" } else { "without" };
    let machine = std::env::consts::ARCH;
    Ok(format!("{rustc}, {libc}, {valgrind}, {machine} {avx2} AVX2"))
}

fn said(command: &mut Command) -> Result<String> {
    let program = Path::new(command.get_program()).display().to_string();
    let output = command.output().with_context(|| format!("{program} is needed"))?;
    ensure!(output.status.success(), "{program}: {}", output.status);
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
