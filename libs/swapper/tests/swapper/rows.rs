// SPDX-License-Identifier: BSD-2-Clause
//! The table of requirements: every row of sections 9 to 11 is there, and the tests that it names.

const TABLE: &str = include_str!("../../src/rows.md");
const SOURCES: [&str; 4] = [
    include_str!("holding.rs"),
    include_str!("incoming.rs"),
    include_str!("outgoing.rs"),
    include_str!("random.rs"),
];

fn exists(test: &str) -> bool {
    SOURCES.iter().any(|s| s.contains(&format!("fn {test}(")))
}

fn rows() -> impl Iterator<Item = (&'static str, &'static str)> {
    TABLE.lines().filter_map(|line| {
        let mut cells = line.split('|').map(str::trim).skip(1);
        let (id, by) = (cells.next()?, cells.next()?);
        id.starts_with("PRS-").then_some((id, by))
    })
}

#[test]
fn every_row_is_there_once_and_in_order() {
    let ids: Vec<&str> = rows().map(|(id, _)| id).collect();
    let expected: Vec<String> =
        (84..=139).map(|n| format!("PRS-{n:03}")).chain((1..=26).map(|n| format!("PRS-W{n:02}"))).collect();
    assert_eq!(ids, expected);
}

#[test]
fn every_named_test_exists_and_says_what_it_proves() {
    for (id, by) in rows() {
        let Some(test) = by.strip_prefix('`').and_then(|b| b.split('`').next()) else {
            assert!(
                id.starts_with("PRS-W") && ["proc", "vm", "kernel"].contains(&by),
                "{id}: proven by {by:?}?"
            );
            continue;
        };
        assert!(exists(test), "{id}: there is no test {test}");
        let number = id.trim_start_matches("PRS-").to_lowercase();
        assert!(test.contains(&number), "{id} is not in the name of {test}");
    }
}

#[test]
fn every_test_of_a_row_is_named() {
    for line in SOURCES.iter().flat_map(|s| s.lines()).map(str::trim) {
        let Some(name) = line.strip_prefix("fn ").and_then(|l| l.split('(').next()) else { continue };
        if name.starts_with("prs_") || (name.starts_with('w') && name[1..3].parse::<u8>().is_ok()) {
            assert!(TABLE.contains(&format!("`{name}`")), "{name} is not in the table");
        }
    }
}
