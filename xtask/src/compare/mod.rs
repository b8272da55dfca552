// SPDX-License-Identifier: BSD-2-Clause
//! `cargo xtask compare`: policies × workloads × memory sizes, each on a machine of its own, and what they measured as tables and a report.
//! What the figures are is `ebb-compare`'s matter; here are the machines ([`machines`]) and the files.

pub mod browser;
mod machines;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail, ensure};
use clap::{Args, ValueEnum};
use ebb_compare::{Plan, Results, csv, plan, report, table, workload};

use crate::compile::{self, Built};
use crate::run::Kind;
use crate::setup::{self, Need};
use crate::size::{self, Size};
use crate::status::INTERRUPTED;
use crate::terminal;

/// Options of `compare`.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Policies, or `all`
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "all")]
    policies: Vec<String>,
    /// Workloads, or `all`; --list-workloads tells which
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "all")]
    workloads: Vec<String>,
    /// Memory of the machines; several sizes give curves
    #[arg(long, value_name = "SIZE", value_delimiter = ',', default_value = "64M", value_parser = size::memory)]
    mem: Vec<Size>,
    /// The swap disk, in memory, that takes the time of such a one
    #[arg(long, value_enum, default_value = "ssd")]
    disk: Kind,
    /// Seed of all workloads
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Writes the points, an object each
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Writes the points, a line each
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Writes a report with plots
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Machines at a time [default: as many as there are processors]
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// Give a machine up after so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    timeout: u64,
    /// Tells the workloads, and does nothing
    #[arg(long)]
    list_workloads: bool,
}

/// Measures, prints, writes. 1 if a point failed, 130 after Ctrl-C; what was measured is written all the same.
///
/// # Errors
/// A name that is none, a build that fails, a file that cannot be written.
pub fn main(options: &Options) -> Result<u8> {
    if options.list_workloads {
        workload::ALL.iter().for_each(|w| println!("{:<14} {}", w.name, w.what));
        return Ok(0);
    }
    let plan = options.plan()?;
    let files = [&options.json, &options.csv, &options.html];
    files.into_iter().flatten().try_for_each(|f| can_be_made(f))?;
    setup::ensure(&Need::BOOT)?;
    let built = compile::all()?;
    terminal::catch_signals();
    let all = std::thread::available_parallelism().map_or(1, usize::from);
    let results = measure(plan, &built, options.jobs.map_or(all, usize::from), options.timeout)?;
    print!("{}", table::table(&results));
    let write = |file: &Option<PathBuf>, text: &dyn Fn() -> String| match file {
        Some(file) => {
            std::fs::write(file, text()).with_context(|| format!("{} cannot be written", file.display()))
        }
        None => Ok(()),
    };
    write(&options.json, &|| results.json())?;
    write(&options.csv, &|| csv::csv(&results))?;
    write(&options.html, &|| report::html(&results))?;
    if terminal::interrupted() {
        eprintln!("xtask: interrupted");
        return Ok(INTERRUPTED);
    }
    Ok(u8::from(results.failed().next().is_some()))
}

impl Options {
    fn plan(&self) -> Result<Plan> {
        let mut mems: Vec<u64> = Vec::new();
        self.mem.iter().map(|m| m.0).for_each(|m| {
            if !mems.contains(&m) {
                mems.push(m);
            }
        });
        let all: Vec<&workload::Workload> = workload::ALL.iter().collect();
        let plan = Plan {
            policies: plan::names(&self.policies, ebb_policy::NAMES, |n| n, "policy")
                .map_err(anyhow::Error::msg)?,
            workloads: plan::names(&self.workloads, &all, |w| w.name, "workload")
                .map_err(anyhow::Error::msg)?,
            mems,
            disk: name_of(self.disk),
            seed: self.seed,
        };
        ensure!(!plan.specs().is_empty(), "no policy, no workload or no memory size is named");
        Ok(plan)
    }
}

/// A disk's name on the command line.
fn name_of(disk: Kind) -> String {
    disk.to_possible_value().map_or_else(String::new, |v| v.get_name().to_string())
}

/// Runs all machines of a plan, so many at a time.
///
/// # Errors
/// The disk's model is none.
fn measure(plan: Plan, built: &Built, jobs: usize, timeout_s: u64) -> Result<Results> {
    let disk = Kind::from_str(&plan.disk, true).map_err(|e| anyhow!("--disk: {e}"))?;
    let points = machines::run(&plan.specs(), disk, built, jobs, timeout_s);
    Ok(Results::new(plan, points))
}

/// Says now, and not after an hour, that a file cannot be written.
fn can_be_made(file: &Path) -> Result<()> {
    let folder = file.parent().filter(|f| !f.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if file.is_dir() || !folder.is_dir() {
        bail!("{} cannot be written: name a file in a folder that exists", file.display());
    }
    Ok(())
}

/// Two policies and two workloads, measured twice, give the same bytes.
///
/// # Errors
/// They do not, or a machine failed.
pub fn twice(built: &Built) -> Result<()> {
    let named = |names: &[&str]| names.iter().filter_map(|n| workload::Workload::by_name(n)).collect();
    let plan = Plan {
        policies: vec!["freebsd", "clock-pro"],
        workloads: named(&["many", "replace"]),
        mems: vec![48 << 20],
        disk: "nvme".to_string(),
        seed: 7,
    };
    let once = || -> Result<Results> {
        // Two at a time: however many others run beside them.
        let results = measure(plan.clone(), built, 2, 300)?;
        ensure!(results.missing() == 0 && results.failed().next().is_none(), table::table(&results));
        Ok(results)
    };
    let (first, second) = (once()?, once()?);
    for (what, of) in [
        ("table", table::table as fn(&Results) -> String),
        ("JSON", Results::json),
        ("CSV", csv::csv),
        ("report", report::html),
    ] {
        if let Some((a, b)) = difference(&of(&first), &of(&second)) {
            bail!("the {what} differs:\n{a}\n{b}");
        }
    }
    let replaced = first.points().iter().filter_map(|p| p.measures()).any(|m| !m.replacements.is_empty());
    ensure!(replaced, "nothing was replaced");
    Ok(())
}

/// Where two texts begin to differ.
fn difference(a: &str, b: &str) -> Option<(String, String)> {
    let same = a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count();
    let around = |text: &str| text.chars().skip(same.saturating_sub(60)).take(120).collect::<String>();
    (a != b).then(|| (around(a), around(b)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_found() {
        assert_eq!(difference("same", "same"), None);
        assert_eq!(difference("", "x"), Some((String::new(), "x".into())));
        let (a, b) = difference(&format!("{}1", "y".repeat(500)), &format!("{}2", "y".repeat(500))).unwrap();
        assert!(a.ends_with("y1") && b.ends_with("y2") && a.len() == 61);
    }

    #[test]
    fn files_that_cannot_be_made_are_told_at_once() {
        for (file, good) in [("x.json", true), ("/no/such/folder/x", false), ("/", false)] {
            assert_eq!(can_be_made(Path::new(file)).is_ok(), good, "{file}");
        }
    }
}
