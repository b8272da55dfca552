// SPDX-License-Identifier: BSD-2-Clause
//! `policy`: what the pageout policy counts, and its options.

use super::{show, show_json};
use crate::shell::Shell;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use ebb_args::{Args, Failure, Spec};
use ebb_report::{Column, Listing, Value};
use ebb_rt::client::call;
use ebb_rt::println;
use ebb_rt::proto::Error;
use ebb_rt::proto::policy::{Knob, Knobs, SetKnob, Stats};

const SPEC: Spec = Spec { values: &[], flags: &["--json", "--knobs"], operands: 32 };

const KNOBS: &[Column] = &[
    Column { key: "name", heading: "NAME" },
    Column { key: "value", heading: "VALUE" },
    Column { key: "min", heading: "MIN" },
    Column { key: "max", heading: "MAX" },
    Column { key: "text", heading: "WHAT" },
];

pub fn policy(shell: &mut Shell, args: &[String]) -> Result<(), Failure> {
    let args = Args::parse(args, &SPEC)?;
    let json = args.flag("--json");
    // One that does not run would answer when it is started again, with nothing to tell.
    if !shell.runs("pageout")? {
        return Err(Failure::Trouble("pageout does not run".into()));
    }
    for word in args.operands() {
        let (name, value) = word
            .split_once('=')
            .ok_or_else(|| Failure::Usage(format!("{word}: policy [--json] [--knobs] [NAME=VALUE]...")))?;
        set(shell, name, value, json)?;
    }
    if args.flag("--knobs") {
        let mut list = Listing::new(KNOBS);
        for k in knobs(shell)? {
            list.row([k.name.into(), k.value.into(), k.range.0.into(), k.range.1.into(), k.text.into()]);
        }
        show(&list, json);
    } else if args.operands().is_empty() {
        counters(shell, json)?;
    }
    Ok(())
}

fn counters(shell: &Shell, json: bool) -> Result<(), Failure> {
    let stats = call(shell.pageout, &Stats {}).map_err(|e| Failure::of("pageout", e))?;
    if json {
        show_json(&Value::Object(stats.into_iter().map(|(name, value)| (name, value.into())).collect()));
        return Ok(());
    }
    let width = stats.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    stats.iter().for_each(|(name, value)| println!("{name:<width$}  {value:>14}"));
    Ok(())
}

fn knobs(shell: &Shell) -> Result<Vec<Knob>, Failure> {
    call(shell.pageout, &Knobs {}).map_err(|e| Failure::of("pageout", e))
}

fn set(shell: &Shell, name: &str, value: &str, json: bool) -> Result<(), Failure> {
    let number: u32 =
        value.parse().map_err(|_| Failure::Usage(format!("{name}: {value:?} is not a number")))?;
    let all = knobs(shell)?;
    let Some(old) = all.iter().find(|k| k.name == name) else {
        let there: Vec<&str> = all.iter().map(|k| k.name.as_str()).collect();
        let there = if there.is_empty() { String::from("none") } else { there.join(" ") };
        return Err(Failure::Usage(format!("{name}: this policy has no such option (it has: {there})")));
    };
    call(shell.pageout, &SetKnob { name: name.into(), value: number }).map_err(|error| match error {
        Error::Invalid => {
            Failure::Usage(format!("{name}: {number} is not within {} and {}", old.range.0, old.range.1))
        }
        error => Failure::of("pageout", error),
    })?;
    if !json {
        println!("{name}: {} -> {number}", old.value);
    }
    Ok(())
}
