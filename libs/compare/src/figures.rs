// SPDX-License-Identifier: BSD-2-Clause
//! The figures of the report: what each plots, and the table with the same numbers.

use ebb_plot::bars::Bar;
use ebb_plot::text::number;
use ebb_plot::{Bars, Cell, Dots, Figure, Lines, Moment, Series, Table};

use crate::plan::size;
use crate::point::{Measures, PERCENTILES};
use crate::results::Results;
use crate::throughput::{self, INTERVALS};
use crate::workload::Workload;

/// A quantity that a point has one value of.
struct Quantity<'a> {
    heading: String,
    note: &'a str,
    unit: &'a str,
    of: fn(&Measures) -> Option<f64>,
    text: fn(f64) -> String,
}

/// Slowdowns at one size: the means, and each workload.
#[must_use]
pub fn slowdowns(results: &Results, mem: u64) -> Figure {
    let policies = &results.plan.policies;
    let text = |s: f64| format!("{s:.3}");
    let bars = |of: &dyn Fn(&str) -> Option<f64>| -> Vec<Bar> {
        policies.iter().map(|p| bar(p, of(p), text, "failed")).collect()
    };
    let unit = "time, the best policy's being 1";
    let mut panels = Vec::new();
    let mut columns = Vec::new();
    let mut rows: Vec<Vec<Cell>> = policies.iter().map(|p| vec![(*p).into()]).collect();
    let mut add = |title: String, of: &dyn Fn(&str) -> Option<f64>, name: &str| {
        panels.push(Bars { title, unit: unit.into(), bars: bars(of) }.svg());
        columns.push(name.to_string());
        let values: Vec<Option<f64>> = policies.iter().map(|p| of(p)).collect();
        append(&mut rows, &values, text);
    };
    add("All workloads (geometric mean)".into(), &|p| results.mean_slowdown(mem, p), "mean");
    for workload in results.compared() {
        add(workload.name.into(), &|p| results.slowdown(mem, workload, p), workload.name);
    }
    Figure {
        heading: format!("How much longer each policy takes than the best, {}", size(mem)),
        note: "Shorter is better; \u{2605} marks the best. The mean is geometric, over the workloads during which no policy is replaced; \
               a policy with a failed point has none."
            .into(),
        panels,
        tables: vec![Table {
            caption: format!("Time of each policy over that of the best, {}", size(mem)),
            head: std::iter::once("policy".to_string()).chain(columns).collect(),
            headers: 1,
            rows,
        }],
        folded: false,
    }
}

/// Major faults an access: curves over memory, or bars if there is one size.
#[must_use]
pub fn misses(results: &Results) -> Figure {
    let ratio = |v: f64| format!("{v:.5}");
    if let [mem] = results.plan.mems[..] {
        return quantity(
            results,
            mem,
            &Quantity {
                heading: format!("Major faults an access, {}", size(mem)),
                note: "How often an access had to wait for a page from the disk. Shorter is better.",
                unit: "major faults an access",
                of: |m| Some(m.miss_ratio()),
                text: ratio,
            },
        );
    }
    let mut mems = results.plan.mems.clone();
    mems.sort_unstable();
    let mib = |mem: u64| mem as f64 / f64::from(1 << 20);
    let mut panels = Vec::new();
    let mut rows = Vec::new();
    for workload in &results.plan.workloads {
        let mut series = Vec::new();
        for policy in &results.plan.policies {
            let at = |mem: u64| results.measures(mem, workload, policy).map(Measures::miss_ratio);
            let points = mems.iter().filter_map(|m| at(*m).map(|r| (mib(*m), r, ratio(r))));
            series.push(Series { name: (*policy).into(), points: points.collect() });
            let mut row: Vec<Cell> = vec![workload.name.into(), (*policy).into()];
            row.extend(mems.iter().map(|m| at(*m).map_or("failed".into(), |r| Cell::plotted(ratio(r)))));
            rows.push(row);
        }
        let lines = Lines {
            title: workload.name.into(),
            x: "memory".into(),
            y: "major faults an access".into(),
            x_ticks: mems.iter().map(|m| (mib(*m), size(*m))).collect(),
            series,
            moments: Vec::new(),
        };
        panels.extend(lines.svgs());
    }
    let head = ["workload", "policy"].map(String::from).into_iter().chain(mems.iter().map(|m| size(*m)));
    Figure {
        heading: "Miss-ratio curves: major faults an access over memory".into(),
        note: "How often an access had to wait for a page from the disk. Lower is better. Where policies fill two panels, the axes are the same, and \
               those of the other panel are grey."
            .into(),
        panels,
        tables: vec![Table {
            caption: "Major faults an access, by memory".into(),
            head: head.collect(),
            headers: 2,
            rows,
        }],
        folded: true,
    }
}

