// SPDX-License-Identifier: BSD-2-Clause
//! Results as a table and as JSON.

use serde_json::{Value, json};

use crate::run::Point;

/// The geometric mean; 1 of nothing.
#[must_use]
pub fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0u32), |(sum, count), v| (sum + v.ln(), count + 1));
    if count == 0 { 1.0 } else { (sum / f64::from(count)).exp() }
}

/// One object a point.
#[must_use]
pub fn json(points: &[Point]) -> Value {
    points
        .iter()
        .map(|p| {
            let last = p.distances.iter().rposition(|d| *d > 0).map_or(0, |l| l + 1);
            json!({
                "trace": p.trace,
                "mode": p.mode.name(),
                "pages": p.pages,
                "percent": p.percent,
                "policy": p.policy,
                "refs": p.refs,
                "misses": p.misses,
                "miss_ratio": p.miss_ratio(),
                "regret": p.regret,
                "evictions": p.evictions,
                "writebacks": p.writebacks,
                "refault_distances_log2": &p.distances[..last],
                "instructions_per_eviction": p.instructions_per_eviction,
                "ns_per_eviction": p.ns_per_eviction(),
            })
        })
        .collect()
}

/// The label of a memory size: as it was asked for.
#[must_use]
pub fn size_label(point: &Point) -> String {
    point.percent.map_or_else(|| format!("{} pages", point.pages), |p| format!("{p} %"))
}

/// The different values of something among the points, in order of appearance.
pub(crate) fn distinct<T: PartialEq>(points: &[Point], of: impl Fn(&Point) -> T) -> Vec<T> {
    let mut found = Vec::new();
    for value in points.iter().map(of) {
        if !found.contains(&value) {
            found.push(value);
        }
    }
    found
}

/// Instructions an eviction as text.
pub(crate) fn instructions(point: &Point) -> String {
    point.instructions_per_eviction.map_or_else(|| "-".to_owned(), |count| format!("{count:.0}"))
}

/// A table for a terminal: a line a point, and the mean regret of each policy at each size.
#[must_use]
pub fn table(points: &[Point]) -> String {
    let mut text = format!(
        "{:<12} {:>8} {:<14} {:>10} {:>9} {:>7} {:>10} {:>10} {:>11}\n",
        "trace", "pages", "policy", "misses", "ratio", "regret", "written", "refault<", "instr/evict"
    );
    for p in points {
        text += &format!(
            "{:<12} {:>8} {:<14} {:>10} {:>9.6} {:>7.3} {:>10} {:>10} {:>11}\n",
            p.trace,
            p.pages,
            p.policy,
            p.misses,
            p.miss_ratio(),
            p.regret,
            p.writebacks,
            p.median_refault(),
            instructions(p)
        );
    }
    for size in distinct(points, size_label) {
        text += &format!("\nmean regret at {size} (geometric)\n");
        let mut means: Vec<(String, f64)> = distinct(points, |p| p.policy.clone())
            .into_iter()
            .map(|policy| {
                let of = points.iter().filter(|p| p.policy == policy && size_label(p) == size);
                let mean = mean(of.map(|p| p.regret));
                (policy, mean)
            })
            .collect();
        means.sort_by(|a, b| a.1.total_cmp(&b.1));
        means.iter().for_each(|(policy, mean)| text += &format!("  {policy:<14} {mean:>6.3}\n"));
    }
    text
}
