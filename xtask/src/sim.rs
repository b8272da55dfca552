// SPDX-License-Identifier: BSD-2-Clause
//! `cargo xtask sim`: replays traces against policies, on the host.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use ebb_policy::Discount;
use ebb_sim::{Format, Mode, Point, Run, Setting, Trace, cost, report};
use indicatif::{ProgressBar, ProgressStyle};

use crate::run::Folder;
use crate::setup::{self, Need};
use crate::{compile, live};

/// The modes on the command line.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum ModeName {
    /// Every reference is seen; a page that comes in has none yet
    Once,
    /// Every reference is seen; a fault counts as one more
    FaultRestart,
    /// Reference bits as the machine has them
    Sampled,
}

/// The formats on the command line.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum FormatName {
    U32,
    Oracle,
    Csv,
    Lackey,
}

/// What is done about the bit that the faulting instruction sets.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum DiscountName {
    None,
    FirstLook,
    Clear,
}

/// Options of `sim`.
#[derive(Args)]
pub struct Options {
    /// Traces
    #[arg(long = "trace", value_delimiter = ',', required_unless_present = "knobs_list")]
    traces: Vec<PathBuf>,
    /// Policies, or `all`
    #[arg(long, value_delimiter = ',', default_value = "all")]
    policies: Vec<String>,
    /// Pages of memory
    #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..))]
    pages: Vec<u32>,
    /// Memory in hundredths of each trace's pages; 10,25,50,75 if nothing is said
    #[arg(long, value_delimiter = ',', conflicts_with = "pages")]
    percent: Vec<f64>,
    /// What the policies are shown
    #[arg(long, value_enum, default_value = "once")]
    mode: ModeName,
    /// Format of all traces; by their names if nothing is said
    #[arg(long, value_enum)]
    format: Option<FormatName>,
    /// What is done about the reference of the faulting instruction, in sampled mode; what each policy wants if nothing is said
    #[arg(long, value_enum)]
    discount: Option<DiscountName>,
    /// Have the machine replay each point too, and lay its misses beside those of the sampled mode
    #[arg(long)]
    live: bool,
    /// Options of policies, `POLICY.NAME=VALUE`, such as 2q.kin=25
    #[arg(long = "knob", value_name = "POLICY.NAME=VALUE", value_delimiter = ',')]
    knobs: Vec<Setting>,
    /// Prints the policies' options with their bounds, and does nothing else
    #[arg(long)]
    knobs_list: bool,
    /// Do not count the policies' instructions, which takes some seconds for each trace and size
    #[arg(long)]
    no_count: bool,
    /// Writes the results, an object a point
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Writes a report with plots
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// Runs the simulation and prints a table.
///
/// # Errors
/// A trace, policy or size that makes no sense, or a file that cannot be read or written.
pub fn main(options: &Options) -> Result<()> {
    if options.knobs_list {
        return list_knobs();
    }
    let mode = match options.mode {
        ModeName::Once => Mode::Once,
        ModeName::FaultRestart => Mode::FaultRestart,
        ModeName::Sampled => Mode::Sampled,
    };
    if options.live && mode != Mode::Sampled {
        bail!("--live is laid beside --mode sampled: the machine has no other mode");
    }
    let policies = policies(&options.policies, mode)?;
    let traces = read(options)?;
    let runs = runs(&traces, options)?;
    let bound = usize::from(!policies.iter().any(|p| p == "min"));
    let work: u64 =
        runs.iter().map(|r| r.trace.pages.len() as u64).sum::<u64>() * (policies.len() + bound) as u64;
    let bar = bar("replay", work)?;
    let discount = options.discount.map(|d| match d {
        DiscountName::None => Discount::None,
        DiscountName::FirstLook => Discount::FirstLook,
        DiscountName::Clear => Discount::Clear,
    });
    let mut points =
        ebb_sim::simulate_with(&runs, &policies, &options.knobs, mode, discount, &|refs| bar.inc(refs))?;
    bar.finish_and_clear();
    if !options.no_count {
        count(&mut points, &runs, &options.knobs, discount)?;
    }
    print!("{}", report::table(&points));
    let live = if options.live {
        crate::terminal::catch_signals();
        let bar = self::bar("machine", points.iter().filter(|p| p.policy != "min").count() as u64)?;
        let live = live::run(&points, &runs, &bar)?;
        bar.finish_and_clear();
        print!("{}", live::table(&points, &live));
        live
    } else {
        Vec::new()
    };
    if let Some(path) = &options.json {
        let mut json = report::json(&points);
        live::add_to(&mut json, &points, &live);
        let text = serde_json::to_string_pretty(&json)? + "\n";
        std::fs::write(path, text).with_context(|| format!("{} cannot be written", path.display()))?;
    }
    if let Some(path) = &options.html {
        let mut page = ebb_sim::html::page(&points);
        if options.live {
            page = live::add_to_page(&page, &points, &live);
        }
        std::fs::write(path, page).with_context(|| format!("{} cannot be written", path.display()))?;
    }
    Ok(())
}

/// Counts the policies' instructions, if there is what counts them.
fn count(
    points: &mut [Point],
    runs: &[Run<'_>],
    knobs: &[Setting],
    discount: Option<Discount>,
) -> Result<()> {
    if !setup::has(Need::Valgrind) {
        eprintln!("xtask: instr/evict is not counted: valgrind is not installed (apt install valgrind)");
        return Ok(());
    }
    let program = compile::cost_program()?;
    let folder = Folder::new(false)?;
    let bar = bar("count", points.len() as u64)?;
    cost::fill(points, &program, folder.path(), runs, knobs, discount, &|| bar.inc(1))?;
    bar.finish_and_clear();
    Ok(())
}

fn list_knobs() -> Result<()> {
    for name in ebb_policy::NAMES {
        let policy = ebb_policy::by_name(name, 1).with_context(|| format!("there is no policy {name}"))?;
        for knob in policy.knobs() {
            let full = format!("{name}.{}", knob.name);
            println!("{full:<22} {:>4}  {}..={}  {}", knob.value, knob.min, knob.max, knob.text);
        }
    }
    Ok(())
}

fn policies(named: &[String], mode: Mode) -> Result<Vec<String>> {
    let mut policies = Vec::new();
    for name in named.iter().map(|n| n.to_lowercase()) {
        let more = if name == "all" {
            ebb_sim::policies(mode).into_iter().map(str::to_owned).chain(["min".to_owned()]).collect()
        } else {
            ebb_sim::run::check(&name, mode)?;
            vec![name]
        };
        for name in more {
            if !policies.contains(&name) {
                policies.push(name);
            }
        }
    }
    Ok(policies)
}

fn read(options: &Options) -> Result<Vec<Trace>> {
    let format = options.format.map(|f| match f {
        FormatName::U32 => Format::U32,
        FormatName::Oracle => Format::Oracle,
        FormatName::Csv => Format::Csv,
        FormatName::Lackey => Format::Lackey,
    });
    let bar = bar("read", options.traces.len() as u64)?;
    let traces = options
        .traces
        .iter()
        .map(|path| {
            let trace = Trace::read(path, format)?;
            bar.inc(1);
            Ok(trace)
        })
        .collect();
    bar.finish_and_clear();
    traces
}

fn runs<'a>(traces: &'a [Trace], options: &Options) -> Result<Vec<Run<'a>>> {
    let usual = [10.0, 25.0, 50.0, 75.0];
    let percents = if options.percent.is_empty() { &usual[..] } else { &options.percent };
    if let Some(wrong) = percents.iter().find(|p| !(p.is_finite() && **p > 0.0 && **p <= 100.0)) {
        bail!("--percent {wrong}: more than 0 and at most 100");
    }
    let mut runs = Vec::new();
    for trace in traces {
        if options.pages.is_empty() {
            runs.extend(percents.iter().map(|percent| {
                let pages = (f64::from(trace.unique) * percent / 100.0).round_ties_even().max(1.0) as u32;
                Run { trace, pages, percent: Some(*percent) }
            }));
        } else {
            runs.extend(options.pages.iter().map(|pages| Run { trace, pages: *pages, percent: None }));
        }
    }
    Ok(runs)
}

fn bar(what: &'static str, length: u64) -> Result<ProgressBar> {
    let style = ProgressStyle::with_template("{prefix:8} {bar:40} {percent:>3} % {elapsed} (left: {eta})")?;
    Ok(ProgressBar::new(length).with_style(style).with_prefix(what))
}
