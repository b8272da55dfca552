// SPDX-License-Identifier: BSD-2-Clause
//! How series are told apart: by colour, by dash and by mark, each of which is enough alone. So plots can be read on grey paper, by
//! colour-blind people, and in the dark.

/// Series that one panel can tell apart.
pub const LOOKS: usize = 7;

/// Colours that differ for all kinds of sight: Okabe and Ito, "Color universal design", 2008, without the yellow, which paper does not
/// show. The first is the text's own: black, or white in the dark.
pub const COLOURS: [&str; LOOKS] =
    ["currentColor", "#e69f00", "#0072b2", "#009e73", "#d55e00", "#cc79a7", "#56b4e9"];

/// Dashes, as SVG has them.
const DASHES: [&str; LOOKS] = ["none", "8 3", "2 2", "8 3 2 3", "5 2", "12 4", "4 2 1 2 1 2"];

/// Attributes of a line.
#[must_use]
pub fn stroke(look: usize) -> String {
    let (colour, dash) = (COLOURS[look % LOOKS], DASHES[look % LOOKS]);
    format!("fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.8\" stroke-dasharray=\"{dash}\"")
}

/// A mark around a point. `inside` stands in its element: a title, for whoever points at it.
#[must_use]
pub fn mark(look: usize, x: f64, y: f64, attributes: &str, inside: &str) -> String {
    let path = match look % LOOKS {
        0 => "m-3.5 0a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0 -7 0z",
        1 => "m-3 -3h6v6h-6z",
        2 => "m0 -4.5l4.5 8h-9z",
        3 => "m0 -4.5l4.5 4.5l-4.5 4.5l-4.5 -4.5z",
        4 => "m-3.5 -3.5l7 7m0 -7l-7 7",
        5 => "m0 4.5l-4.5 -8h9z",
        _ => "m-4 0h8m-4 -4v8",
    };
    let colour = COLOURS[look % LOOKS];
    // Crosses have no inside to fill.
    let paint = if matches!(look % LOOKS, 4 | 6) {
        format!("fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"")
    } else {
        format!("fill=\"{colour}\"")
    };
    format!("<path d=\"M{x:.1} {y:.1}{path}\" {paint} {attributes}>{inside}</path>")
}
