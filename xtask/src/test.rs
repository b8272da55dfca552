// SPDX-License-Identifier: BSD-2-Clause
//! `cargo xtask test`: the host tests, then the machine suite of [`crate::cases`]; the last line is the sum of both.

use std::fs;
use std::io::{BufRead, BufReader};
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context, Result};
use clap::Args;
use serde_json::Value;

use crate::cases::{CASES, Case, Check, Input, Medium};
use crate::compile::{self, Built};
use crate::dashboard::{Record, Splitter};
use crate::progress::Progress;
use crate::qemu::{Boot, Heard, Outcome};
use crate::run::{self, Folder, Prepared};
use crate::setup::{self, Need};
use crate::status::{End, INTERRUPTED};
use crate::{files, iso, size, terminal};

/// Options of `test`.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Only tests and cases whose name has this in it
    filter: Option<String>,
    /// Only the host tests
    #[arg(long, conflicts_with = "machine")]
    host: bool,
    /// Only the machine suite
    #[arg(long)]
    machine: bool,
    /// Machines at a time; otherwise two, if there are processors for them
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
}

/// Tests that went well and that did not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    passed: u64,
    failed: u64,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }

    fn count(&mut self, good: bool) {
        self.add(Self { passed: u64::from(good), failed: u64::from(!good) });
    }
}

/// Runs the tests; 1 if one failed or none ran.
///
/// # Errors
/// The host lacks something. Failing builds and boots count as failed tests instead.
pub fn main(options: &Options) -> Result<u8> {
    terminal::catch_signals();
    let filter = options.filter.as_deref().unwrap_or_default();
    let mut all = Tally::default();
    if !options.machine {
        // The loader's pure part is no default member, because its program is not for the host.
        for packages in [&[][..], &["-p", "ebb-loader", "--lib"]] {
            all.add(host(packages, filter)?);
            if terminal::interrupted() {
                println!("interrupted");
                return Ok(INTERRUPTED);
            }
        }
    }
    if !options.host {
        all.add(machine(options, filter)?);
    }
    println!("{} passed, {} failed", all.passed, all.failed);
    Ok(u8::from(all.failed > 0 || all.passed == 0))
}

/// `cargo test` for these packages. Its output is shown; a run that fails without a failing test, because it did not
/// build or was killed, counts as one.
fn host(packages: &[&str], filter: &str) -> Result<Tally> {
    let mut child = crate::cargo()
        .args(["test", "--no-fail-fast"])
        .args(packages)
        .args((!filter.is_empty()).then_some(filter))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cargo does not start")?;
    let stdout = child.stdout.take().context("cargo has no output")?;
    let mut tally = Tally::default();
    for line in BufReader::new(stdout).split(b'\n') {
        let line = String::from_utf8_lossy(&line?).into_owned();
        if let Some(counted) = counted(&line) {
            tally.add(counted);
        }
        // What passed is in the sum; the rest is worth reading.
        if !line.ends_with("... ok") && !line.is_empty() && !line.starts_with("running ") {
            println!("{line}");
        }
    }
    if !child.wait()?.success() && tally.failed == 0 {
        println!("cargo test {} FAILED", packages.join(" "));
        tally.count(false);
    }
    Ok(tally)
}

/// Reads `test result: ok. 3 passed; 0 failed; …`.
fn counted(line: &str) -> Option<Tally> {
    let counts = line.strip_prefix("test result: ")?.split_once(". ")?.1;
    let mut number = counts.split("; ").map(|part| part.split_once(' '));
    let (passed, failed) = (number.next()??, number.next()??);
    match (passed.1, failed.1) {
        ("passed", "failed") => {
            Some(Tally { passed: passed.0.parse().ok()?, failed: failed.0.parse().ok()? })
        }
        _ => None,
    }
}

