// SPDX-License-Identifier: BSD-2-Clause
//! Machine tests: programs of which it is known what they reference, recorded and read again.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use ebb_sim::{Format, Trace};

use crate::compile::Built;
use crate::run::{self, Folder};
use crate::size::Size;

/// The program of the host, and what it does.
const ROUNDS: &str = include_str!("../../programs/rounds.rs");
const PAGES: u32 = 300;

/// Whether somewhere among the pages of a trace there are so many, first referenced one after the other, that are then referenced in this order so many times in all, and
/// are written each time.
fn has_rounds(trace: &Trace, pages: u32, rounds: usize, all_written: bool) -> bool {
    (0..=trace.unique.saturating_sub(pages)).any(|first| {
        let mine = first..first + pages;
        let found: Vec<(u32, bool)> = (0..trace.pages.len())
            .filter(|n| mine.contains(&trace.pages[*n]))
            .map(|n| (trace.pages[n] - first, trace.writes(n)))
            .collect();
        let expected = (0..rounds).flat_map(|_| 0..pages);
        found.len() == rounds * pages as usize
            && found.iter().map(|(page, _)| *page).eq(expected)
            && (!all_written || found.iter().all(|(_, write)| *write))
    })
}

/// A program of the host goes over its pages in rounds: so does its trace.
pub fn host(_: &Built) -> Result<()> {
    let folder = Folder::new(false)?;
    let (source, program) = (folder.path().join("rounds.rs"), folder.path().join("rounds"));
    std::fs::write(&source, ROUNDS)?;
    let built = Command::new("rustc").args(["-O", "-o"]).arg(&program).arg(&source).output()?;
    ensure!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let output = folder.path().join("rounds.u32.zst");
    let program = program.to_str().context("a path")?.to_string();
    let (_, status) = super::host::record(&output, 1, &[program])?;
    ensure!(status.success(), "the program: {status}");
    let trace = read(&output)?;
    ensure!(has_rounds(&trace, PAGES, 3, true), "the rounds are not in {} references", trace.pages.len());
    let gone = super::host::record(&output, 1, &["/no/such/program".to_string()]);
    ensure!(gone.is_err() && !output.exists(), "a program that does not run leaves a trace");
    Ok(())
}

/// A program in the machine goes over its pages in rounds: so does its trace, although memory is too small for them; and what else it does is the same every time.
pub fn machine(built: &Built) -> Result<()> {
    let folder = Folder::new(false)?;
    let options = run::Options { timeout: Some(600), swap: vec![Size::mib(64)], ..run::Options::default() };
    let run = |options: &run::Options| run::quietly(options, built).map(|(status, _)| status);
    // 400 pages, filled and passed over three times.
    let command = "thrash --mem 1600K --pattern seq --rounds 3 --write-ratio 1; audit";
    for (name, window) in [("a", 8), ("b", 64)] {
        let output = folder.path().join(format!("{name}.u32.zst"));
        let (_, status) = super::machine::record(&output, window, command, &options, run)?;
        ensure!(status == 0, "status {status}");
        let trace = read(&output)?;
        ensure!(
            has_rounds(&trace, 400, 4, true),
            "window {window}: the rounds are not in {} references to {} pages",
            trace.pages.len(),
            trace.unique
        );
    }
    let output = folder.path().join("c.u32");
    let (_, wrong) = super::machine::record(&output, 8, "/no/such/program", &options, run)?;
    ensure!(wrong != 0, "a program that is not there was recorded with status 0");
    Ok(())
}

fn read(path: &Path) -> Result<Trace> {
    Ok(Trace::read(path, Some(Format::U32))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_are_found_among_other_references_and_only_whole() {
        let refs = |rounds: usize| {
            (0..rounds).flat_map(|_| (0..5u64).flat_map(|n| [(100, false), (n, true), (101 + n % 2, false)]))
        };
        let trace = Trace::new("t", refs(3));
        assert!(!has_rounds(&trace, 5, 3, true), "the pages are not the next ones");
        let trace = Trace::new("t", [(100, false), (101, false), (102, false)].into_iter().chain(refs(3)));
        assert!(has_rounds(&trace, 5, 3, true) && !has_rounds(&trace, 5, 2, true));
        assert!(!has_rounds(&trace, 6, 3, true));
        let reading = Trace::new("t", (0..2).flat_map(|_| (0..5).map(|n| (n, false))));
        assert!(has_rounds(&reading, 5, 2, false) && !has_rounds(&reading, 5, 2, true));
    }
}
