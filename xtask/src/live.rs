// SPDX-License-Identifier: BSD-2-Clause
//! `cargo xtask sim --mode sampled --live`: the misses of the machine's `replay` of a trace beside those that the simulator's sampled mode has.
//!
//! What N pages are on a machine is made precise by `replay --frames N`: N frames can hold pages of the trace, all others are locked, stay free, or belong to `replay`
//! itself; the page daemon begins when no more than its threshold is free, and frees as many pages in one go as the simulator's; nothing is read ahead. A miss is
//! a first reference or a fault that waits for a disk. Beside the misses stands how many pages of the trace were resident, on average and at most, as `replay`
//! looked: how near the machine came to N. What remains different is the point of the comparison: the machine's policies see reference bits when they look, in
//! batches and late; writes take time; and a fault of the shell or a server has its share of the frames.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use ebb_sim::{Point, Run, Trace};
use indicatif::ProgressBar;
use serde_json::{Value, json};

use crate::compile::{self, Built};
use crate::run::{self, Folder, RootSize};
use crate::setup::{self, Need};
use crate::size::Size;

/// Bytes of a page.
const PAGE: u64 = 4096;
/// What kernel, servers and thresholds take of a machine, generously: the rest is ballast.
const BESIDES: u64 = 24 << 20;
/// Least memory that the system boots with.
const LEAST: u64 = 32 << 20;
/// Seconds that a point gets.
const TIMEOUT_S: u64 = 3600;

/// What came of a point on the machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Live {
    /// First references, and faults that waited for a disk.
    pub misses: u64,
    /// Pages of the trace that were resident, on average.
    pub resident_mean: u64,
    /// The most that were.
    pub resident_most: u64,
    /// Pages written to swap.
    pub written: u64,
}

