// SPDX-License-Identifier: BSD-2-Clause
//! A report in one file: mean regret, miss ratio curves, and tables with the same numbers. How it looks is `ebb-plot`'s matter.

use std::cmp::Ordering;

use ebb_plot::bars::Bar;
use ebb_plot::{Bars, Cell, Figure, Lines, Page, Series, Table};

use crate::report::{distinct, instructions, mean, size_label};
use crate::run::Point;

/// The report.
#[must_use]
pub fn page(points: &[Point]) -> String {
    let policies = distinct(points, |p| p.policy.clone());
    let mut page = Page::new("Replacement policies on traces");
    let mode = points.first().map_or("", |p| p.mode.name());
    page.paragraph(&format!(
        "Mode: {mode}. Misses count first references too; regret is misses over those of MIN at the same size. \
         Instructions are those of the policy and its engine as they run on the machine, counted at the beginning of the trace."
    ));
    page.add(&regrets(points, &policies).html());
    for trace in distinct(points, |p| p.trace.clone()) {
        page.add(&curves(points, &policies, &trace).html());
    }
    page.add(&format!("<section><h2>All points</h2>{}</section>", everything(points).html()));
    page.finish()
}

/// Mean regret of each policy at each size.
fn regrets(points: &[Point], policies: &[String]) -> Figure {
    let sizes = distinct(points, size_label);
    let of = |policy: &str, size: &str| {
        let some = points.iter().filter(|p| p.policy == policy && size_label(p) == size);
        mean(some.map(|p| p.regret))
    };
    let text = |regret: f64| format!("{regret:.3}");
    let panel = |size: &String| {
        let bar = |p: &String| Bar { name: p.clone(), value: Some(of(p, size)), text: text(of(p, size)) };
        let mut bars: Vec<Bar> = policies.iter().map(bar).collect();
        bars.sort_by(|a, b| a.value.partial_cmp(&b.value).unwrap_or(Ordering::Equal));
        Bars { title: format!("at {size}"), unit: "misses over those of MIN".into(), bars }.svg()
    };
    let row = |policy: &String| {
        let values = sizes.iter().map(|s| Cell::plotted(text(of(policy, s))));
        std::iter::once(Cell::from(policy.as_str())).chain(values).collect()
    };
    Figure {
        heading: "Mean regret (geometric, over all traces)".into(),
        note: "How many more misses than the best possible. Shorter is better.".into(),
        panels: sizes.iter().map(panel).collect(),
        tables: vec![Table {
            caption: "Mean regret by memory".into(),
            head: std::iter::once("policy".to_string()).chain(sizes.iter().cloned()).collect(),
            headers: 1,
            rows: policies.iter().map(row).collect(),
        }],
        folded: false,
    }
}

/// Miss ratio against memory, for one trace.
fn curves(points: &[Point], policies: &[String], trace: &str) -> Figure {
    let text = |ratio: f64| format!("{ratio:.6}");
    let of = |policy: &str| {
        let mut some: Vec<&Point> =
            points.iter().filter(|p| p.trace == trace && p.policy == policy).collect();
        some.sort_by_key(|p| p.pages);
        some
    };
    let mut sizes: Vec<u32> = points.iter().filter(|p| p.trace == trace).map(|p| p.pages).collect();
    sizes.sort_unstable();
    sizes.dedup();
    let line = |policy: &String| {
        let point = |p: &&Point| (f64::from(p.pages), p.miss_ratio(), text(p.miss_ratio()));
        Series { name: policy.clone(), points: of(policy).iter().map(point).collect() }
    };
    let row = |policy: &String| {
        let found = of(policy);
        let at = |size: &u32| found.iter().find(|p| p.pages == *size);
        let cell = |size| at(size).map_or(Cell::default(), |p| Cell::plotted(text(p.miss_ratio())));
        std::iter::once(Cell::from(policy.as_str())).chain(sizes.iter().map(cell)).collect()
    };
    let lines = Lines {
        title: trace.into(),
        x: "pages of memory".into(),
        y: "misses a reference".into(),
        x_ticks: Vec::new(),
        series: policies.iter().map(line).collect(),
        moments: Vec::new(),
    };
    Figure {
        heading: format!("{trace}: misses a reference"),
        note: "Lower is better. Where policies fill several panels, the axes are the same, and those of the other panels are grey.".into(),
        panels: lines.svgs(),
        tables: vec![Table {
            caption: format!("{trace}: misses a reference, by pages of memory"),
            head: std::iter::once("policy".to_string()).chain(sizes.iter().map(u32::to_string)).collect(),
            headers: 1,
            rows: policies.iter().map(row).collect(),
        }],
        folded: true,
    }
}

fn everything(points: &[Point]) -> Table {
    let head = [
        "trace",
        "memory",
        "policy",
        "pages",
        "misses",
        "miss ratio",
        "regret",
        "written",
        "half refault within",
        "instructions an eviction",
    ];
    let row = |p: &Point| {
        let values = [
            p.pages.to_string(),
            p.misses.to_string(),
            format!("{:.6}", p.miss_ratio()),
            format!("{:.3}", p.regret),
            p.writebacks.to_string(),
            p.median_refault().to_string(),
            instructions(p),
        ];
        let names = [p.trace.clone(), size_label(p), p.policy.clone()];
        names.into_iter().chain(values).map(Cell::from).collect()
    };
    Table {
        caption: "All points".into(),
        head: head.map(String::from).to_vec(),
        headers: 3,
        rows: points.iter().map(row).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::Mode;
    use roxmltree::{Document, Node, ParsingOptions};
    use std::collections::BTreeSet;
    use std::time::Duration;

    #[test]
    fn plots_and_tables_say_the_same() {
        let point = |policy: usize, percent: u32| Point {
            trace: "a<b".into(),
            mode: Mode::Once,
            pages: 10 * percent,
            percent: Some(f64::from(percent)),
            policy: format!("p{policy}"),
            refs: 1000,
            misses: 900 - policy as u64 - 10 * u64::from(percent),
            evictions: 5,
            writebacks: 3,
            regret: 1.0 + policy as f64 / 7.0,
            distances: Default::default(),
            policy_time: Duration::from_nanos(77),
            instructions_per_eviction: Some(123.4),
        };
        let points: Vec<Point> = (0..9).flat_map(|p| [10, 50].map(|percent| point(p, percent))).collect();
        let html = page(&points);
        let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
        let document = Document::parse_with_options(&html, options).unwrap();
        let values = |figure: Node<'_, '_>, of: &str| -> BTreeSet<String> {
            let inside = figure.descendants().filter(|n| n.has_tag_name(of)).flat_map(|n| n.descendants());
            inside.filter_map(|n| n.attribute("data-v")).map(String::from).collect()
        };
        let figures: Vec<Node<'_, '_>> =
            document.descendants().filter(|n| n.has_tag_name("figure")).collect();
        assert_eq!(figures.len(), 2);
        for figure in figures {
            assert!(values(figure, "svg").len() >= 9);
            assert_eq!(values(figure, "svg"), values(figure, "table"));
        }
    }
}
