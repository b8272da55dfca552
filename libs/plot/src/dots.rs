// SPDX-License-Identifier: BSD-2-Clause
//! Rows of marks on a logarithmic axis: how a distribution lies, one row a policy.

use crate::axis;
use crate::look::{LOOKS, mark};
use crate::scale::Scale;
use crate::text::escape;

const WIDTH: f64 = 430.0;
const NAMES: f64 = 100.0;
const RIGHT: f64 = 16.0;
const ROW: f64 = 16.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 34.0;
/// What an entry of the key takes.
const KEY: f64 = 62.0;

/// A row: a name, and for each kind its value with the text that the table has.
pub type Row = (String, Vec<(f64, String)>);

/// Rows of marks.
#[derive(Clone, Debug)]
pub struct Dots {
    /// What is compared.
    pub title: String,
    /// The axis' label, with the unit.
    pub unit: String,
    /// What the marks of a row are, at most [`LOOKS`].
    pub kinds: Vec<String>,
    /// Rows, from above; one without values is shown as failed.
    pub rows: Vec<Row>,
}

impl Dots {
    /// The SVG.
    #[must_use]
    pub fn svg(&self) -> String {
        let bottom = TOP + ROW * self.rows.len() as f64;
        let height = bottom + BOTTOM;
        let values = self.rows.iter().flat_map(|(_, v)| v.iter().map(|(v, _)| *v));
        let scale = Scale::logarithmic(values, (NAMES + 6.0, WIDTH - RIGHT));
        let title = escape(&self.title);
        let mut svg = format!(
            "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{title}\"><title>{title}</title><desc>{} of {}; the table has the numbers</desc>\
             <text class=\"head\" x=\"4\" y=\"14\">{title}</text>",
            escape(&self.unit),
            escape(&self.kinds.join(", "))
        );
        for (look, kind) in self.kinds.iter().take(LOOKS).enumerate() {
            let x = NAMES + 10.0 + KEY * look as f64;
            svg += &mark(look, x, 28.0, "", "");
            svg += &format!("<text class=\"small\" x=\"{:.1}\" y=\"32\">{}</text>", x + 8.0, escape(kind));
        }
        svg += &axis::below(&scale, (TOP, bottom), (NAMES + WIDTH - RIGHT) / 2.0, &self.unit);
        for (row, (name, values)) in self.rows.iter().enumerate() {
            let y = TOP + ROW * (row as f64 + 0.5);
            let name = escape(name);
            svg += &format!(
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{name}</text>",
                NAMES - 6.0,
                y + 4.0
            );
            let places = values.iter().map(|(v, _)| scale.at(*v));
            let (from, to) = places.fold((f64::MAX, 0.0f64), |(l, h), x| (l.min(x), h.max(x)));
            if values.is_empty() {
                svg += &format!("<text x=\"{:.1}\" y=\"{:.1}\">failed</text>", NAMES + 6.0, y + 4.0);
            } else {
                svg += &format!("<path class=\"ghost\" d=\"M{from:.1} {y:.1}H{to:.1}\"/>");
            }
            for (look, (value, text)) in values.iter().take(LOOKS).enumerate() {
                let text = escape(text);
                let kind = self.kinds.get(look).map_or("", String::as_str);
                let inside = format!("<title>{name}, {}: {text}</title>", escape(kind));
                svg += &mark(look, scale.at(*value), y, &format!("data-v=\"{text}\""), &inside);
            }
        }
        svg + &format!("<path class=\"axis\" d=\"M{NAMES} {TOP}V{bottom}\"/></svg>")
    }
}