/// Runs every point but those of the bound on the machine. The answers are in the order of the points.
///
/// # Errors
/// A machine that does not do what it should, with what it said.
pub fn run(points: &[Point], runs: &[Run<'_>], bar: &ProgressBar) -> Result<Vec<Option<Live>>> {
    setup::ensure(&Need::BOOT)?;
    let built = compile::all()?;
    let folder = Folder::new(false)?;
    let mut live = Vec::new();
    for point in points {
        if point.policy == "min" {
            live.push(None);
            continue;
        }
        if crate::terminal::interrupted() {
            bail!("interrupted");
        }
        let run = runs.iter().find(|r| r.trace.name == point.trace && r.pages == point.pages);
        let run = run.context("a point of no run")?;
        let on = || format!("{} with {} pages under {}", point.trace, point.pages, point.policy);
        live.push(Some(one(run.trace, point, folder.path(), &built).with_context(on)?));
        bar.inc(1);
    }
    Ok(live)
}

fn one(trace: &Trace, point: &Point, folder: &Path, built: &Built) -> Result<Live> {
    let (refs, dirty) = (folder.join("refs"), folder.join("dirty"));
    fs::write(&refs, trace.pages.iter().flat_map(|page| page.to_le_bytes()).collect::<Vec<u8>>())?;
    let mut bits = trace.dirty().to_vec();
    bits.resize(trace.pages.len().div_ceil(8), 0);
    fs::write(&dirty, bits)?;
    let unique = u64::from(trace.unique);
    let exec = format!(
        "replay input0 --dirty input1 --limit {} --frames {} --pages {unique} --json; vmstat --json",
        trace.pages.len(),
        point.pages
    );
    // Beside the frames: what maps them, and what knows of all pages.
    let mem = BESIDES + u64::from(point.pages) * PAGE * 21 / 20 + unique * 64;
    let options = run::Options {
        mem: Size(mem.max(LEAST).next_multiple_of(1 << 20)),
        swap: vec![Size((unique * PAGE * 3 / 2).next_multiple_of(1 << 20) + (16 << 20))],
        input: vec![refs, dirty],
        root: Some(RootSize::None),
        policy: Some(point.policy.clone()),
        exec: Some(exec),
        icount: true,
        timeout: Some(TIMEOUT_S),
        ..run::Options::default()
    };
    let (status, said) = run::quietly(&options, built)?;
    if status != 0 {
        bail!("status {status}:\n{}", said.trim_end());
    }
    read(&said).with_context(|| said.trim_end().to_string())
}

/// Reads what `replay` and `vmstat` say.
fn read(said: &str) -> Result<Live> {
    let objects: Vec<Value> =
        said.lines().filter_map(|line| serde_json::from_str(line.trim()).ok()).collect();
    let number = |name: &str| {
        let found = objects.iter().find_map(|o| o[name].as_u64());
        found.with_context(|| format!("the machine does not say \"{name}\""))
    };
    Ok(Live {
        misses: number("misses")?,
        resident_mean: number("resident_mean")?,
        resident_most: number("resident_most")?,
        written: number("v_swappgsout")?,
    })
}

/// The table for the terminal.
pub fn table(points: &[Point], live: &[Option<Live>]) -> String {
    let mut text = format!(
        "\n{:<12} {:>8} {:<14} {:>10} {:>10} {:>9}   {}\n",
        "trace", "pages", "policy", "sampled", "live", "live/sim", "resident: mean, most"
    );
    for (p, live) in both(points, live) {
        text += &format!(
            "{:<12} {:>8} {:<14} {:>10} {:>10} {:>9.3}   {}, {}\n",
            p.trace,
            p.pages,
            p.policy,
            p.misses,
            live.misses,
            ratio(p, live),
            live.resident_mean,
            live.resident_most
        );
    }
    text
}

/// Adds what the machine did to the objects of a report, which are in the points' order.
pub fn add_to(json: &mut Value, points: &[Point], live: &[Option<Live>]) {
    let objects = json.as_array_mut().map(Vec::as_mut_slice).unwrap_or_default();
    for ((object, p), live) in objects.iter_mut().zip(points).zip(live) {
        if let Some(live) = live {
            object["live"] = json!({
                "misses": live.misses,
                "ratio": ratio(p, live),
                "resident_mean": live.resident_mean,
                "resident_most": live.resident_most,
                "written": live.written,
            });
        }
    }
}

/// A section of the report, in front of its end.
pub fn add_to_page(page: &str, points: &[Point], live: &[Option<Live>]) -> String {
    let mut rows = String::new();
    for (p, live) in both(points, live) {
        let (name, policy) = (escape(&p.trace), escape(&p.policy));
        rows += &format!(
            "<tr><td>{name}</td><td>{}</td><td>{policy}</td><td>{}</td><td>{}</td><td>{:.3}</td><td>{}</td><td>{}</td></tr>\n",
            p.pages,
            p.misses,
            live.misses,
            ratio(p, live),
            live.resident_mean,
            live.resident_most
        );
    }
    let section = format!(
        "<h2>The machine beside the simulator</h2>\n<p>Misses of the sampled mode, and of <code>replay --frames</code> on the machine: first references, \
         and faults that waited for a disk.</p>\n<table><tr><th>trace</th><th>pages</th><th>policy</th><th>sampled</th><th>live</th><th>live / sampled</th>\
         <th>resident, mean</th><th>most</th></tr>\n{rows}</table>\n"
    );
    match page.rsplit_once("</body>") {
        Some((before, after)) => format!("{before}{section}</body>{after}"),
        None => page.to_string() + &section,
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn ratio(point: &Point, live: &Live) -> f64 {
    live.misses as f64 / point.misses.max(1) as f64
}

fn both<'a>(points: &'a [Point], live: &'a [Option<Live>]) -> impl Iterator<Item = (&'a Point, &'a Live)> {
    points.iter().zip(live).filter_map(|(p, l)| Some((p, l.as_ref()?)))
}

#[cfg(test)]
mod tests {
    use ebb_sim::Mode;

    use super::*;

    fn points() -> (Vec<Point>, Vec<Option<Live>>) {
        let trace = Trace::new("a<b", (0..40u64).map(|n| (n * n % 7, n % 3 == 0)));
        let runs = [Run { trace: &trace, pages: 2, percent: None }];
        let points =
            ebb_sim::simulate(&runs, &["fifo".into(), "min".into()], Mode::Once, None, &|_| {}).unwrap();
        let live = Live { misses: points[0].misses * 2, resident_mean: 1, resident_most: 2, written: 3 };
        (points, vec![Some(live), None])
    }

    #[test]
    fn what_the_machine_says_is_read_and_what_it_does_not_is_told() {
        let said = "{\"program\":\"replay\",\"misses\":7,\"resident_mean\":5,\"resident_most\":6}\r\nnoise\n{\"v_swappgsout\":9}\n";
        let live = Live { misses: 7, resident_mean: 5, resident_most: 6, written: 9 };
        assert_eq!(read(said).unwrap(), live);
        assert!(read("{\"misses\":7}").unwrap_err().to_string().contains("resident_mean"));
        assert!(read("").is_err());
    }

    #[test]
    fn the_reports_have_both_and_nothing_for_the_bound() {
        let (points, live) = points();
        let table = table(&points, &live);
        assert!(table.contains("fifo") && table.contains("2.000") && !table.contains("min "), "{table}");
        let mut json = ebb_sim::report::json(&points);
        add_to(&mut json, &points, &live);
        assert_eq!(json[0]["live"]["ratio"], 2.0);
        assert!(json[1]["live"].is_null());
        let page = add_to_page(&ebb_sim::html::page(&points), &points, &live);
        assert!(page.contains("a&lt;b</td><td>2</td><td>fifo") && page.trim_end().ends_with("</html>"));
        assert_eq!(page.matches("</body>").count(), 1);
    }
}
