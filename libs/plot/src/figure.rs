// SPDX-License-Identifier: BSD-2-Clause
//! A figure: a heading that says what it shows, panels, and a table with the same numbers.

use crate::table::Table;
use crate::text::escape;

/// A figure.
#[derive(Clone, Debug, Default)]
pub struct Figure {
    /// What it shows.
    pub heading: String,
    /// How to read it.
    pub note: String,
    /// SVGs.
    pub panels: Vec<String>,
    /// The numbers.
    pub tables: Vec<Table>,
    /// Whether the numbers are folded away on a screen. Paper shows them.
    pub folded: bool,
}

impl Figure {
    /// As HTML.
    #[must_use]
    pub fn html(&self) -> String {
        let mut html = format!(
            "<section><h2>{}</h2><figure><figcaption>{}</figcaption><div class=\"panels\">{}</div>",
            escape(&self.heading),
            escape(&self.note),
            self.panels.concat()
        );
        let tables: String = self.tables.iter().map(Table::html).collect();
        if !tables.is_empty() {
            html += &if self.folded {
                format!("<details><summary>The numbers</summary>{tables}</details>")
            } else {
                tables
            };
        }
        html + "</figure></section>"
    }
}
