// SPDX-License-Identifier: BSD-2-Clause
//! Points in parallel: each a trace, a number of pages and a policy.

use std::collections::HashMap;
use std::time::Duration;

use ebb_policy::{Discount, Order, Policy, TunableError, order_by_name};
use rayon::prelude::*;

use crate::exact::{self, Distances, Exact, Outcome};
use crate::models;
use crate::sampled::{self, Stuck};
use crate::trace::Trace;

/// What a policy is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Every reference; a page that comes in has none yet.
    Once,
    /// Every reference; a page that comes in is at once referenced again, since the faulting instruction restarts.
    FaultRestart,
    /// The bits that hardware has, when the policy looks.
    Sampled,
}

impl Mode {
    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Once => "once",
            Self::FaultRestart => "fault-restart",
            Self::Sampled => "sampled",
        }
    }
}

/// The names of all policies for a mode, without the bound, `min`, which every run has anyway.
#[must_use]
pub fn policies(mode: Mode) -> Vec<&'static str> {
    let shipped = ebb_policy::NAMES.iter().copied();
    match mode {
        Mode::Sampled => shipped.collect(),
        // The seed's policy is a worker with queues of its own: it has no reference to see that the machine does not show.
        Mode::Once | Mode::FaultRestart => {
            let only =
                models::NAMES.iter().copied().filter(|n| !ebb_policy::NAMES.contains(n) && *n != "min");
            shipped.filter(|n| *n != "freebsd").chain(only).collect()
        }
    }
}

/// What to run.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// The trace.
    pub trace: &'a Trace,
    /// Pages of memory.
    pub pages: u32,
    /// Share of the trace's pages that this is, in hundredths, where it was asked for so.
    pub percent: Option<f64>,
}

/// What came of a policy.
#[derive(Clone, Debug)]
pub struct Point {
    /// The trace's name.
    pub trace: String,
    /// What the policy was shown. The bound has seen everything, whatever the mode.
    pub mode: Mode,
    /// Pages of memory.
    pub pages: u32,
    /// As in [`Run`].
    pub percent: Option<f64>,
    /// The policy's name.
    pub policy: String,
    /// References.
    pub refs: u64,
    /// Those to pages that were not there, first ones included.
    pub misses: u64,
    /// Pages that went.
    pub evictions: u64,
    /// Dirty pages that went; in sampled mode pages written, of which some stayed.
    pub writebacks: u64,
    /// Misses over those of MIN.
    pub regret: f64,
    /// How soon pages came back.
    pub distances: Distances,
    /// The host's time in the policy.
    pub policy_time: Duration,
    /// Instructions of the policy an eviction, where they were counted ([`crate::cost`]).
    pub instructions_per_eviction: Option<f64>,
}

impl Point {
    /// Misses a reference.
    #[must_use]
    pub fn miss_ratio(&self) -> f64 {
        self.misses as f64 / self.refs as f64
    }

    /// The host's nanoseconds in the policy an eviction; 0 without one.
    #[must_use]
    pub fn ns_per_eviction(&self) -> f64 {
        if self.evictions == 0 { 0.0 } else { self.policy_time.as_nanos() as f64 / self.evictions as f64 }
    }

    /// The bin within which half of the refaults lie, as the least distance beyond it; 0 without refaults.
    #[must_use]
    pub fn median_refault(&self) -> u64 {
        let half = self.distances.iter().sum::<u64>().div_ceil(2);
        let mut sum = 0;
        for (bin, count) in self.distances.iter().enumerate() {
            sum += count;
            if sum >= half && sum > 0 {
                return 2 << bin;
            }
        }
        0
    }
}

/// An option of a policy, set for a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The policy.
    pub policy: String,
    /// The option's name.
    pub knob: String,
    /// Its value.
    pub value: u32,
}

impl std::fmt::Display for Setting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}={}", self.policy, self.knob, self.value)
    }
}

impl std::str::FromStr for Setting {
    type Err = SettingError;

    /// `POLICY.NAME=VALUE`.
    fn from_str(text: &str) -> Result<Self, SettingError> {
        let bad = || SettingError::Form(text.into());
        let (left, value) = text.split_once('=').ok_or_else(bad)?;
        let (policy, knob) = left.split_once('.').ok_or_else(bad)?;
        let value = value.parse().map_err(|_| bad())?;
        let setting = Self { policy: policy.into(), knob: knob.into(), value };
        let mut fresh =
            ebb_policy::by_name(policy, 1).ok_or_else(|| SettingError::Policy(text.into(), policy.into()))?;
        let names = || fresh.knobs().iter().map(|k| k.name).collect::<Vec<_>>().join(", ");
        let names = if fresh.knobs().is_empty() { "none".to_owned() } else { names() };
        match fresh.set_knob(knob, value) {
            Ok(()) => Ok(setting),
            Err(TunableError::OutOfRange { min, max }) => Err(SettingError::Range(text.into(), min, max)),
            Err(_) => Err(SettingError::Knob(text.into(), policy.into(), names)),
        }
    }
}

/// Why an option cannot be set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    /// Not of the form.
    #[error("{0}: not of the form POLICY.NAME=VALUE, with a whole number of at most 32 bits")]
    Form(String),
    /// No such policy.
    #[error("{0}: there is no policy {1}")]
    Policy(String, String),
    /// No such option.
    #[error("{0}: {1} has no such option; it has: {2}")]
    Knob(String, String, String),
    /// Too small or too great.
    #[error("{0}: the value must be from {1} to {2}")]
    Range(String, i64, i64),
}

