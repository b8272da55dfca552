// SPDX-License-Identifier: BSD-2-Clause
//! The table of requirements is complete, and its tests exist.

extern crate std;

use std::string::String;
use std::vec::Vec;
use std::{format, vec};

const SOURCES: &[&str] = &[
    include_str!("copy.rs"),
    include_str!("devices.rs"),
    include_str!("get.rs"),
    include_str!("hostile.rs"),
    include_str!("kill.rs"),
    include_str!("put.rs"),
    include_str!("../fullness.rs"),
    include_str!("../map.rs"),
    include_str!("../request.rs"),
    include_str!("../run.rs"),
    include_str!("../../tests/no_allocation.rs"),
];

fn expand(row: &str) -> Vec<String> {
    match row.split_once(" to ") {
        None => vec![row.into()],
        Some((first, last)) => {
            let number = |s: &str| s.trim_start_matches("SWP-").parse::<u32>().unwrap();
            (number(first)..=number(last)).map(|n| format!("SWP-{n:03}")).collect()
        }
    }
}

#[test]
fn every_row_is_there_and_every_test_exists() {
    let mut rows = Vec::new();
    for line in include_str!("../rows.md").lines().filter(|l| l.starts_with("| SWP-")) {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        rows.extend(expand(cells[1]));
        assert!(!cells[2].is_empty() || !cells[3].is_empty(), "{line}");
        let names = cells[2].strip_prefix('`').and_then(|n| n.strip_suffix('`'));
        if let Some(name) = names {
            assert!(SOURCES.iter().any(|s| s.contains(&format!("fn {name}("))), "no test {name}");
        } else {
            assert!(matches!(cells[2], "" | "later"), "{line}");
        }
    }
    let want = (1..=240).map(|n| format!("SWP-{n:03}")).chain((1..=41).map(|n| format!("SWP-W{n:02}")));
    assert_eq!(rows, want.collect::<Vec<_>>());
}
