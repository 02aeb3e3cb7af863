//! This program under valgrind, and what was counted of it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};

/// What valgrind has to see begin and end; a pattern, because compilers write names in more than one way.
const COUNTED: &str = "--toggle-collect=*counted_from_here*";

/// Does the work of a case. It is never inlined, so that valgrind sees it begin and end.
#[inline(never)]
pub(crate) fn counted_from_here(mut work: impl FnMut()) {
    work();
    // Else this would be a jump to the work, and never end.
    std::hint::black_box(());
}

/// Runs a case, and counts its work alone.
pub(crate) fn count_case(name: &str) -> Result<u64> {
    let counting = Counting::start(name, &["case", name], Some(COUNTED))?;
    let count = counting.end()?;
    ensure!(count > 0, "{name}: valgrind has not seen its work begin");
    Ok(count)
}

/// This program, while it is counted.
pub(crate) struct Counting {
    pub(crate) child: Child,
    file: PathBuf,
}

impl Counting {
    /// Starts it with these arguments. What it says of its functions stays beside other files of tests, for
    /// `callgrind_annotate`.
    pub(crate) fn start(name: &str, arguments: &[&str], option: Option<&str>) -> Result<Counting> {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("instructions");
        std::fs::create_dir_all(&directory)?;
        let file = directory.join(name.replace(|char: char| !char.is_ascii_alphanumeric(), "_"));
        let child = Command::new("valgrind")
            .args(["--tool=callgrind", "--quiet"])
            .arg(format!("--callgrind-out-file={}", file.display()))
            .args(option)
            .arg(std::env::current_exe()?)
            .args(arguments)
            // How long the environment is moves the stack.
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("valgrind is needed")?;
        Ok(Counting { child, file })
    }

    /// Lets it end, and reads what was counted.
    pub(crate) fn end(mut self) -> Result<u64> {
        drop(self.child.stdin.take());
        let status = self.child.wait()?;
        ensure!(status.success(), "what was to be counted ended with {status}");
        let written = std::fs::read_to_string(&self.file)?;
        let count = written.lines().find_map(|line| line.strip_prefix("totals: "));
        let count = count.with_context(|| format!("{} has no total", self.file.display()))?;
        Ok(count.trim().parse()?)
    }
}

/// Nothing that was started stays when something goes wrong.
impl Drop for Counting {
    fn drop(&mut self) {
        if self.child.kill().is_ok() {
            drop(self.child.wait());
        }
    }
}