/// The machine suite.
fn machine(options: &Options, filter: &str) -> Result<Tally> {
    let cases: Vec<&Case> = CASES.iter().filter(|c| c.name.contains(filter)).collect();
    let wanted = |t: &&files::Test| t.name.contains(filter);
    let tests: Vec<&files::Test> = files::TESTS.iter().filter(wanted).collect();
    let mut tally = Tally::default();
    if cases.is_empty() && tests.is_empty() {
        return Ok(tally);
    }
    setup::ensure(&Need::BOOT)?;
    if cases.iter().any(|c| c.boot != Medium::Run) {
        setup::ensure(&[Need::Xorriso])?;
    }
    let built = match compile::all() {
        Ok(built) => built,
        Err(error) => {
            println!("machine: {error:#}");
            tally.failed += (cases.len() + tests.len()) as u64;
            return Ok(tally);
        }
    };
    // What takes longest first: at the end nobody waits for it alone.
    let mut jobs: Vec<(&str, Job)> = Vec::new();
    let built = &built;
    for test in tests {
        jobs.push((test.name, Box::new(move || (test.run)(built))));
    }
    for case in cases {
        jobs.push((case.name, Box::new(move || judge(case, built))));
    }
    Ok(at_once(&jobs, options.jobs.map_or_else(default_jobs, usize::from)))
}

/// A machine test.
type Job<'a> = Box<dyn Fn() -> Result<()> + Sync + 'a>;

/// Two, where there are processors for them: an interpreted machine keeps one busy.
fn default_jobs() -> usize {
    std::thread::available_parallelism().map_or(1, |n| n.get().min(2))
}

/// Runs machine tests, so many at a time, and says how each ended. After Ctrl-C nothing more is begun.
fn at_once(jobs: &[(&str, Job)], workers: usize) -> Tally {
    let next = AtomicUsize::new(0);
    let state = Mutex::new((Tally::default(), Progress::new("machine"), Vec::new()));
    let lock = || state.lock().unwrap_or_else(PoisonError::into_inner);
    std::thread::scope(|scope| {
        for _ in 0..workers.min(jobs.len()) {
            scope.spawn(|| {
                while let Some((name, run)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if terminal::interrupted() {
                        lock().0.count(false);
                        continue;
                    }
                    let tell = |(_, progress, running): &mut (Tally, Progress, Vec<&str>)| {
                        progress.tell(&running.join(", "));
                    };
                    {
                        let mut state = lock();
                        state.2.push(*name);
                        tell(&mut state);
                    }
                    let since = Instant::now();
                    let verdict = run();
                    let seconds = since.elapsed().as_secs_f64();
                    let mut state = lock();
                    state.1.clear();
                    match &verdict {
                        Ok(()) => println!("machine {name} ... ok ({seconds:.1} s)"),
                        Err(error) => println!("machine {name} ... FAILED ({seconds:.1} s)\n{error:#}"),
                    }
                    state.0.count(verdict.is_ok());
                    state.2.retain(|n| n != name);
                    if !state.2.is_empty() {
                        tell(&mut state);
                    }
                }
            });
        }
    });
    if terminal::interrupted() {
        println!("machine: interrupted");
    }
    lock().0
}