/// Why there are no results.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// No policy of this name in this mode.
    #[error("{0}: no such policy in mode {1}; there are: {2}")]
    Unknown(String, &'static str, String),
    /// An option of a policy whose model after the paper is replayed in this mode.
    #[error(
        "{0}.{1}: in mode {2} this policy is the model of its paper, without options; they count in mode sampled"
    )]
    Fixed(String, String, &'static str),
    /// A policy let no page go.
    #[error("{0} on {1} with {2} pages: {3}")]
    Stuck(String, String, u32, Stuck),
}

/// Whether there is a policy of this name for a mode.
///
/// # Errors
/// There is none.
pub fn check(name: &str, mode: Mode) -> Result<(), RunError> {
    let all = policies(mode);
    if name == "min" || all.contains(&name) {
        Ok(())
    } else {
        Err(RunError::Unknown(name.into(), mode.name(), all.join(", ")))
    }
}

/// Runs every policy on every run, and the bound. `discount`: what is done about the reference of the faulting instruction, in sampled mode; `None`: what each policy wants. Points come in the order of runs, and policies within. `tell` is told of progress, in references, from many
/// threads.
///
/// # Errors
/// An unknown name, or a policy that lets no page go.
pub fn simulate(
    runs: &[Run<'_>],
    policies: &[String],
    mode: Mode,
    discount: Option<Discount>,
    tell: &(dyn Fn(u64) + Sync),
) -> Result<Vec<Point>, RunError> {
    simulate_with(runs, policies, &[], mode, discount, tell)
}

/// The same, with options of policies set; those of other policies change nothing.
///
/// # Errors
/// As [`simulate`], and an option of a policy that has none in this mode.
pub fn simulate_with(
    runs: &[Run<'_>],
    policies: &[String],
    settings: &[Setting],
    mode: Mode,
    discount: Option<Discount>,
    tell: &(dyn Fn(u64) + Sync),
) -> Result<Vec<Point>, RunError> {
    policies.iter().try_for_each(|name| check(name, mode))?;
    if let Some(s) = settings.iter().find(|s| {
        mode != Mode::Sampled && policies.contains(&s.policy) && models::NAMES.contains(&s.policy.as_str())
    }) {
        return Err(RunError::Fixed(s.policy.clone(), s.knob.clone(), mode.name()));
    }
    let mut names: Vec<&str> = policies.iter().map(String::as_str).collect();
    if !names.contains(&"min") {
        names.push("min");
    }
    let jobs: Vec<(usize, &str)> =
        (0..runs.len()).flat_map(|run| names.iter().map(move |n| (run, *n))).collect();
    let outcomes: Vec<Outcome> = jobs
        .par_iter()
        .map(|(run, name)| one(&runs[*run], name, settings, mode, discount, tell))
        .collect::<Result<_, _>>()?;
    let bound: HashMap<usize, u64> = jobs
        .iter()
        .zip(&outcomes)
        .filter(|((_, n), _)| *n == "min")
        .map(|((r, _), o)| (*r, o.misses))
        .collect();
    Ok(jobs
        .iter()
        .zip(outcomes)
        .map(|((run, name), o)| {
            let Run { trace, pages, percent } = runs[*run];
            Point {
                trace: trace.name.clone(),
                mode,
                pages,
                percent,
                policy: (*name).to_owned(),
                refs: trace.pages.len() as u64,
                misses: o.misses,
                evictions: o.evictions,
                writebacks: o.writebacks,
                regret: o.misses as f64 / bound.get(run).copied().unwrap_or(o.misses).max(1) as f64,
                distances: o.distances,
                policy_time: o.policy_time,
                instructions_per_eviction: None,
            }
        })
        .collect())
}

fn one(
    run: &Run<'_>,
    name: &str,
    settings: &[Setting],
    mode: Mode,
    discount: Option<Discount>,
    tell: &(dyn Fn(u64) + Sync),
) -> Result<Outcome, RunError> {
    let Run { trace, pages, .. } = *run;
    let mut tell = |refs| tell(refs);
    let unknown = || RunError::Unknown(name.into(), mode.name(), policies(mode).join(", "));
    if mode == Mode::Sampled && name != "min" {
        let mut policy = policy(name, pages, settings, discount).ok_or_else(unknown)?;
        return sampled::replay(trace, policy.as_mut(), pages, &mut tell)
            .map_err(|stuck| RunError::Stuck(name.into(), trace.name.clone(), pages, stuck));
    }
    let restart = mode == Mode::FaultRestart;
    if let Some(mut model) = models::by_name(name, pages, trace) {
        return Ok(exact::replay(trace, model.as_mut(), restart, &mut tell));
    }
    let mut order = order(name, pages, settings).ok_or_else(unknown)?;
    let mut cache = Exact::new(order.as_mut(), pages, trace.unique);
    Ok(exact::replay(trace, &mut cache, restart, &mut tell))
}

/// A policy as the machine has it, with its options set.
pub(crate) fn policy(
    name: &str,
    pages: u32,
    settings: &[Setting],
    discount: Option<Discount>,
) -> Option<Box<dyn Policy>> {
    let mut policy = ebb_policy::by_name_with(name, pages, discount)?;
    for setting in settings.iter().filter(|s| s.policy == name) {
        // Checked when it was read.
        let _ = policy.set_knob(&setting.knob, setting.value);
    }
    Some(policy)
}

/// An order with its options set.
fn order(name: &str, pages: u32, settings: &[Setting]) -> Option<Box<dyn Order>> {
    let mut order = order_by_name(name, pages)?;
    for setting in settings.iter().filter(|s| s.policy == name) {
        // Checked when it was read.
        let _ = order.set_knob(&setting.knob, setting.value);
    }
    Some(order)
}
