// SPDX-License-Identifier: BSD-2-Clause
//! `help`, `echo`, `uptime`, `audit`, `shutdown`.

use super::{BUILTINS, flags, show_json};
use crate::shell::Shell;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use ebb_args::{Args, Failure, Spec};
use ebb_report::Value;
use ebb_rt::client::call;
use ebb_rt::println;
use ebb_rt::proto::init::Images;
use ebb_rt::proto::policy::Check;
use ebb_rt::proto::vm::Audit;
use ebb_rt::sys::time::tsc;

impl Shell {
    /// Microseconds since the kernel's first instruction.
    pub fn uptime_us(&self) -> u64 {
        ebb_rt::clock::us_of(tsc().saturating_sub(ebb_rt::sys::kernel_stats().boot_tsc))
    }
}

pub fn help(shell: &mut Shell, args: &[String]) -> Result<(), Failure> {
    flags(args, &[])?;
    let width = BUILTINS.iter().map(|b| b.name.len() + 1 + b.usage.len()).max().unwrap_or(0).min(32);
    for builtin in BUILTINS {
        println!("{:<width$}  {}", format!("{} {}", builtin.name, builtin.usage), builtin.what);
    }
    println!("{:<width$}  {}", "repeat N COMMAND | { ... }", "run it N times");
    println!("{:<width$}  {}", "time COMMAND | { ... }", "how long it takes");
    let images = call(shell.init, &Images {}).map_err(|e| Failure::of("init", e))?;
    let programs: Vec<&str> = images.iter().map(String::as_str).filter(|n| !n.contains('/')).collect();
    println!("Programs (--help says more): {}", programs.join(" "));
    println!("COMMAND; COMMAND   COMMAND & (in the background)   --json on everything that lists");
    Ok(())
}

pub fn uptime(shell: &mut Shell, args: &[String]) -> Result<(), Failure> {
    let args = flags(args, &["--json"])?;
    let us = shell.uptime_us();
    if args.flag("--json") {
        show_json(&Value::object([("up_us", us.into())]));
    } else {
        let s = us / 1_000_000;
        println!("up {:02}:{:02}:{:02}.{:03}", s / 3600, s / 60 % 60, s % 60, us / 1000 % 1000);
    }
    Ok(())
}

pub fn shutdown(shell: &mut Shell, args: &[String]) -> Result<(), Failure> {
    let args = Args::parse(args, &Spec { values: &[], flags: &[], operands: 1 })?;
    let status = args.operands().first().map_or(Ok(0), |s| ebb_args::number(s))?;
    let status = u8::try_from(status)
        .ok()
        .filter(|s| *s <= crate::MAX_SHUTDOWN)
        .ok_or_else(|| Failure::Usage(format!("a status is 0 to {}", crate::MAX_SHUTDOWN)))?;
    // It comes back only if it failed, and has said so.
    crate::shutdown(shell, status);
    Err(Failure::Status(1))
}

pub fn audit(shell: &mut Shell, args: &[String]) -> Result<(), Failure> {
    let args = flags(args, &["--json"])?;
    run_audit(shell, args.flag("--json"))
}

/// Has everything checked, and prints what was. Status 1 if anything is wrong.
pub fn run_audit(shell: &mut Shell, json: bool) -> Result<(), Failure> {
    let mut report = call(shell.vm, &Audit {}).map_err(|e| Failure::of("vm", e))?;
    // A policy that does not run has no order to check, and would not answer.
    if shell.runs("pageout")? {
        let text = call(shell.pageout, &Check {}).map_err(|e| Failure::of("pageout", e))?;
        report.checked.push(("policy order".into(), 1));
        if !text.is_empty() {
            report.problems.push(format!("pageout: {text}"));
        }
    }
    let clean = report.problems.is_empty();
    if json {
        let checked = report.checked.into_iter().map(|(n, c)| (n, c.into())).collect();
        let problems = report.problems.into_iter().map(Value::from).collect();
        show_json(&Value::object([
            ("clean", clean.into()),
            ("checked", Value::Object(checked)),
            ("problems", Value::List(problems)),
        ]));
    } else {
        println!("audit: {}", if clean { "clean" } else { "PROBLEMS" });
        let width = report.checked.iter().map(|(n, _)| n.chars().count()).max().unwrap_or(0);
        for (name, count) in &report.checked {
            println!("  {name:<width$}  {count:>10}");
        }
        for problem in &report.problems {
            println!("  problem: {problem}");
        }
    }
    if clean { Ok(()) } else { Err(Failure::Status(1)) }
}
