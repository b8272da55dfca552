// SPDX-License-Identifier: BSD-2-Clause
//! How many instructions a policy takes for each page that goes: its engine's and its order's, not those of the machine around it.
//!
//! Instructions are counted by valgrind's `callgrind`, since a processor's own counter is not to be had on every machine and repeats on none. It
//! counts while a function of a given name runs: `switch::worked` turns it on, each call of the machine (`switch::away`) off and on again. A
//! process of its own ([`replay`], in the program `ebb-sim-cost`) does a policy with a trace and a size; [`count`] starts it.
//!
//! What is counted is what runs on the machine, whatever mode the rest of a simulation has: the policy in the small machine of [`crate::sampled`]. The
//! beginning of the trace will do: pages of the first [`WARM`] evictions, of which the first takes note of all of memory, are left out, the next
//! [`COUNTED`] are counted.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use ebb_policy::{Decision, Discount, Event, Machine, Meter, Policy, Request, Tunables, Verdict, WriteLimit};

use rayon::prelude::*;

use crate::exact::Outcome;
use crate::run::{Point, Run, Setting, policy};
use crate::sampled::{self, Driver, Small};
use crate::trace::Trace;
use switch::{away, worked};

/// Evictions before it is counted.
pub const WARM: u64 = 1024;
/// Evictions that are counted.
pub const COUNTED: u64 = 4096;
/// With fewer nothing is said.
const LEAST: u64 = 256;
/// References of the trace that are replayed at most: a minute a policy. Where few pages go it takes millions to count enough.
const MOST_REFS: usize = 1 << 25;
/// What counts.
const VALGRIND: &str = "valgrind";

/// Why nothing was counted.
#[derive(Debug, thiserror::Error)]
pub enum CostError {
    /// It is not installed, or cannot be run.
    #[error("{VALGRIND} does not start: {0}")]
    Start(std::io::Error),
    /// It cannot be talked to, or its file not be read.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// It ended badly, and said this.
    #[error("{VALGRIND} failed: {0}")]
    Failed(String),
    /// Its file or what the program said is not as expected.
    #[error("{VALGRIND} counted nothing")]
    Nothing,
    /// The program was called otherwise than by [`count`].
    #[error("{0}: not an argument of this program")]
    Argument(String),
}

/// Counts for one policy; `None` where too few pages go, or for what is no shipped policy. `program` is `ebb-sim-cost`,
/// optimised; `file` is written.
///
/// # Errors
/// There is no valgrind, or it did not do what it should.
pub fn count(
    program: &Path,
    file: &Path,
    run: &Run<'_>,
    policy: &str,
    settings: &[Setting],
    discount: Option<Discount>,
) -> Result<Option<f64>, CostError> {
    if !ebb_policy::NAMES.contains(&policy) {
        return Ok(None);
    }
    let mut command = Command::new(VALGRIND);
    command.args(["--tool=callgrind", "--collect-atstart=no", "--toggle-collect=*ebb_sim*cost*switch*"]);
    command.arg(format!("--callgrind-out-file={}", file.display()));
    command.arg(program).arg(policy).arg(run.pages.to_string()).arg(discount.map_or("-", name_of));
    command.args(settings.iter().filter(|s| s.policy == policy).map(ToString::to_string));
    // How the stack lies must not depend on who asks.
    let path = std::env::var_os("PATH").unwrap_or_default();
    command.env_clear().env("PATH", path);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(CostError::Start)?;
    let sent = child.stdin.take().map_or(Ok(()), |mut pipe| pipe.write_all(&encode(run.trace)));
    let output = child.wait_with_output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(CostError::Failed(said.lines().last().unwrap_or_default().to_owned()));
    }
    let evictions: u64 =
        String::from_utf8_lossy(&output.stdout).trim().parse().map_err(|_| CostError::Nothing)?;
    sent?;
    let instructions = total(&std::fs::read_to_string(file)?).ok_or(CostError::Nothing)?;
    if evictions < LEAST {
        return Ok(None);
    }
    // It has found none of the functions.
    if instructions == 0 {
        return Err(CostError::Nothing);
    }
    Ok(Some(instructions as f64 / evictions as f64))
}