/// Pages written at one size.
#[must_use]
pub fn written(results: &Results, mem: u64) -> Figure {
    quantity(
        results,
        mem,
        &Quantity {
            heading: format!("Pages written, {}", size(mem)),
            note: "Pages that went to swap and to files, until the machine ended. Shorter is better.",
            unit: "pages",
            of: |m| Some(m.written as f64),
            text: |v| format!("{v:.0}"),
        },
    )
}

/// What the policies' own code costs.
#[must_use]
pub fn cost(results: &Results, mem: u64) -> Figure {
    quantity(
        results,
        mem,
        &Quantity {
            heading: format!("Instructions of the policy for each page evicted, {}", size(mem)),
            note: "The policy's own code, without its calls to others. Shorter is better. Where the policy is replaced there is no figure.",
            unit: "instructions an eviction",
            of: Measures::instructions_per_eviction,
            text: |v| format!("{v:.0}"),
        },
    )
}

/// How long faults take at one size.
#[must_use]
pub fn latencies(results: &Results, mem: u64) -> Figure {
    let text = |v: f64| format!("{v:.3}");
    let mut panels = Vec::new();
    let mut rows = Vec::new();
    for workload in &results.plan.workloads {
        let mut dots = Vec::new();
        for policy in &results.plan.policies {
            let found = results.measures(mem, workload, policy).map(|m| m.fault_us);
            let values = found.iter().flatten().map(|v| (*v, text(*v))).collect();
            dots.push(((*policy).to_string(), values));
            let mut row: Vec<Cell> = vec![workload.name.into(), (*policy).into()];
            row.extend(
                (0..PERCENTILES.len()).map(|i| found.map_or("failed".into(), |f| Cell::plotted(text(f[i])))),
            );
            rows.push(row);
        }
        let kinds = PERCENTILES.map(String::from).to_vec();
        panels.push(
            Dots {
                title: workload.name.into(),
                unit: "microseconds a fault (virtual)".into(),
                kinds,
                rows: dots,
            }
            .svg(),
        );
    }
    let head = ["workload", "policy"].into_iter().chain(PERCENTILES).map(String::from);
    Figure {
        heading: format!("How long a fault takes, {}", size(mem)),
        note: "Percentiles of the time of an access that faulted; the axis is logarithmic. Further left is better.".into(),
        panels,
        tables: vec![Table {
            caption: format!("Microseconds a fault, {}", size(mem)),
            head: head.collect(),
            headers: 2,
            rows,
        }],
        folded: true,
    }
}

/// Throughput over time at one size, without the workloads during which policies are replaced; none if no point has samples.
#[must_use]
pub fn throughputs(results: &Results, mem: u64) -> Option<Figure> {
    let mut panels = Vec::new();
    let mut tables = Vec::new();
    for workload in results.compared() {
        let progress: Vec<(&str, &[(u64, u64)])> = results
            .plan
            .policies
            .iter()
            // One that failed keeps its place, or others would look different in this plot than in the rest.
            .map(|p| (*p, results.measures(mem, workload, p).map_or(&[][..], |m| &m.progress[..])))
            .collect();
        let Some(interval) = interval(progress.iter().map(|(_, p)| *p)) else { continue };
        let series: Vec<Series> = progress.iter().map(|(p, samples)| line(p, samples, interval)).collect();
        tables.push(intervals(&format!("{}: accesses a second", workload.name), &series, interval));
        let lines = Lines {
            title: workload.name.into(),
            x: "seconds from the start (virtual)".into(),
            y: "accesses a second".into(),
            x_ticks: Vec::new(),
            series,
            moments: Vec::new(),
        };
        panels.extend(lines.svgs());
    }
    (!panels.is_empty()).then(|| Figure {
        heading: format!("Throughput over time, {}", size(mem)),
        note: "Accesses done in each interval, by its length; all intervals of a plot are as long, but the last of a run, which ends with it. Higher is \
               better, and so is to end early. Where policies fill two panels, the axes are the same, and those of the other panel are grey."
            .into(),
        panels,
        tables,
        folded: true,
    })
}

