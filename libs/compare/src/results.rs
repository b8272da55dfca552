// SPDX-License-Identifier: BSD-2-Clause
//! All points of a plan, and what is computed of them.

use serde_json::Value;

use crate::plan::Plan;
use crate::point::{Measures, Point};
use crate::workload::Workload;

/// Points of a plan; those that were not run are missing.
#[derive(Clone, Debug, PartialEq)]
pub struct Results {
    /// What was to be run.
    pub plan: Plan,
    points: Vec<Point>,
}

impl Results {
    /// Points in any order.
    #[must_use]
    pub fn new(plan: Plan, mut points: Vec<Point>) -> Self {
        let specs = plan.specs();
        points.sort_by_key(|p| specs.iter().position(|s| *s == p.spec));
        Self { plan, points }
    }

    /// All points, in the plan's order.
    #[must_use]
    pub fn points(&self) -> &[Point] {
        &self.points
    }

    /// Those that failed.
    pub fn failed(&self) -> impl Iterator<Item = &Point> {
        self.points.iter().filter(|p| p.failure().is_some())
    }

    /// Points of the plan that were not run.
    #[must_use]
    pub fn missing(&self) -> usize {
        self.plan.specs().len().saturating_sub(self.points.len())
    }

    /// A point.
    #[must_use]
    pub fn at(&self, mem: u64, workload: &Workload, policy: &str) -> Option<&Point> {
        self.points
            .iter()
            .find(|p| p.spec.mem == mem && p.spec.workload == workload && p.spec.policy == policy)
    }

    /// What it measured.
    #[must_use]
    pub fn measures(&self, mem: u64, workload: &Workload, policy: &str) -> Option<&Measures> {
        self.at(mem, workload, policy)?.measures()
    }

    /// The time of a point over that of the best policy with the same workload and memory.
    #[must_use]
    pub fn slowdown(&self, mem: u64, workload: &Workload, policy: &str) -> Option<f64> {
        let of = |policy| self.measures(mem, workload, policy).map(|m| m.elapsed_us);
        let best = self.plan.policies.iter().filter_map(|p| of(p)).min()?;
        Some(of(policy)? as f64 / best as f64)
    }

    /// The geometric mean of a policy's slowdowns; none if it has failed somewhere, or not run, and without workloads that are its own.
    #[must_use]
    pub fn mean_slowdown(&self, mem: u64, policy: &str) -> Option<f64> {
        let all: Option<Vec<f64>> = self.compared().map(|w| self.slowdown(mem, w, policy)).collect();
        let all = all.filter(|a| !a.is_empty())?;
        Some((all.iter().map(|s| s.ln()).sum::<f64>() / all.len() as f64).exp())
    }

    /// Workloads whose figures are one policy's.
    pub fn compared(&self) -> impl Iterator<Item = &'static Workload> {
        self.plan.workloads.iter().copied().filter(|w| !w.replaces)
    }

    /// One object a point.
    #[must_use]
    pub fn json(&self) -> String {
        // A line a point, so that two files can be compared by eye.
        let points: Vec<String> =
            self.points.iter().map(|p| Value::to_string(&p.json(&self.plan.disk))).collect();
        format!("[\n{}\n]\n", points.join(",\n"))
    }
}
