// SPDX-License-Identifier: BSD-2-Clause
//! `sysctl`: tunables of `vm`, and its counters under `vm.stats.vm.` as FreeBSD has them.

use super::machine::run_audit;
use super::show_json;
use crate::shell::Shell;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use ebb_args::{Args, Failure, Spec};
use ebb_report::Value;
use ebb_rt::abi::meter::{ALL, NAMES};
use ebb_rt::client::call;
use ebb_rt::println;
use ebb_rt::proto::Error;
use ebb_rt::proto::vm::{SetTunable, Tunables};
use ebb_rt::shared::meter;

const PREFIX: &str = "vm.stats.vm.";
const AUDIT: &str = "vm.audit";

const SPEC: Spec = Spec { values: &[], flags: &["--json"], operands: 32 };

/// All names and values.
fn all(shell: &Shell) -> Result<Vec<(String, i64)>, Failure> {
    let tunables = call(shell.vm, &Tunables {}).map_err(|e| Failure::of("vm", e))?;
    let counters = NAMES.iter().zip(ALL).map(|(name, counter)| {
        // A counter that does not fit is beyond what anybody will live to see.
        (format!("{PREFIX}{name}"), i64::try_from(meter(*counter)).unwrap_or(i64::MAX))
    });
    Ok(tunables.into_iter().map(|t| (t.name, t.value)).chain(counters).collect())
}

pub fn sysctl(shell: &mut Shell, args: &[String]) -> Result<(), Failure> {
    let args = Args::parse(args, &SPEC)?;
    let json = args.flag("--json");
    let mut shown = Vec::new();
    if args.operands().is_empty() {
        shown = all(shell)?;
    }
    for word in args.operands() {
        match word.split_once('=') {
            Some((name, value)) => set(shell, name, value, json)?,
            None => shown.push(get(shell, word)?),
        }
    }
    if json {
        if !shown.is_empty() {
            show_json(&Value::Object(shown.into_iter().map(|(n, v)| (n, Value::Int(v))).collect()));
        }
        return Ok(());
    }
    for (name, value) in shown {
        println!("{name}: {value}");
    }
    Ok(())
}

/// A value, by its full name or a counter's own.
fn get(shell: &Shell, name: &str) -> Result<(String, i64), Failure> {
    let counter = format!("{PREFIX}{name}");
    all(shell)?
        .into_iter()
        .find(|(n, _)| n == name || *n == counter)
        .ok_or_else(|| Failure::Usage(format!("{name}: no such name (sysctl alone lists all)")))
}

fn set(shell: &mut Shell, name: &str, value: &str, json: bool) -> Result<(), Failure> {
    let number: i64 =
        value.parse().map_err(|_| Failure::Usage(format!("{name}: {value:?} is not a number")))?;
    if name == AUDIT && number == 1 {
        return run_audit(shell, json);
    }
    let (name, old) = get(shell, name)?;
    call(shell.vm, &SetTunable { name: name.clone(), value: number }).map_err(|error| match error {
        // Counters are not known to it as tunables.
        Error::NotPermitted | Error::NotFound => Failure::Trouble(format!("{name}: it is read-only")),
        Error::Invalid => Failure::Trouble(format!("{name}: {number} is out of its range")),
        error => Failure::of(&name, error),
    })?;
    if !json {
        println!("{name}: {old} -> {number}");
    }
    Ok(())
}