/// Boots a case and checks it.
fn judge(case: &Case, built: &Built) -> Result<()> {
    let folder = Folder::new(false)?;
    let size_of = |text: &str, read: fn(&str) -> std::result::Result<size::Size, String>| {
        read(text).map_err(anyhow::Error::msg)
    };
    let mut input = Vec::new();
    for (i, made) in case.input.iter().enumerate() {
        let file = folder.path().join(format!("made{i}"));
        fs::write(&file, bytes(*made))?;
        input.push(file);
    }
    let exec = format!("{}; audit", case.exec);
    let options = run::Options {
        mem: size_of(case.mem, size::memory)?,
        swap: case.swap.iter().map(|s| size_of(s, size::disk)).collect::<Result<_>>()?,
        input,
        policy: case.policy.map(str::to_string),
        swap_pager: case.swap_pager.map(str::to_string),
        exec: Some(exec.clone()),
        timeout: Some(case.timeout_s),
        icount: case.icount,
        busy_host: case.busy_host,
        cmdline: (!case.cmdline.is_empty()).then(|| case.cmdline.to_string()),
        // What these cases are about needs no files; those that do are in `files`.
        root: (!case.root).then_some(run::RootSize::None),
        ..run::Options::default()
    };
    let mut built = built.clone();
    built.modules.retain(|(name, _)| !case.without.contains(&name.as_str()));
    let besides = case.with.iter().map(|name| ((*name).to_string(), built.kernel.with_file_name(name)));
    built.modules.extend(besides.collect::<Vec<_>>());
    if let Some(init) = case.init {
        built.modules = vec![("init".to_string(), built.kernel.with_file_name(init))];
    }
    let built = &built;
    let mut prepared = Prepared::new(&options, built)?;
    if case.boot != Medium::Run {
        let output = folder.path().join("ebb.iso");
        let options = iso::Options {
            output: output.clone(),
            limine: None,
            mem: Some(options.mem),
            cmdline: "log=com2 exit=qemu".to_string(),
            exec: Some(exec),
            kernel: None,
            files: None,
            root: None,
        };
        iso::make(&options, built)?;
        prepared.boot_from(&output, if case.boot == Medium::IsoAsCd { Boot::Cd } else { Boot::Sata });
    }
    let Outcome { end, console, log, complaints } = prepared.capture()?;
    let problems = problems(case, end, &console, &log);
    if problems.is_empty() {
        return Ok(());
    }
    anyhow::bail!("{}\n{}{complaints}", problems.join("\n"), evidence(&console, &log))
}

/// What is wrong with how a case ended.
fn problems(case: &Case, end: End, console: &Heard, log: &Heard) -> Vec<String> {
    let out = String::from_utf8_lossy(&console.machine);
    let log = String::from_utf8_lossy(&log.machine);
    let mut problems = Vec::new();
    if end.status() != case.status {
        problems.push(format!("  status {} instead of {}: {end}", end.status(), case.status));
    }
    if !case.may_panic && log.to_ascii_lowercase().contains("panic") {
        problems.push("  the log says 'panic'".to_string());
    }
    problems.extend(
        case.checks.iter().filter(|c| !holds(**c, &out, &log)).map(|c| format!("  does not hold: {c:?}")),
    );
    problems
}

fn holds(check: Check, out: &str, log: &str) -> bool {
    let number = |path| number(out, path);
    match check {
        Check::Says(text) => out.contains(text),
        Check::NeverSays(text) => !out.contains(text),
        Check::Logs(text) => log.contains(text),
        Check::AtLeast(path, bound) => number(path).is_some_and(|v| v >= bound),
        Check::AtMost(path, bound) => number(path).is_some_and(|v| v <= bound),
        Check::Always(path, times, bound) => {
            let all: Vec<f64> = fields(out, path).filter_map(|v| v.as_f64()).collect();
            all.len() >= times && all.iter().all(|v| *v <= bound)
        }
        Check::Back(path) => {
            let all: Vec<f64> = fields(out, path).filter_map(|v| v.as_f64()).collect();
            matches!(all[..], [last, .., first] if last <= first)
        }
        Check::Takes(times, median, worst) => {
            let seconds = |line: &str| line.trim().strip_prefix("time: ")?.split(' ').next()?.parse().ok();
            let mut all: Vec<f64> = out.lines().filter_map(seconds).collect();
            all.sort_by(f64::total_cmp);
            let bounded = |at: usize, bound: f64| all.get(at).is_some_and(|v| *v <= bound);
            all.len() >= times
                && bounded(all.len() / 2, median)
                && bounded(all.len().saturating_sub(1), worst)
        }
        Check::Times(text, times) => out.lines().filter(|l| l.trim() == text).count() == times,
        Check::Records(least, program) => {
            let (mut found, mut bad) = (0, false);
            Splitter::default().take(log.as_bytes(), |text| {
                let record = Record::parse(text);
                let faulted = |r: &Record| r.programs.iter().any(|p| p.name == program && p.faults.0 > 0);
                found += usize::from(record.as_ref().is_some_and(faulted));
                bad |= record.is_none();
                true
            });
            found >= least && !bad
        }
        Check::Is(path, value) => field(out, path).is_some_and(|v| value == format!("{v}")),
    }
}

