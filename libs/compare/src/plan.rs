// SPDX-License-Identifier: BSD-2-Clause
//! Which machines run, and what each is told.

use crate::workload::{self, Workload};

/// Replacements during a workload that has some.
const REPLACEMENTS: usize = 6;

/// Virtual seconds between two of them: the workload takes some ten times as long where memory is 64 MiB.
fn replace_every(disk: &str) -> &'static str {
    match disk {
        "hdd" => "60",
        "ssd" => "0.9",
        _ => "0.6",
    }
}

/// Policies × workloads × memory sizes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Policies that machines start with.
    pub policies: Vec<&'static str>,
    /// Workloads.
    pub workloads: Vec<&'static Workload>,
    /// Memory sizes, in bytes.
    pub mems: Vec<u64>,
    /// The model of the swap disk.
    pub disk: String,
    /// Seed of the workloads.
    pub seed: u64,
}

/// One machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    /// Its policy.
    pub policy: &'static str,
    /// What it runs.
    pub workload: &'static Workload,
    /// Its memory, in bytes.
    pub mem: u64,
    /// Seed of the workload.
    pub seed: u64,
}

/// Reads a list of names, `all` being all of them; each counts once.
///
/// # Errors
/// A name that is none, with those that there are.
pub fn names<T: Copy + PartialEq>(
    given: &[String],
    all: &[T],
    name: impl Fn(&T) -> &'static str,
    what: &str,
) -> Result<Vec<T>, String> {
    let mut found = Vec::new();
    for given in given.iter().map(|g| g.trim().to_lowercase()) {
        let some = if given == "all" {
            all.to_vec()
        } else {
            let one = all.iter().find(|t| name(t) == given).copied();
            let there = || all.iter().map(&name).collect::<Vec<_>>().join(", ");
            vec![one.ok_or_else(|| format!("{given:?} is no {what}; there are: {}", there()))?]
        };
        for one in some {
            if !found.contains(&one) {
                found.push(one);
            }
        }
    }
    Ok(found)
}

impl Plan {
    /// All machines, those of one workload and size beside each other.
    #[must_use]
    pub fn specs(&self) -> Vec<Spec> {
        let mut specs = Vec::new();
        for mem in &self.mems {
            for workload in &self.workloads {
                for policy in &self.policies {
                    specs.push(Spec { policy, workload, mem: *mem, seed: self.seed });
                }
            }
        }
        specs
    }

    /// The command that gives the same points, without what does not bear on them.
    #[must_use]
    pub fn command(&self) -> String {
        let list = |some: Vec<&str>, all: Vec<&str>| if some == all { "all".into() } else { some.join(",") };
        let mems: Vec<String> = self.mems.iter().map(|m| size(*m)).collect();
        format!(
            "cargo xtask compare --policies {} --workloads {} --mem {} --disk {} --seed {}",
            list(self.policies.clone(), ebb_policy::NAMES.to_vec()),
            list(
                self.workloads.iter().map(|w| w.name).collect(),
                workload::ALL.iter().map(|w| w.name).collect()
            ),
            mems.join(","),
            self.disk,
            self.seed
        )
    }
}

impl Spec {
    /// Replacements that its script asks for.
    #[must_use]
    pub fn replacements(&self) -> usize {
        if self.workload.replaces { REPLACEMENTS } else { 0 }
    }

    /// What the machine's shell is told.
    #[must_use]
    pub fn script(&self, disk: &str) -> String {
        let command = self.workload.command(self.seed);
        let run = if self.workload.replaces {
            let every = replace_every(disk);
            let steps: String = successors(self.policy)
                .map(|next| format!("sleep {every}; uptime --json; service replace pageout {next}; "))
                .collect();
            format!("uptime --json; {command} & {steps}wait $!")
        } else {
            command
        };
        format!("{run}; vmstat --json; policy --json; services --json; audit --json")
    }
}

/// The policies that take over from one, in this order: those that follow it in the list of all.
fn successors(policy: &str) -> impl Iterator<Item = &'static str> {
    let at = ebb_policy::NAMES.iter().position(|n| *n == policy).unwrap_or(0);
    ebb_policy::NAMES.iter().copied().cycle().skip(at + 1).take(REPLACEMENTS)
}

/// A number of bytes as people write it.
#[must_use]
pub fn size(bytes: u64) -> String {
    for (shift, unit) in [(30, "G"), (20, "M"), (10, "K")] {
        if bytes != 0 && bytes.is_multiple_of(1 << shift) {
            return format!("{}{unit}", bytes >> shift);
        }
    }
    bytes.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        Plan {
            policies: ebb_policy::NAMES.to_vec(),
            workloads: workload::ALL.iter().collect(),
            mems: vec![64 << 20, 96 << 20],
            disk: "ssd".into(),
            seed: 7,
        }
    }

    #[test]
    fn every_combination_is_one_machine() {
        let specs = plan().specs();
        assert_eq!(specs.len(), ebb_policy::NAMES.len() * workload::ALL.len() * 2);
        for (i, spec) in specs.iter().enumerate() {
            assert!(!specs[..i].contains(spec));
        }
    }

    #[test]
    fn the_command_says_what_bears_on_the_points() {
        let mut plan = plan();
        let all = "cargo xtask compare --policies all --workloads all --mem 64M,96M --disk ssd --seed 7";
        assert_eq!(plan.command(), all);
        plan.policies = vec!["clock", "fifo"];
        assert!(plan.command().contains("--policies clock,fifo "));
    }

    #[test]
    fn lists_of_names_are_read() {
        let read = |given: &[&str]| {
            let given: Vec<String> = given.iter().map(|g| (*g).to_string()).collect();
            names(&given, ebb_policy::NAMES, |n| n, "policy")
        };
        assert_eq!(read(&["clock", " FIFO ", "clock"]), Ok(vec!["clock", "fifo"]));
        assert_eq!(read(&["sieve", "all"]).unwrap().len(), ebb_policy::NAMES.len());
        let error = read(&["lru"]).unwrap_err();
        assert!(error.contains("\"lru\" is no policy") && error.contains("clock-pro"), "{error}");
    }

    #[test]
    fn scripts_end_with_the_counters_and_replace_where_they_should() {
        for spec in plan().specs() {
            let script = spec.script("ssd");
            assert!(script.ends_with("vmstat --json; policy --json; services --json; audit --json"));
            assert!(script.contains("--seed 7 ") && !script.contains('{'));
            let replaced = script.matches("service replace pageout").count();
            assert_eq!(replaced, spec.replacements());
            assert!(!script.contains(&format!("replace pageout {};", spec.policy)), "{script}");
        }
    }
}
