// SPDX-License-Identifier: BSD-2-Clause
//! The machines of a comparison: several at a time, with progress, until all have ended or somebody interrupts.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use ebb_compare::{Outcome, Point, Spec, parse, plan};
use indicatif::{ProgressBar, ProgressStyle};

use crate::compile::Built;
use crate::qemu;
use crate::run::{self, Kind, Prepared};
use crate::size::Size;
use crate::status::End;
use crate::terminal;

/// Swap, in the memory of the machine: more than any workload needs.
const SWAP_PER_MEMORY: u64 = 3;

/// Runs them. Points that were under way or not begun when somebody interrupted are missing.
pub fn run(specs: &[Spec], disk: Kind, built: &Built, jobs: usize, timeout_s: u64) -> Vec<Point> {
    let next = AtomicUsize::new(0);
    let points = Mutex::new(Vec::new());
    let bar = Bar::new(specs.len());
    std::thread::scope(|scope| {
        for place in 0..jobs.min(specs.len()) {
            let (next, points, bar) = (&next, &points, &bar);
            scope.spawn(move || {
                while let Some(spec) = specs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if terminal::interrupted() {
                        return;
                    }
                    let name = format!("{} {} {}", spec.workload.name, spec.policy, plan::size(spec.mem));
                    bar.begin(&name);
                    let since = Instant::now();
                    let ended = one(spec, disk, built, place, timeout_s);
                    let outcome = ended.unwrap_or_else(|error| Some(Outcome::Failed(format!("{error:#}"))));
                    let Some(outcome) = outcome else { return };
                    let point = Point { spec: spec.clone(), outcome };
                    bar.end(&name, since.elapsed(), point.failure());
                    points.lock().unwrap_or_else(PoisonError::into_inner).push(point);
                }
            });
        }
    });
    bar.bar.finish_and_clear();
    points.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Runs one; nothing if it was interrupted.
fn one(spec: &Spec, disk: Kind, built: &Built, place: usize, timeout_s: u64) -> Result<Option<Outcome>> {
    let options = run::Options {
        mem: Size(spec.mem),
        swap: vec![Size(spec.mem * SWAP_PER_MEMORY)],
        disk: Some(disk),
        policy: Some(spec.policy.to_string()),
        exec: Some(spec.script(&super::name_of(disk))),
        timeout: Some(timeout_s),
        icount: true,
        ..run::Options::default()
    };
    let mut prepared = Prepared::new(&options, built)?;
    // Machines at the same time do not share a processor.
    prepared.config.place = Some(place);
    let ended = prepared.capture()?;
    Ok((ended.end != End::Interrupted).then(|| judge(&ended, spec.replacements())))
}

/// What a machine's end means; so many replacements were asked for.
fn judge(ended: &qemu::Outcome, replacements: usize) -> Outcome {
    let console = String::from_utf8_lossy(&ended.console.machine);
    let log = String::from_utf8_lossy(&ended.log.machine);
    let said = |text: &str, what: &str| {
        text.lines().find(|l| l.to_ascii_lowercase().contains(what)).map(|l| l.trim().to_string())
    };
    // What explains most comes first: of what a machine says in its trouble, the first cause.
    let causes = [
        (&console, "wrong byte"),
        (&log, "panic"),
        (&log, "epitaph"),
        (&log, "cannot swap there"),
        (&console, "out of memory"),
    ];
    if let Some(line) = causes.iter().find_map(|(text, what)| said(text, what)) {
        return Outcome::Failed(line);
    }
    if ended.end != End::Clean(0) {
        let last = |text: &'_ str| text.lines().rfind(|l| !l.trim().is_empty()).map(|l| shortened(l.trim()));
        let last = last(&console).or_else(|| last(&log)).unwrap_or_default();
        return Outcome::Failed(format!("{}; the last that it said: {}", ended.end, last));
    }
    match parse::measures(&console) {
        Ok(measures) if measures.replacements.len() != replacements => Outcome::Failed(format!(
            "{} of {replacements} replacements were told of",
            measures.replacements.len()
        )),
        Ok(measures) => Outcome::Measured(Box::new(measures)),
        Err(cause) => Outcome::Failed(cause),
    }
}

fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(120).collect();
    if short.len() < text.len() {
        short.push('\u{2026}');
    }
    short
}

/// Progress on stderr: a bar with the time left, or elsewhere than on a terminal a line a point.
struct Bar {
    bar: ProgressBar,
    running: Mutex<Vec<String>>,
}

impl Bar {
    fn new(points: usize) -> Self {
        let bar = ProgressBar::new(points as u64);
        // The template is fixed; without it the bar looks plain.
        if let Ok(style) =
            ProgressStyle::with_template("compare {bar:24} {pos}/{len} {elapsed} (left: {eta}) {msg}")
        {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_secs(1));
        Self { bar, running: Mutex::new(Vec::new()) }
    }

    fn show(&self, change: impl FnOnce(&mut Vec<String>)) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut running);
        self.bar.set_message(running.join(", "));
    }

    fn begin(&self, name: &str) {
        self.show(|running| running.push(name.to_string()));
    }

    fn end(&self, name: &str, took: Duration, failure: Option<&str>) {
        self.show(|running| running.retain(|r| r != name));
        self.bar.inc(1);
        let line = match failure {
            None => format!("{name}: {:.1} s", took.as_secs_f64()),
            Some(cause) => format!("{name}: FAILED ({:.1} s): {cause}", took.as_secs_f64()),
        };
        if self.bar.is_hidden() {
            eprintln!("compare: {}/{} {line}", self.bar.position(), self.bar.length().unwrap_or(0));
        } else if failure.is_some() {
            self.bar.println(format!("compare: {line}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::qemu::Heard;

    fn ended(end: End, console: &str, log: &str) -> qemu::Outcome {
        let heard = |text: &str| Heard { machine: text.into(), marked: true, ..Heard::default() };
        qemu::Outcome { end, console: heard(console), log: heard(log), complaints: String::new() }
    }

    #[test]
    fn a_failure_is_told_with_its_cause() {
        for (end, console, log, cause) in [
            (End::TimedOut, "ebb\nbusy\n", "", "time was up; QEMU was killed; the last that it said: busy"),
            (End::Clean(1), "thrash: wrong byte at 0x10\nvmstat", "", "wrong byte at 0x10"),
            (End::KernelPanic, "", "kernel: panic: index\n", "panic: index"),
            (
                End::ServerFailure,
                "\n",
                "init: no memory\n\n",
                "with it; the last that it said: init: no memory",
            ),
            (End::Clean(1), "thrash: out of memory", "swap0: cannot swap there: x\n", "cannot swap there: x"),
            (End::Clean(0), "", "vm: Panic\n", "vm: Panic"),
            (End::Clean(0), "nothing", "", "no audit"),
        ] {
            let Outcome::Failed(told) = judge(&ended(end, console, log), 0) else { panic!("{end:?}") };
            assert!(told.contains(cause), "{told}");
        }
        assert_eq!(shortened(&"ä".repeat(130)).chars().count(), 121);
    }
}