/// A field of the last JSON object, one a line, that has it.
fn field(out: &str, path: &str) -> Option<Value> {
    fields(out, path).next()
}

/// A number in the last JSON object that has this field.
pub fn number(out: &str, path: &str) -> Option<f64> {
    field(out, path)?.as_f64()
}

/// A field of all JSON objects that have it, the last one first.
fn fields(out: &str, path: &str) -> impl Iterator<Item = Value> {
    out.lines().rev().filter_map(|line| serde_json::from_str::<Value>(line.trim()).ok()).filter_map(
        move |object| {
            // A field's name may have dots of its own, as tunables have.
            let whole = object.get(path);
            whole.or_else(|| path.split('.').try_fold(&object, |value, key| step(value, key))).cloned()
        },
    )
}

/// A member by its name, or an element by its number.
fn step<'a>(value: &'a Value, key: &str) -> Option<&'a Value> {
    value.get(key).or_else(|| value.get(key.parse::<usize>().ok()?))
}

/// The end of what a machine said.
pub fn evidence_of(outcome: &Outcome) -> String {
    evidence(&outcome.console, &outcome.log) + &outcome.complaints
}

/// The end of what the machine said.
fn evidence(console: &Heard, log: &Heard) -> String {
    let last = |name: &str, text: &str| {
        let lines: Vec<&str> = text.lines().collect();
        let from = lines.len().saturating_sub(30);
        // What a test program says is wrong, however long ago.
        let wrong = lines[..from].iter().filter(|l| l.contains("FAILED"));
        wrong.chain(&lines[from..]).map(|l| format!("  {name}| {l}\n")).collect::<String>()
    };
    let mut text = String::new();
    if !console.marked {
        text += &last("firmware", &console.firmware_text());
    }
    text += &last("console", &String::from_utf8_lossy(&console.machine));
    text += &last("log", &String::from_utf8_lossy(&log.machine));
    text
}

fn bytes(input: Input) -> Vec<u8> {
    let Input::References { pages, passes } = input;
    let mut seed = 1u64;
    let mut references = Vec::new();
    // Recordings number pages in the order of their first touch.
    let mut numbers = vec![None; pages as usize];
    let mut seen = 0u32;
    for _ in 0..passes {
        for page in 0..pages {
            // Knuth's multiplier; the product of two draws prefers small numbers.
            let mut draw = || {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (seed >> 33) as u32 % pages
            };
            let skewed = (u64::from(draw()) * u64::from(draw()) / u64::from(pages)) as u32;
            references.extend([page, skewed].map(|page| {
                *numbers[page as usize].get_or_insert_with(|| {
                    seen += 1;
                    seen - 1
                })
            }));
        }
    }
    references.iter().flat_map(|r| r.to_le_bytes()).collect()
}

impl Prepared {
    /// Puts another image in the place of the root disk's.
    pub fn replace_root(&mut self, image: &Path) -> Result<()> {
        let file = self.root_image().context("no root disk")?;
        fs::copy(image, file).with_context(|| format!("{} cannot be copied", image.display()))?;
        Ok(())
    }

    /// From now on a sector of the root disk cannot be read.
    pub fn break_root(&mut self, sector: u64) -> Result<()> {
        let disks = self.config.disks.iter_mut();
        let disk = disks.into_iter().find(|d| d.serial == crate::root::SERIAL).context("no root disk")?;
        disk.broken = Some(sector);
        Ok(())
    }

