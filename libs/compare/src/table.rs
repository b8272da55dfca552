// SPDX-License-Identifier: BSD-2-Clause
//! The tables in the terminal: a row a policy, a column a workload; too many workloads for the width become several tables.

use crate::plan::size;
use crate::point::Measures;
use crate::results::Results;
use crate::workload::Workload;

/// Columns of a terminal.
const WIDTH: usize = 80;
/// Characters of a workload's column at least, with the space before it.
const NARROW: usize = 8;

/// A text beside its value; `None`: nothing to compare.
struct Cell {
    text: String,
    value: Option<f64>,
}

/// All tables, failed points with their causes, and what was not run.
#[must_use]
pub fn table(results: &Results) -> String {
    let mut text = String::new();
    for mem in &results.plan.mems {
        let slowdown = |w: &Workload, p: &str| results.slowdown(*mem, w, p).map(|s| (s, format!("{s:.2}")));
        let mean = |p: &str| results.mean_slowdown(*mem, p).map(|s| (s, format!("{s:.3}")));
        let head =
            format!("{} of memory, {}: time, the best policy's being 1", size(*mem), results.plan.disk);
        text += &block(results, *mem, &head, Some(&mean), &slowdown);
        let count = |of: fn(&Measures) -> u64| {
            move |w: &Workload, p: &str| {
                results.measures(*mem, w, p).map(|m| (of(m) as f64, of(m).to_string()))
            }
        };
        text += &block(results, *mem, "major faults", None, &count(|m| m.major_faults));
        text += &block(results, *mem, "pages written", None, &count(|m| m.written));
    }
    for point in results.failed() {
        let cause = point.failure().unwrap_or_default();
        text += &format!(
            "failed: {} {} {}: {}\n",
            point.spec.workload.name,
            point.spec.policy,
            size(point.spec.mem),
            cause.lines().next().unwrap_or_default()
        );
    }
    if results.missing() > 0 {
        text += &format!("not run: {} of {}\n", results.missing(), results.plan.specs().len());
    }
    text
}

/// A heading, and a cell a policy.
type Column = (String, Vec<Cell>);
type Value<'a> = &'a dyn Fn(&Workload, &str) -> Option<(f64, String)>;
type Mean<'a> = &'a dyn Fn(&str) -> Option<(f64, String)>;

/// One quantity: as many tables as the width needs, the mean's column in the first.
fn block(results: &Results, mem: u64, head: &str, mean: Option<Mean<'_>>, value: Value<'_>) -> String {
    let policies = &results.plan.policies;
    let cell = |found: Option<(f64, String)>, failed: bool| match found {
        Some((value, text)) => Cell { text, value: Some(value) },
        None => Cell { text: if failed { "failed" } else { "-" }.into(), value: None },
    };
    let mut columns: Vec<Column> = Vec::new();
    if let Some(mean) = mean {
        columns.push(("mean".into(), policies.iter().map(|p| cell(mean(p), false)).collect()));
    }
    for workload in &results.plan.workloads {
        // What is measured while policies are replaced is not one policy's.
        if mean.is_some() && workload.replaces {
            continue;
        }
        let failed = |p: &str| results.at(mem, workload, p).is_some_and(|p| p.failure().is_some());
        let cells = policies.iter().map(|p| cell(value(workload, p), failed(p))).collect();
        columns.push((workload.name.to_string(), cells));
    }
    let names = policies.iter().map(|p| p.len()).max().unwrap_or(0);
    let width = |(name, cells): &Column| {
        let cells = cells.iter().map(|c| c.text.len() + 1).max().unwrap_or(0);
        (name.len().max(cells) + 1).max(NARROW)
    };
    let mut text = format!("{head} (* best)\n");
    let mut rest = &columns[..];
    while !rest.is_empty() {
        let mut used = names;
        let fitting = rest.iter().take_while(|c| {
            used += width(c);
            used <= WIDTH
        });
        let (now, later) = rest.split_at(fitting.count().max(1));
        text += &lines(policies, names, now, &width);
        text.push('\n');
        rest = later;
    }
    text
}

fn lines(policies: &[&str], names: usize, columns: &[Column], width: &dyn Fn(&Column) -> usize) -> String {
    let mut text = format!("{:names$}", "");
    // A star or a space stands after each value.
    columns.iter().for_each(|c| text += &format!("{:>1$}", format!("{} ", c.0), width(c)));
    text = format!("{}\n", text.trim_end());
    for (row, policy) in policies.iter().enumerate() {
        let mut line = format!("{policy:names$}");
        for column in columns {
            let best = column.1.iter().filter_map(|c| c.value).fold(f64::MAX, f64::min);
            let Some(cell) = column.1.get(row) else { continue };
            let star = if cell.value == Some(best) { '*' } else { ' ' };
            line += &format!("{:>1$}", format!("{}{star}", cell.text), width(column));
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}
