// SPDX-License-Identifier: BSD-2-Clause
//! Lines of a table.

/// A line of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// The rows that it is about, each written out.
    pub ids: Vec<String>,
    /// Tests on the host.
    pub tests: Vec<String>,
    /// Cases in the machine.
    pub cases: Vec<String>,
}

impl Row {
    /// Whether it names somebody who proves it.
    #[must_use]
    pub fn is_proven(&self) -> bool {
        !self.tests.is_empty() || !self.cases.is_empty()
    }
}

/// The lines that are about rows.
#[must_use]
pub fn rows(table: &str) -> Vec<Row> {
    table.lines().filter_map(row).collect()
}

fn row(line: &str) -> Option<Row> {
    let mut cells = line.strip_prefix('|')?.split('|').map(str::trim);
    let ids = ids(cells.next()?);
    if ids.is_empty() {
        return None;
    }
    let mut row = Row { ids, ..Row::default() };
    for (n, cell) in cells.take(2).enumerate() {
        // What is code in a remark may be anything; a test's name has several words.
        let names = between(cell, '`').filter(|name| n == 0 || is_test(name));
        row.tests.extend(names.map(str::to_owned));
        if n == 0 {
            row.cases.extend(between(cell, '"').map(str::to_owned));
        }
    }
    Some(row)
}

/// Whether code in a remark is the name of a test.
fn is_test(name: &str) -> bool {
    name.matches('_').count() >= 2 && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn between(cell: &str, mark: char) -> impl Iterator<Item = &str> {
    cell.split(mark).skip(1).step_by(2)
}

/// Expands a list with ranges; nothing if it is none.
fn ids(cell: &str) -> Vec<String> {
    let mut ids = Vec::new();
    for part in cell.split(',').map(str::trim) {
        let (first, last) = part.split_once(" to ").unwrap_or((part, part));
        let (Some((prefix, from)), Some((_, to))) = (number(first), number(last)) else { return Vec::new() };
        let width = first.len() - prefix.len();
        ids.extend((from..=to).map(|n| format!("{prefix}{n:0width$}")));
    }
    ids
}

/// `PRS-W01` is `PRS-W` and 1.
fn number(id: &str) -> Option<(&str, u32)> {
    let digits = id.find(|c: char| c.is_ascii_digit())?;
    let (prefix, number) = id.split_at_checked(digits)?;
    let known = ["PGO-", "PRS-", "SWP-", "PGO-W", "PRS-W", "SWP-W", "W"].contains(&prefix);
    number.parse().ok().filter(|_| known).map(|n| (prefix, n))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_ranges_are_written_out() {
        assert_eq!(ids("PRS-009 to PRS-011, PRS-W03"), ["PRS-009", "PRS-010", "PRS-011", "PRS-W03"]);
        assert_eq!(ids("W08"), ["W08"]);
        for none in ["row", "---", "", "PRS-", "PRS-1 to x", "ABC-003"] {
            assert!(ids(none).is_empty(), "{none}");
        }
    }

    #[test]
    fn names_are_found_and_other_code_is_not() {
        let all = rows(
            "| row | proven by | remark |\n| PGO-001 | `a`, \"a case\" | `vm` and `one_two_three` |\n| PGO-002 | vm | |",
        );
        assert_eq!(all.len(), 2);
        let row = &all[0];
        assert_eq!(
            (row.tests.as_slice(), row.cases.as_slice()),
            (&["a".into(), "one_two_three".into()][..], &["a case".into()][..])
        );
        assert!(row.is_proven() && !all[1].is_proven());
    }
}
