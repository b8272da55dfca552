// SPDX-License-Identifier: BSD-2-Clause
//! What a workload prints at its end.

use crate::Failure;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use ebb_report::Value;
use ebb_rt::{StartInfo, println};
use ebb_workload::{Probe, Stats, Workload, Wrong};

/// Prints a workload's figures: as one line of JSON, or as lines of name and value for a person.
pub fn print(info: &StartInfo, json: bool, head: Vec<(&'static str, Value)>, stats: &Stats, cycles: u64) {
    let hz = info.tsc_hz.max(1);
    let ns_of = |cycles: u64| (cycles as u128 * 1_000_000_000 / hz as u128) as u64;
    let members = head.into_iter().chain(stats.values(cycles, ns_of));
    if json {
        println!("{}", Value::Object(members.map(|(n, v)| (String::from(n), v)).collect()));
        return;
    }
    for (name, value) in members {
        match value {
            // For a plot, not for a person.
            Value::List(_) => {}
            Value::Object(members) => {
                let parts: Vec<String> = members.iter().map(|(n, v)| format!("{n} {v}")).collect();
                println!("{name:<20}{}", parts.join("  "));
            }
            Value::Text(text) => println!("{name:<20}{text}"),
            value => println!("{name:<20}{value}"),
        }
    }
}

/// The line that names a wrong byte.
pub fn wrong<P: Probe>(workload: &Workload<'_, P>, wrong: Wrong) -> Failure {
    Failure::Trouble(format!(
        "wrong byte at {:#x} (page {}, offset {}): expected {:#018x}, found {:#018x}",
        workload.address(&wrong),
        wrong.page,
        wrong.offset,
        wrong.expected,
        wrong.found
    ))
}