/// Counts for all points, which came of these runs, into files of `folder`. `tell` is told when one is done.
///
/// # Errors
/// As [`count`].
pub fn fill(
    points: &mut [Point],
    program: &Path,
    folder: &Path,
    runs: &[Run<'_>],
    settings: &[Setting],
    discount: Option<Discount>,
    tell: &(dyn Fn() + Sync),
) -> Result<(), CostError> {
    let per_run = points.len().div_ceil(runs.len().max(1));
    points.par_iter_mut().enumerate().try_for_each(|(number, point)| {
        let file = folder.join(format!("callgrind-{number}"));
        if let Some(run) = runs.get(number / per_run.max(1)) {
            let cost = count(program, &file, run, &point.policy, settings, discount)?;
            point.instructions_per_eviction = cost;
        }
        tell();
        Ok(())
    })
}

/// The sum in a file of callgrind's.
fn total(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("totals: ")?.trim().parse().ok())
}

fn name_of(discount: Discount) -> &'static str {
    match discount {
        Discount::None => "none",
        Discount::FirstLook => "first-look",
        Discount::Clear => "clear",
    }
}

/// The beginning of a trace: number of references, pages, and a bit each for those that write.
fn encode(trace: &Trace) -> Vec<u8> {
    let refs = trace.pages.len().min(MOST_REFS);
    let mut bytes = (refs as u32).to_le_bytes().to_vec();
    bytes.extend(trace.pages.iter().take(refs).flat_map(|page| page.to_le_bytes()));
    bytes.extend(trace.dirty().iter().take(refs.div_ceil(8)));
    bytes
}

/// `None`: it breaks off.
fn decode(bytes: &[u8]) -> Option<Trace> {
    let (refs, rest) = bytes.split_first_chunk::<4>()?;
    let (pages, dirty) = rest.split_at_checked(u32::from_le_bytes(*refs) as usize * 4)?;
    let pages = pages.chunks_exact(4).filter_map(|c| c.try_into().ok()).map(u32::from_le_bytes);
    Some(Trace::dense(pages.collect(), dirty.to_vec()))
}

/// What the program `ebb-sim-cost` does: replays the trace from `input` through a policy, and says how many pages went while it was
/// counted.
///
/// # Errors
/// Arguments or input that are not those of [`count`], or a policy that lets no page go.
pub fn replay(
    arguments: &[String],
    input: &mut dyn Read,
    output: &mut dyn Write,
) -> Result<(), Box<dyn std::error::Error>> {
    let bad = |text: &str| CostError::Argument(text.into());
    let [name, pages, discount, settings @ ..] = arguments else { return Err(bad("").into()) };
    let pages: u32 = pages.parse().map_err(|_| bad(pages))?;
    let discount = match discount.as_str() {
        "-" => None,
        "none" => Some(Discount::None),
        "first-look" => Some(Discount::FirstLook),
        "clear" => Some(Discount::Clear),
        other => return Err(bad(other).into()),
    };
    let settings: Vec<Setting> = settings.iter().map(|s| s.parse()).collect::<Result<_, _>>()?;
    let mut policy = policy(name, pages, &settings, discount).ok_or_else(|| bad(name))?;
    let mut bytes = Vec::new();
    input.read_to_end(&mut bytes)?;
    let trace = decode(&bytes).ok_or_else(|| bad("the trace"))?;
    let mut counting = Counting::default();
    sampled::drive(&trace, policy.as_mut(), pages, &mut counting, &mut |_| {})?;
    writeln!(output, "{}", counting.evictions)?;
    Ok(())
}

/// Runs the policy, counted once it is warm.
#[derive(Default)]
struct Counting {
    evictions: u64,
}

