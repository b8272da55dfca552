// SPDX-License-Identifier: BSD-2-Clause
//! Tables, with headings that say to a screen reader what a figure belongs to.

use crate::text::escape;

/// A cell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    /// What stands in it.
    pub text: String,
    /// Whether it is the best of those that it is compared with.
    pub best: bool,
    /// Whether its text is the value of a mark of the plot above.
    pub plotted: bool,
}

impl Cell {
    /// A value that the plot shows as well.
    #[must_use]
    pub fn plotted(text: String) -> Self {
        Self { text, best: false, plotted: true }
    }

    /// Whether it is words, and no number nor nothing.
    fn is_text(&self) -> bool {
        !self.text.is_empty() && self.text.parse::<f64>().is_err()
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self { text, ..Self::default() }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        String::from(text).into()
    }
}

/// A table. The first `headers` cells of each row are its headings.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// What it shows, with units.
    pub caption: String,
    /// Headings of the columns.
    pub head: Vec<String>,
    /// How many cells of a row are its headings.
    pub headers: usize,
    /// Rows.
    pub rows: Vec<Vec<Cell>>,
}

impl Table {
    /// As HTML.
    #[must_use]
    pub fn html(&self) -> String {
        let mut html =
            format!("<div class=\"wide\"><table><caption>{}</caption><thead><tr>", escape(&self.caption));
        for (column, head) in self.head.iter().enumerate() {
            let cells = || self.rows.iter().filter_map(|r| r.get(column));
            let text = !self.rows.is_empty() && cells().all(Cell::is_text);
            let class = if column < self.headers || text { " class=\"name\"" } else { "" };
            html += &format!("<th scope=\"col\"{class}>{}</th>", escape(head));
        }
        html += "</tr></thead><tbody>";
        for row in &self.rows {
            html += "<tr>";
            for (column, cell) in row.iter().enumerate() {
                let text = escape(&cell.text);
                if column < self.headers {
                    html += &format!("<th scope=\"row\" class=\"name\">{text}</th>");
                    continue;
                }
                let value = if cell.plotted { format!(" data-v=\"{text}\"") } else { String::new() };
                html += &if cell.is_text() {
                    format!("<td class=\"text\">{text}</td>")
                } else if cell.best {
                    format!("<td class=\"best\"{value}><b>{text}</b></td>")
                } else {
                    format!("<td{value}>{text}</td>")
                };
            }
            html += "</tr>";
        }
        html + "</tbody></table></div>"
    }
}