/// Throughput while policies are replaced, with the moments; none if there was no such workload.
#[must_use]
pub fn replacements(results: &Results, mem: u64) -> Option<Figure> {
    let mut panels = Vec::new();
    let mut tables = Vec::new();
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    for workload in results.plan.workloads.iter().filter(|w| w.replaces) {
        let measured = |p: &&'static str| Some((*p, results.measures(mem, workload, p)?));
        let runs: Vec<(&str, &Measures)> = results.plan.policies.iter().filter_map(measured).collect();
        let Some(interval) = interval(runs.iter().map(|(_, m)| &m.progress[..])) else { continue };
        let mut series = Vec::new();
        for (policy, measures) in &runs {
            let mut moments = Vec::new();
            for (number, r) in measures.replacements.iter().enumerate() {
                let (at, label) = (r.at_us as f64 / 1e6, (number + 1).to_string());
                let what =
                    format!("{at:.3} s: {} {} -> {}, reclaim held {} us", r.role, r.from, r.to, r.held_us);
                moments.push(Moment { at, label: label.clone(), what });
                rows.push(vec![
                    (*policy).into(),
                    label.into(),
                    format!("{at:.3}").into(),
                    r.role.as_str().into(),
                    r.from.as_str().into(),
                    r.to.as_str().into(),
                    r.held_us.to_string().into(),
                    r.pages.to_string().into(),
                    r.took_us.to_string().into(),
                ]);
            }
            let one = line(policy, &measures.progress, interval);
            let lines = Lines {
                title: format!("{}, started with {policy}", workload.name),
                x: "seconds from the start (virtual)".into(),
                y: "accesses a second".into(),
                x_ticks: Vec::new(),
                // Not one policy's alone.
                series: vec![Series { name: "throughput".into(), ..one.clone() }],
                moments,
            };
            panels.extend(lines.svgs());
            series.push(one);
        }
        tables.push(intervals(&format!("{}: accesses a second", workload.name), &series, interval));
    }
    let head = [
        "started with",
        "number",
        "at (s)",
        "service",
        "from",
        "to",
        "reclaim held (us)",
        "pages handed over",
        "in (us)",
    ];
    tables.push(Table {
        caption: "Replacements".into(),
        head: head.map(String::from).to_vec(),
        headers: 2,
        rows,
    });
    (!panels.is_empty()).then(|| Figure {
        heading: format!("Throughput while policies are replaced, {}", size(mem)),
        note: "Dotted lines are the moments of replacements; their numbers are those of the table. The workload goes on, and verifies every byte.".into(),
        panels,
        tables,
        folded: true,
    })
}

/// Every point, failed ones with their cause.
#[must_use]
pub fn everything(results: &Results) -> Table {
    let head = [
        "workload",
        "policy",
        "memory",
        "seconds",
        "accesses",
        "major faults",
        "faults",
        "pages read",
        "pages written",
        "looked at",
        "evicted",
        "policy's instructions",
    ];
    let rows = results.points().iter().map(|point| {
        let spec = &point.spec;
        let mut row: Vec<Cell> = vec![spec.workload.name.into(), spec.policy.into(), size(spec.mem).into()];
        match point.measures() {
            Some(m) => {
                row.push(format!("{:.6}", m.elapsed_us as f64 / 1e6).into());
                let counts = [m.touches, m.major_faults, m.faults, m.read, m.written, m.scanned, m.evictions];
                row.extend(counts.map(|c| Cell::from(c.to_string())));
                row.push(m.policy_instructions.map_or("-".into(), |i| i.to_string().into()));
            }
            None => {
                row.push("failed".into());
                row.resize(head.len(), Cell::default());
            }
        }
        row
    });
    Table {
        caption: "All points; times are virtual".into(),
        head: head.map(String::from).to_vec(),
        headers: 3,
        rows: rows.collect(),
    }
}

