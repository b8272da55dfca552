// SPDX-License-Identifier: BSD-2-Clause
//! Tables of requirements (`rows.md`), and whether the tests that they name exist. For host tests only.
//!
//! A line of a table is `| rows | proven by | remark |`. Rows are numbers of the specifications, alone, in a list or as a range: `PRS-025 to PRS-028, PRS-030`.
//! A name in `code` is a test on the host; one in "quotation marks" is a case in the machine. A name may stand in the second column or in the third.
//!
//! What it does not promise: that a test shows what its row says.

#![forbid(unsafe_code)]

mod sources;
mod table;

pub use sources::Sources;
pub use table::{Row, rows};

/// Names that a table has and the sources have not, and tests bearing the number of a row (`pgo_`, `prs_`, `swp_`) in the sources that the table does not name.
#[must_use]
pub fn wrong(table: &str, elsewhere: &Sources, own: &Sources) -> Vec<String> {
    let mut wrong = Vec::new();
    for row in rows(table) {
        let missing = |kind, names: &[String], have: &dyn Fn(&str) -> bool| -> Vec<String> {
            let absent = names.iter().filter(|n| !have(n));
            absent.map(|n| format!("{:?}: there is no {kind} {n}", row.ids)).collect()
        };
        wrong.extend(missing("test", &row.tests, &|n| own.has_test(n) || elsewhere.has_test(n)));
        wrong.extend(missing("case", &row.cases, &|n| elsewhere.has_case(n)));
    }
    let of_a_row = |name: &&str| ["pgo_", "prs_", "swp_"].iter().any(|p| name.starts_with(p));
    for name in own.tests().filter(of_a_row) {
        if !table.contains(&format!("`{name}`")) {
            wrong.push(format!("{name} is not in the table"));
        }
    }
    wrong
}