impl Driver for Counting {
    fn run(&mut self, policy: &mut dyn Policy, small: &mut Small) {
        let before = small.outcome().evictions;
        if before < WARM {
            policy.run(small);
        } else {
            worked(policy, &mut Outside(small));
            self.evictions += small.outcome().evictions - before;
        }
    }

    fn goes_on(&self, _outcome: &Outcome) -> bool {
        self.evictions < COUNTED
    }
}

/// Functions at whose beginning and end callgrind begins to count, or ceases. They are known to it by the module's name, since it heeds one pattern only.
mod switch {
    use super::{Outside, Policy};

    /// What is counted.
    #[inline(never)]
    pub(super) fn worked(policy: &mut dyn Policy, m: &mut Outside<'_>) {
        // What it returns is how long it would sleep.
        std::hint::black_box(policy.run(m));
    }

    /// What is not. Nothing of it may be left to a jump at its end, which would not be taken for a part of it.
    #[inline(never)]
    pub(super) fn away<R>(work: impl FnOnce() -> R) -> R {
        std::hint::black_box(work())
    }
}

/// The machine, none of whose work is counted.
struct Outside<'a>(&'a mut Small);

impl Machine for Outside<'_> {
    fn meter(&self) -> Meter {
        away(|| self.0.meter())
    }

    fn take_deficit(&mut self) -> u32 {
        away(|| self.0.take_deficit())
    }

    fn harvest(&mut self, frames: &[u32], refs: &mut [u8]) {
        away(|| self.0.harvest(frames, refs));
    }

    fn decide(&mut self, batch: &[Decision], verdicts: &mut [Verdict]) {
        away(|| self.0.decide(batch, verdicts));
    }

    fn limit_launders(&mut self, limit: WriteLimit) -> bool {
        away(|| self.0.limit_launders(limit))
    }

    fn request(&mut self, request: Request) {
        away(|| self.0.request(request));
    }

    fn now_us(&self) -> u64 {
        away(|| self.0.now_us())
    }

    fn tunables(&self) -> &Tunables {
        away(|| self.0.tunables())
    }

    fn next_event(&mut self) -> Option<Event> {
        away(|| self.0.next_event())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_is_found() {
        assert_eq!(total("version: 1\nevents: Ir\nsummary: 3\ntotals: 4711\n"), Some(4711));
        assert_eq!(total("totals: x\n"), None);
    }

    #[test]
    fn a_trace_goes_over_and_half_of_one_does_not() {
        let trace = Trace::new("x", (0..100u64).map(|n| (n * n % 17, n % 3 == 0)));
        let bytes = encode(&trace);
        let back = decode(&bytes).unwrap();
        assert_eq!((&back.pages, back.unique), (&trace.pages, trace.unique));
        assert!((0..100).all(|n| back.writes(n) == trace.writes(n)));
        assert!(decode(&bytes[..200]).is_none() && decode(&[]).is_none());
    }

    #[test]
    fn strange_arguments_are_refused() {
        let trace = Trace::new("x", (0..10u64).map(|n| (n, false)));
        let said = |arguments: &[&str], input: &[u8]| {
            let arguments: Vec<String> = arguments.iter().map(|a| (*a).to_owned()).collect();
            replay(&arguments, &mut &*input, &mut Vec::new()).map_err(|e| e.to_string())
        };
        let bytes = encode(&trace);
        assert_eq!(said(&["fifo", "4", "-"], &bytes), Ok(()));
        for wrong in [
            &["fifo", "4"][..],
            &["fifo", "x", "-"],
            &["fifo", "4", "often"],
            &["nobody", "4", "-"],
            &["fifo", "4", "-", "fifo.x=1"],
        ] {
            assert!(said(wrong, &bytes).is_err(), "{wrong:?}");
        }
        assert!(said(&["fifo", "4", "-"], &bytes[..7]).is_err());
    }
}
