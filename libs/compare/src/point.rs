// SPDX-License-Identifier: BSD-2-Clause
//! What one machine measured.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::plan::Spec;

/// Names of the percentiles of [`Measures::fault_us`], ascending, and the greatest.
pub const PERCENTILES: [&str; 5] = ["p50", "p90", "p99", "p99.9", "max"];

/// A replacement of a server while the workload ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Replacement {
    /// When it was asked for, in virtual microseconds from the workload's start; off by what starting the workload takes.
    pub at_us: u64,
    /// Which service.
    pub role: String,
    /// The image before.
    pub from: String,
    /// The image after.
    pub to: String,
    /// How long reclaim was held, in microseconds.
    pub held_us: u64,
    /// Pages handed over.
    pub pages: u64,
    /// How long it took until the new one worked, in microseconds.
    pub took_us: u64,
}

/// What a machine that ended well has measured. All times are virtual: one instruction is one nanosecond.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Measures {
    /// The workload's time, in microseconds.
    pub elapsed_us: u64,
    /// The memory that it used, in bytes; 0 if it does not say.
    pub bytes: u64,
    /// Its accesses, of pages or of records.
    pub touches: u64,
    /// Those that waited for I/O.
    pub major_faults: u64,
    /// Faults of the whole machine.
    pub faults: u64,
    /// How long a fault took, in microseconds, at [`PERCENTILES`].
    pub fault_us: [f64; 5],
    /// Pages written to swap and files.
    pub written: u64,
    /// Pages read from swap and files.
    pub read: u64,
    /// Pages that the policy looked at.
    pub scanned: u64,
    /// Pages that reclaim freed.
    pub evictions: u64,
    /// Instructions in the policy itself, without its calls; absent if it was replaced on the way.
    pub policy_instructions: Option<u64>,
    /// Time and accesses done, at most a few hundred samples, in microseconds from the start.
    pub progress: Vec<(u64, u64)>,
    /// Replacements while it ran.
    pub replacements: Vec<Replacement>,
    /// All counters of `vm`, by name.
    pub counters: Map<String, Value>,
}

impl Measures {
    /// Accesses that waited for I/O, of all.
    #[must_use]
    pub fn miss_ratio(&self) -> f64 {
        self.major_faults as f64 / self.touches.max(1) as f64
    }

    /// Instructions in the policy an eviction, if both are known.
    #[must_use]
    pub fn instructions_per_eviction(&self) -> Option<f64> {
        let instructions = self.policy_instructions.filter(|_| self.evictions > 0)?;
        Some(instructions as f64 / self.evictions as f64)
    }
}

/// What came of a machine.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It ended well.
    Measured(Box<Measures>),
    /// It did not, and why.
    Failed(String),
}

/// A machine, and what came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// The machine.
    pub spec: Spec,
    /// What came of it.
    pub outcome: Outcome,
}

impl Point {
    /// What it measured, if it ended well.
    #[must_use]
    pub fn measures(&self) -> Option<&Measures> {
        match &self.outcome {
            Outcome::Measured(measures) => Some(measures),
            Outcome::Failed(_) => None,
        }
    }

    /// Why it did not.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        match &self.outcome {
            Outcome::Measured(_) => None,
            Outcome::Failed(cause) => Some(cause),
        }
    }

    /// As an object.
    #[must_use]
    pub fn json(&self, disk: &str) -> Value {
        let mut object = Map::new();
        let mut add = |name: &str, value: Value| object.insert(name.into(), value);
        add("workload", self.spec.workload.name.into());
        add("policy", self.spec.policy.into());
        add("mem", self.spec.mem.into());
        add("disk", disk.into());
        add("seed", self.spec.seed.into());
        add("ok", self.measures().is_some().into());
        add("cause", self.failure().into());
        let Some(m) = self.measures() else { return Value::Object(object) };
        add("miss_ratio", m.miss_ratio().into());
        add("instructions_per_eviction", m.instructions_per_eviction().into());
        // Plain data, which cannot fail to be an object.
        if let Ok(Value::Object(members)) = serde_json::to_value(m) {
            object.extend(members);
        }
        let latency = PERCENTILES.iter().zip(m.fault_us).map(|(n, v)| ((*n).into(), v.into())).collect();
        object.insert("fault_us".into(), Value::Object(latency));
        Value::Object(object)
    }
}
