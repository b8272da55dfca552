// SPDX-License-Identifier: BSD-2-Clause
//! The table of requirements in the crate's documentation agrees with the tests that there are.

use std::collections::{BTreeMap, BTreeSet};

const TABLE: &str = include_str!("../../src/rows.md");
const SOURCES: [&str; 17] = [
    include_str!("active.rs"),
    include_str!("clusters.rs"),
    include_str!("contiguous.rs"),
    include_str!("enforce.rs"),
    include_str!("engine.rs"),
    include_str!("equality.rs"),
    include_str!("flush.rs"),
    include_str!("gates.rs"),
    include_str!("inactive.rs"),
    include_str!("levels.rs"),
    include_str!("oom.rs"),
    include_str!("queues.rs"),
    include_str!("rss.rs"),
    include_str!("thrash.rs"),
    include_str!("tunables.rs"),
    include_str!("victims.rs"),
    include_str!("workers.rs"),
];

/// Names of the tests in the sources.
fn tests() -> BTreeSet<&'static str> {
    let mut names = BTreeSet::new();
    for source in SOURCES {
        let mut lines = source.lines().map(str::trim);
        while let Some(line) = lines.next() {
            if line == "#[test]" {
                let name = lines.next().and_then(|l| l.strip_prefix("fn ")?.split('(').next());
                names.insert(name.expect("a function follows #[test]"));
            }
        }
    }
    names
}

/// Row, who proves it, and the tests named in its line.
fn rows() -> Vec<(&'static str, &'static str, Vec<&'static str>)> {
    let cells = |line: &'static str| -> Vec<&'static str> { line.split('|').map(str::trim).collect() };
    TABLE
        .lines()
        .map(cells)
        .filter(|c| c.len() == 5 && c[1].starts_with(['P', 'W']))
        .map(|c| {
            let named = [c[2], c[3]].into_iter().flat_map(|cell| cell.split('`').skip(1).step_by(2));
            (c[1], c[2], named.filter(|n| n.contains('_')).collect())
        })
        .collect()
}

/// Whether a test's name says that it is about a row: PGO-012 is pgo_012, PGO-178 is within pgo_176_to_180.
fn speaks_of(test: &str, row: &str) -> bool {
    let id = row.to_lowercase().replace('-', "_");
    let range = test.split_once("_to_").is_some_and(|(before, after)| {
        let number = |s: &str| s.parse::<u32>().ok();
        let from = before.rsplit('_').next().and_then(number);
        let to = after.split('_').next().and_then(number);
        let row = row.strip_prefix("PGO-").and_then(number);
        matches!((from, row, to), (Some(from), Some(row), Some(to)) if (from..=to).contains(&row))
    });
    range || test.contains(&id)
}

#[test]
fn every_row_is_there_once() {
    let mut count = BTreeMap::new();
    for (row, ..) in rows() {
        *count.entry(row.to_owned()).or_insert(0) += 1;
    }
    let missing: Vec<u32> = (1..=232).filter(|n| !count.contains_key(&format!("PGO-{n:03}"))).collect();
    assert!(missing.is_empty(), "no row for {missing:?}");
    assert!(count.values().all(|n| *n == 1), "{count:?}");
}

#[test]
fn every_named_test_exists() {
    let tests = tests();
    for (row, by, named) in rows() {
        for name in &named {
            assert!(tests.contains(name), "{row}: there is no test {name}");
        }
        let elsewhere = ["vm", "pageout", "proc", "vm-daemon", "later"].contains(&by);
        assert!(elsewhere || by.starts_with('`'), "{row}: proven by {by}?");
    }
}

#[test]
fn every_test_of_a_row_is_named() {
    let named: BTreeSet<&str> = rows().into_iter().flat_map(|(.., named)| named).collect();
    for test in tests() {
        let of_a_row = test.starts_with("pgo_") || test.starts_with('w') && test[1..3].parse::<u8>().is_ok();
        assert!(!of_a_row || named.contains(test), "{test} is not in the table");
    }
}

/// The test that proves a row says so in its name, but for the error codes, which are proven where they take effect.
#[test]
fn names_say_what_is_proven() {
    for (row, _, named) in rows() {
        let codes = ["PGO-020", "PGO-021", "PGO-022", "PGO-023", "PGO-120"].contains(&row);
        let Some(first) = named.first() else { continue };
        assert!(codes || speaks_of(first, row), "{row} is not in the name of {first}");
    }
}
