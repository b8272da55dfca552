// SPDX-License-Identifier: BSD-2-Clause
//! Horizontal bars with their values beside them.

use crate::axis;
use crate::scale::Scale;
use crate::text::escape;

const WIDTH: f64 = 430.0;
const NAMES: f64 = 100.0;
const VALUES: f64 = 75.0;
const ROW: f64 = 16.0;
const TOP: f64 = 24.0;
const BOTTOM: f64 = 34.0;

/// A bar.
#[derive(Clone, Debug)]
pub struct Bar {
    /// Whose it is.
    pub name: String,
    /// How long it is; nothing: there is no value, and `text` says why.
    pub value: Option<f64>,
    /// The value as the table has it.
    pub text: String,
}

/// Bars from zero.
#[derive(Clone, Debug)]
pub struct Bars {
    /// What is compared.
    pub title: String,
    /// The axis' label, with the unit.
    pub unit: String,
    /// Bars, from above.
    pub bars: Vec<Bar>,
}

impl Bars {
    /// The SVG. The shortest bar is marked: less is better.
    #[must_use]
    pub fn svg(&self) -> String {
        let values = || self.bars.iter().filter_map(|b| b.value);
        let (least, most) = (values().fold(f64::MAX, f64::min), values().fold(0.0, f64::max));
        let bottom = TOP + ROW * self.bars.len() as f64;
        let height = bottom + BOTTOM;
        let scale = Scale::linear(most, (NAMES, WIDTH - VALUES));
        let title = escape(&self.title);
        let mut svg = format!(
            "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{title}\"><title>{title}</title>\
             <desc>{}: {}</desc><text class=\"head\" x=\"4\" y=\"14\">{title}</text>",
            escape(&self.unit),
            escape(
                &self.bars.iter().map(|b| format!("{} {}", b.name, b.text)).collect::<Vec<_>>().join(", ")
            )
        );
        svg += &axis::below(&scale, (TOP, bottom), (NAMES + WIDTH - VALUES) / 2.0, &self.unit);
        for (row, bar) in self.bars.iter().enumerate() {
            let y = TOP + ROW * row as f64;
            let best = bar.value == Some(least) && self.bars.len() > 1;
            let (name, text) = (escape(&bar.name), escape(&bar.text));
            let end = bar.value.map_or(NAMES, |v| scale.at(v));
            svg += &format!(
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{name}</text>",
                NAMES - 6.0,
                y + 12.0
            );
            if bar.value.is_some() {
                svg += &format!(
                    "<rect x=\"{NAMES}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{}\" data-v=\"{text}\"><title>{name}: {text}</title></rect>",
                    y + 2.0,
                    (end - NAMES).max(0.5),
                    ROW - 4.0,
                    if best { "#e69f00" } else { "#0072b2" },
                );
            }
            let (class, star) = if best { (" class=\"head\"", " \u{2605}") } else { ("", "") };
            svg += &format!("<text{class} x=\"{:.1}\" y=\"{:.1}\">{text}{star}</text>", end + 5.0, y + 12.0);
        }
        svg + &format!("<path class=\"axis\" d=\"M{NAMES} {TOP}V{bottom}\"/></svg>")
    }
}