/// A panel a workload, a bar a policy.
fn quantity(results: &Results, mem: u64, what: &Quantity<'_>) -> Figure {
    let policies = &results.plan.policies;
    let mut panels = Vec::new();
    let mut rows: Vec<Vec<Cell>> = policies.iter().map(|p| vec![(*p).into()]).collect();
    let mut columns = vec!["policy".to_string()];
    for workload in &results.plan.workloads {
        let of = |p: &str| results.measures(mem, workload, p).and_then(what.of);
        let values: Vec<Option<f64>> = policies.iter().map(|p| of(p)).collect();
        let measured = |p: &str| results.measures(mem, workload, p).is_some();
        if values.iter().all(Option::is_none) && policies.iter().any(|p| measured(p)) {
            continue;
        }
        let bars =
            policies.iter().map(|p| bar(p, of(p), what.text, if measured(p) { "-" } else { "failed" }));
        let panel = Bars { title: workload.name.into(), unit: what.unit.into(), bars: bars.collect() };
        panels.push(panel.svg());
        columns.push(workload.name.into());
        append(&mut rows, &values, what.text);
    }
    Figure {
        heading: what.heading.clone(),
        note: what.note.into(),
        panels,
        tables: vec![Table { caption: what.heading.clone(), head: columns, headers: 1, rows }],
        folded: false,
    }
}

fn bar(name: &str, value: Option<f64>, text: impl Fn(f64) -> String, else_text: &str) -> Bar {
    Bar { name: name.into(), value, text: value.map_or(else_text.into(), text) }
}

/// Adds a column, its least value marked.
fn append(rows: &mut [Vec<Cell>], values: &[Option<f64>], text: impl Fn(f64) -> String) {
    let best = values.iter().flatten().copied().fold(f64::MAX, f64::min);
    for (row, value) in rows.iter_mut().zip(values) {
        row.push(match value {
            Some(v) => Cell { text: text(*v), best: *v == best, plotted: true },
            None => "-".into(),
        });
    }
}

/// How long an interval is, in microseconds, so that there are [`INTERVALS`] in the longest of these runs.
fn interval<'a>(runs: impl Iterator<Item = &'a [(u64, u64)]>) -> Option<u64> {
    let longest = runs.filter_map(|r| r.last()).map(|(end, _)| *end).max()?;
    Some(longest.div_ceil(INTERVALS as u64).max(1))
}

fn line(name: &str, progress: &[(u64, u64)], interval_us: u64) -> Series {
    let rates = throughput::rates(progress, interval_us);
    Series { name: name.into(), points: rates.into_iter().map(|(x, r)| (x, r, number(r))).collect() }
}

/// A row an interval, a column a line.
fn intervals(caption: &str, series: &[Series], interval_us: u64) -> Table {
    let most = series.iter().map(|s| s.points.len()).max().unwrap_or(0);
    let rows = (0..most).map(|i| {
        let mut row: Vec<Cell> = vec![format!("{:.3}", i as f64 * interval_us as f64 / 1e6).into()];
        let text = |s: &Series| s.points.get(i).map_or("".into(), |p| Cell::plotted(p.2.clone()));
        row.extend(series.iter().map(text));
        row
    });
    Table {
        caption: caption.into(),
        head: std::iter::once("from (s)".to_string()).chain(series.iter().map(|s| s.name.clone())).collect(),
        headers: 1,
        rows: rows.collect(),
    }
}

/// What the workloads are.
#[must_use]
pub fn workloads(of: &[&'static Workload]) -> Table {
    let text = |t: &str| Cell::from(t);
    Table {
        caption: "Workloads; each is seeded, and checks what it reads".into(),
        head: ["workload", "what it does"].map(String::from).to_vec(),
        headers: 1,
        rows: of.iter().map(|w| vec![text(w.name), text(w.what)]).collect(),
    }
}
