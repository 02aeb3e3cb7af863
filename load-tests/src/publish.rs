//! `report`: puts the tables of a file of `compare` or `growth` into a page, between its markers, and draws the picture
//! beside it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde::Deserialize;

use crate::compare::results::Results;
use crate::compare::{chart, tables};
use crate::growth::results::Growth;

/// Options of `report`.
#[derive(Args)]
pub(crate) struct Options {
    /// Files of `compare --json` and `growth --json`.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// A page with the markers `<!-- compare: begin -->` and `<!-- compare: end -->`, and the same of `growth`. Beside it the
    /// picture is written, under the page's name with `.svg`. Without it the tables are printed.
    #[arg(long)]
    into: Option<PathBuf>,
}

/// What every file says first.
#[derive(Deserialize)]
struct Kind {
    kind: String,
}

/// Writes, or prints.
pub(crate) fn run(options: &Options) -> Result<()> {
    for file in &options.files {
        let text =
            std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        let Kind { kind } = serde_json::from_str(&text).with_context(|| format!("{}", file.display()))?;
        let (tables, picture) = match kind.as_str() {
            "compare" => {
                let results = Results::parse(&text)?;
                (tables::all(&results)?, Some(chart::svg(&results)?))
            }
            "growth" => (Growth::parse(&text)?.tables()?, None),
            other => bail!("{}: unknown kind `{other}`", file.display()),
        };
        match &options.into {
            None => println!("{tables}"),
            Some(page) => write(page, &kind, &tables, picture.as_deref())?,
        }
    }
    Ok(())
}

fn write(page: &Path, kind: &str, tables: &str, picture: Option<&str>) -> Result<()> {
    let text = std::fs::read_to_string(page).with_context(|| format!("cannot read {}", page.display()))?;
    std::fs::write(page, between(&text, kind, tables)?)?;
    println!("{}: {kind}", page.display());
    if let Some(picture) = picture {
        let file = page.with_extension("svg");
        std::fs::write(&file, picture)?;
        println!("{}", file.display());
    }
    Ok(())
}

/// The page with other text between two markers, which stay.
fn between(page: &str, kind: &str, text: &str) -> Result<String> {
    let (begin, end) = (format!("<!-- {kind}: begin -->"), format!("<!-- {kind}: end -->"));
    let (before, rest) = page.split_once(&begin).with_context(|| format!("no `{begin}` in the page"))?;
    let (_, after) =
        rest.split_once(&end).with_context(|| format!("no `{end}` after `{begin}` in the page"))?;
    Ok(format!("{before}{begin}\n\n{}\n\n{end}{after}", text.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::results::tests::example;

    const PAGE: &str = "# Page\n<!-- compare: begin -->\nold\n<!-- compare: end -->\nafter\n";

    #[test]
    fn only_what_is_between_the_markers_changes() {
        let once = between(PAGE, "compare", "new\n").unwrap();
        assert_eq!(once, "# Page\n<!-- compare: begin -->\n\nnew\n\n<!-- compare: end -->\nafter\n");
        assert_eq!(between(&once, "compare", "new").unwrap(), once);
        assert!(between(PAGE, "growth", "new").is_err());
    }

    #[test]
    fn a_file_becomes_tables_and_a_picture() {
        let directory = tempfile::tempdir().unwrap();
        let (file, page) = (directory.path().join("run.json"), directory.path().join("performance.md"));
        std::fs::write(&file, serde_json::to_string(&example()).unwrap()).unwrap();
        std::fs::write(&page, PAGE).unwrap();
        run(&Options { files: vec![file], into: Some(page.clone()) }).unwrap();
        assert!(std::fs::read_to_string(&page).unwrap().contains("| measure | measured | bar |"));
        assert!(std::fs::read_to_string(page.with_extension("svg")).unwrap().starts_with("<svg"));
    }

    #[test]
    fn the_page_that_ships_has_the_markers() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/performance.md");
        let page = std::fs::read_to_string(page).unwrap();
        for kind in ["compare", "growth"] {
            between(&page, kind, "").unwrap();
        }
    }
}
