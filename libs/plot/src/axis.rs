// SPDX-License-Identifier: BSD-2-Clause
//! The axis below rows: a line of the grid for each value that is written, and the label with the unit.

use crate::scale::Scale;
use crate::text::escape;

/// The axis of a scale across a drawing whose rows lie between `top` and `bottom`; its label around `middle`.
pub(crate) fn below(scale: &Scale, (top, bottom): (f64, f64), middle: f64, unit: &str) -> String {
    let mut svg = String::new();
    for (value, label) in scale.ticks() {
        let x = scale.at(value);
        svg += &format!(
            "<path class=\"grid\" d=\"M{x:.1} {top}V{bottom}\"/><text class=\"small\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{label}</text>",
            bottom + 13.0
        );
    }
    svg + &format!(
        "<text class=\"small\" x=\"{middle:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
        bottom + 27.0,
        escape(unit)
    )
}
