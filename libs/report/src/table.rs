// SPDX-License-Identifier: BSD-2-Clause
//! Listings: rows of values under columns.

use crate::Value;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Display, Formatter, Write};

/// A column.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Column {
    /// Its name in JSON.
    pub key: &'static str,
    /// Its heading in the table; empty: it is only in the JSON.
    pub heading: &'static str,
}

/// Rows under columns. `Display` is the aligned table, a line a row, numbers to the right; [`Listing::json`] the same as a list of objects.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listing {
    columns: &'static [Column],
    rows: Vec<Vec<Value>>,
}

impl Listing {
    /// A listing without rows.
    pub fn new(columns: &'static [Column]) -> Listing {
        Listing { columns, rows: Vec::new() }
    }

    /// Adds a row: a value a column, in their order.
    pub fn row<const N: usize>(&mut self, values: [Value; N]) {
        debug_assert_eq!(N, self.columns.len());
        self.rows.push(values.into());
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The rows as a list of objects.
    pub fn json(&self) -> Value {
        let object = |row: &Vec<Value>| {
            Value::Object(self.columns.iter().zip(row).map(|(c, v)| (c.key.into(), v.clone())).collect())
        };
        Value::List(self.rows.iter().map(object).collect())
    }
}

fn is_number(value: &Value) -> bool {
    matches!(value, Value::Int(_) | Value::Uint(_) | Value::Thousandths(_))
}

impl Display for Listing {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let shown: Vec<usize> =
            (0..self.columns.len()).filter(|c| !self.columns[*c].heading.is_empty()).collect();
        let mut lines: Vec<Vec<(String, bool)>> = Vec::with_capacity(self.rows.len() + 1);
        let numeric = |c: usize| self.rows.first().and_then(|r| r.get(c)).is_some_and(is_number);
        lines.push(shown.iter().map(|c| (self.columns[*c].heading.into(), numeric(*c))).collect());
        for row in &self.rows {
            let mut line = Vec::with_capacity(shown.len());
            for c in &shown {
                let mut text = String::new();
                if let Some(value) = row.get(*c) {
                    value.plain(&mut text)?;
                }
                line.push((text, row.get(*c).is_some_and(is_number)));
            }
            lines.push(line);
        }
        let width = |c: usize| lines.iter().map(|l| l[c].0.chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..shown.len()).map(width).collect();
        for line in &lines {
            let mut out = String::new();
            for ((text, right), width) in line.iter().zip(&widths) {
                if !out.is_empty() {
                    out.push_str("  ");
                }
                if *right { write!(out, "{text:>width$}")? } else { write!(out, "{text:<width$}")? }
            }
            writeln!(f, "{}", out.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use alloc::vec;

    const COLUMNS: &[Column] = &[
        Column { key: "name", heading: "NAME" },
        Column { key: "pages", heading: "PAGES" },
        Column { key: "hidden", heading: "" },
        Column { key: "rest", heading: "REST" },
    ];

    #[test]
    fn one_description_gives_table_and_json() {
        let mut list = Listing::new(COLUMNS);
        list.row(["vm".into(), 5u64.into(), 1u64.into(), Value::List(vec!["a".into(), "b".into()])]);
        list.row(["swap-pager".into(), 123456u64.into(), 2u64.into(), "".into()]);
        assert_eq!(
            list.to_string(),
            "NAME         PAGES  REST\nvm               5  a,b\nswap-pager  123456\n"
        );
        assert_eq!(
            list.json().to_string(),
            r#"[{"name":"vm","pages":5,"hidden":1,"rest":["a","b"]},{"name":"swap-pager","pages":123456,"hidden":2,"rest":""}]"#
        );
    }

    #[test]
    fn an_empty_listing_is_its_headings() {
        assert_eq!(Listing::new(COLUMNS).to_string(), "NAME  PAGES  REST\n");
        assert_eq!(Listing::new(COLUMNS).json().to_string(), "[]");
    }
}