    /// Boots from another image.
    fn boot_from(&mut self, image: &Path, boot: Boot) {
        self.config.boot = (image.to_path_buf(), boot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_libtest_prints() {
        let line = "test result: FAILED. 12 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s";
        assert_eq!(counted(line), Some(Tally { passed: 12, failed: 3 }));
        for other in ["test a::b ... ok", "test result: odd", "running 3 tests", ""] {
            assert_eq!(counted(other), None);
        }
    }

    #[test]
    fn checks_look_at_the_last_object_that_has_the_field() {
        assert!(holds(Check::AtLeast("1.deaths", 3.0), "[{\"deaths\":0},{\"deaths\":3}]", ""));
        let out = "ebb\n{\"v\":1,\"a\":{\"b\":7}}\n{\"v\":5}\n{\"vm.audit\":1}\nnot json {\n";
        assert!(holds(Check::AtLeast("v", 5.0), out, "log"));
        assert!(!holds(Check::AtLeast("v", 5.1), out, "log"));
        assert!(holds(Check::AtMost("a.b", 7.0), out, "log"));
        assert!(
            holds(Check::Always("v", 2, 5.0), out, "log") && !holds(Check::Always("v", 2, 4.0), out, "log")
        );
        assert!(holds(Check::Back("w"), "{\"w\":5}\n{\"w\":9}\n{\"w\":5}", "log"));
        assert!(!holds(Check::Back("w"), "{\"w\":4}\n{\"w\":5}", "log"));
        assert!(!holds(Check::Back("w"), "{\"w\":4}", "log"), "seen but once");
        assert!(!holds(Check::Always("v", 3, 9.0), out, "log"), "seen too seldom");
        assert!(holds(Check::Times("ebb", 1), out, "log") && !holds(Check::Times("eb", 1), out, "log"));
        let out = "time: 0.100000 s, 1 faults, 0 with i/o\nps\ntime: 3.5 s, 2 faults\ntime: 0.2 s\n";
        assert!(holds(Check::Takes(3, 0.2, 3.5), out, "log"));
        for (times, median, worst) in [(4, 9.0, 9.0), (3, 0.19, 9.0), (3, 9.0, 3.4)] {
            assert!(!holds(Check::Takes(times, median, worst), out, "log"));
        }
        let out = "{\"vm.audit\":1}\nebb\n";
        assert!(!holds(Check::Takes(0, 1.0, 1.0), out, "log"), "nothing was timed");
        assert!(holds(Check::Is("vm.audit", "1"), out, "log"));
        assert!(!holds(Check::AtLeast("missing", 0.0), out, "log"));
        assert!(holds(Check::Logs("lo"), out, "log") && !holds(Check::Logs("ebb"), out, "log"));
        let log = format!("a\n\x1e{}\nb\n", crate::dashboard::record_text());
        assert!(
            holds(Check::Records(1, "thrash"), out, &log) && !holds(Check::Records(2, "thrash"), out, &log)
        );
        assert!(!holds(Check::Records(1, "thrash"), out, &(log + "\x1ebad\n")));
        assert!(holds(Check::Says("ebb"), out, "log") && !holds(Check::NeverSays("ebb"), out, "log"));
    }

    #[test]
    fn a_panic_in_the_log_fails_whatever_the_status() {
        let case = CASES.iter().find(|c| c.name == "boot").unwrap();
        let say = |text: &str| Heard { machine: text.into(), ..Heard::default() };
        assert!(problems(case, End::Clean(0), &say("vmstat"), &say("fine")).is_empty());
        assert_eq!(problems(case, End::Clean(0), &say("vmstat"), &say("kernel Panic: x")).len(), 1);
        assert_eq!(problems(case, End::KernelPanic, &say(""), &say("")).len(), 2);
    }

    #[test]
    fn the_cases_can_be_run() {
        for (i, case) in CASES.iter().enumerate() {
            assert!(
                (!case.exec.is_empty() || case.init.is_some())
                    && CASES[..i].iter().all(|c| c.name != case.name),
                "{}",
                case.name
            );
            assert!(
                size::memory(case.mem).is_ok() && case.swap.iter().all(|s| size::disk(s).is_ok()),
                "{}",
                case.name
            );
        }
        let recording = bytes(Input::References { pages: 10, passes: 2 });
        assert_eq!(recording.len(), 10 * 2 * 2 * 4);
        let mut seen = 0;
        for page in recording.chunks(4).map(|b| u32::from_le_bytes(b.try_into().unwrap())) {
            assert!(page <= seen);
            seen = seen.max(page + 1);
        }
        assert_eq!(seen, 10);
    }
}
