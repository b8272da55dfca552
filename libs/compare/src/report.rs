// SPDX-License-Identifier: BSD-2-Clause
//! The report: one HTML file with plots and tables.

use ebb_plot::{Page, Table};

use crate::figures;
use crate::plan::size;
use crate::results::Results;

/// The whole file.
#[must_use]
pub fn html(results: &Results) -> String {
    let plan = &results.plan;
    let mut page = Page::new("Replacement policies compared");
    page.paragraph(
        "Each point is a machine of its own that runs one workload with one policy. Time is the machine's: one instruction is one \
         nanosecond, and the swap disk takes the time that a model says. So the same command gives the same figures, to the last digit.",
    );
    page.command("Made by", &plan.command());
    if results.missing() > 0 {
        let all = plan.specs().len();
        page.paragraph(&format!("Interrupted: {} of {all} points were not run.", results.missing()));
    }
    page.add(&figures::workloads(&plan.workloads).html());
    if results.failed().next().is_some() {
        page.add(&failures(results).html());
    }
    for mem in &plan.mems {
        page.add(&figures::slowdowns(results, *mem).html());
    }
    page.add(&figures::misses(results).html());
    for mem in &plan.mems {
        page.add(&figures::latencies(results, *mem).html());
        let over_time = [figures::throughputs(results, *mem), figures::replacements(results, *mem)];
        over_time.iter().flatten().for_each(|f| page.add(&f.html()));
        page.add(&figures::written(results, *mem).html());
        page.add(&figures::cost(results, *mem).html());
    }
    page.add(&format!("<section><h2>All points</h2>{}</section>", figures::everything(results).html()));
    page.finish()
}

fn failures(results: &Results) -> Table {
    let row = |p: &crate::Point| {
        let cause = p.failure().unwrap_or_default();
        vec![p.spec.workload.name.into(), p.spec.policy.into(), size(p.spec.mem).into(), cause.into()]
    };
    Table {
        caption: "Failed points".into(),
        head: ["workload", "policy", "memory", "cause"].map(String::from).to_vec(),
        headers: 2,
        rows: results.failed().map(row).collect(),
    }
}
