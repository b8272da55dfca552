// SPDX-License-Identifier: BSD-2-Clause
//! Every row of the specifications of processes, resident limits and exhaustion of memory is proven by a test that exists.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use ebb_rows::{Sources, rows};

/// The tables, and how one calls rows that it names without their specification.
const TABLES: [(&str, &str, &str); 5] = [
    ("libs/policy", include_str!("../../policy/src/rows.md"), "PGO-"),
    ("libs/proc", include_str!("../../proc/src/rows.md"), "PRS-"),
    ("libs/swapper", include_str!("../../swapper/src/rows.md"), "PRS-"),
    ("libs/swap", include_str!("../../swap/src/rows.md"), "SWP-"),
    ("servers/vm", include_str!("../../../servers/vm/src/rows.md"), "PGO-"),
];

/// Weaknesses of the pageout specification that are about limits and exhaustion.
const OF_PGO: [u32; 16] = [6, 7, 8, 9, 11, 12, 13, 14, 15, 16, 18, 19, 20, 21, 22, 23];

/// Every row that has to be proven.
fn required() -> BTreeSet<String> {
    let of_prs = (1..=139).map(|n| format!("PRS-{n:03}"));
    let weak = (1..=26).map(|n| format!("PRS-W{n:02}"));
    let of_pgo = (181..=232).map(|n| format!("PGO-{n}"));
    let weak_pgo = OF_PGO.into_iter().chain([24]).map(|n| format!("PGO-W{n:02}"));
    of_prs.chain(weak).chain(of_pgo).chain(weak_pgo).collect()
}

fn all() -> Sources {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    Sources::under(&root).expect("the sources can be read")
}

#[test]
fn every_row_is_proven_by_a_test_that_exists() {
    let sources = all();
    let mut proven: BTreeMap<String, bool> = required().into_iter().map(|id| (id, false)).collect();
    let mut wrong = Vec::new();
    for (of, table, prefix) in TABLES {
        for row in rows(table) {
            let absent = row.tests.iter().filter(|n| !sources.has_test(n));
            let absent = absent.chain(row.cases.iter().filter(|n| !sources.has_case(n)));
            wrong.extend(absent.map(|n| format!("{of}: {:?}: there is no {n}", row.ids)));
            for id in &row.ids {
                let id = if id.starts_with('W') { format!("{prefix}{id}") } else { id.clone() };
                if let Some(is) = proven.get_mut(&id) {
                    *is |= row.is_proven();
                }
            }
        }
    }
    let missing: Vec<String> = proven.into_iter().filter(|(_, is)| !is).map(|(id, _)| id).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(missing.is_empty(), "no test proves {missing:?}");
}
