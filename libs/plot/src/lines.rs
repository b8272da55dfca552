// SPDX-License-Identifier: BSD-2-Clause
//! Lines over an axis. More lines than a panel can tell apart become several panels with the same axes; the lines of the others are
//! there too, in grey.

use crate::look::{LOOKS, mark, stroke};
use crate::scale::Scale;
use crate::text::escape;

const WIDTH: f64 = 430.0;
const PLOT_BOTTOM: f64 = 210.0;
const LEFT: f64 = 46.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 40.0;
/// What an entry of the key takes, and how many stand in a line of it.
const KEY: f64 = 128.0;
const KEYS: usize = 3;
/// Lines of labels of moments at most, and the height of one.
const LABEL_LINES: usize = 3;
const LABEL_LINE: f64 = 11.0;

/// A line.
#[derive(Clone, Debug)]
pub struct Series {
    /// Whose it is.
    pub name: String,
    /// Its points, ascending, each with the text that the table has for its value.
    pub points: Vec<(f64, f64, String)>,
}

/// A moment that is marked on the x axis.
#[derive(Clone, Debug)]
pub struct Moment {
    /// Where.
    pub at: f64,
    /// Shortly, above the line.
    pub label: String,
    /// What happened.
    pub what: String,
}

/// Lines.
#[derive(Clone, Debug)]
pub struct Lines {
    /// What is compared.
    pub title: String,
    /// The label of the x axis, with the unit.
    pub x: String,
    /// The label of the y axis, with the unit.
    pub y: String,
    /// What stands beside the x axis; empty: round numbers.
    pub x_ticks: Vec<(f64, String)>,
    /// Lines.
    pub series: Vec<Series>,
    /// Moments.
    pub moments: Vec<Moment>,
}

impl Lines {
    /// The SVGs.
    #[must_use]
    pub fn svgs(&self) -> Vec<String> {
        let parts = self.series.len().div_ceil(LOOKS).max(1);
        (0..parts).map(|part| self.panel(part, parts)).collect()
    }

    fn panel(&self, part: usize, parts: usize) -> String {
        let own = part * LOOKS..((part + 1) * LOOKS).min(self.series.len());
        let most = |of: fn(&(f64, f64, String)) -> f64| {
            self.series.iter().flat_map(|s| &s.points).map(of).fold(0.0, f64::max)
        };
        let most_x = self.x_ticks.iter().map(|t| t.0).fold(most(|p| p.0), f64::max);
        let x = Scale::linear(most_x, (LEFT, WIDTH - RIGHT));
        let label_lines = self.label_lines(&x);
        let top = TOP + LABEL_LINE * label_lines.iter().flatten().map(|l| l + 1).max().unwrap_or(0) as f64;
        let y = Scale::linear(most(|p| p.1), (PLOT_BOTTOM, top));
        let height = PLOT_BOTTOM + 38.0 + 16.0 * own.len().div_ceil(KEYS) as f64;
        let title = escape(&if parts > 1 {
            format!("{} ({} of {parts})", self.title, part + 1)
        } else {
            self.title.clone()
        });
        let mut svg = format!(
            "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{title}\"><title>{title}</title>\
             <desc>{} over {}; the table has the numbers</desc><text class=\"head\" x=\"4\" y=\"14\">{title}</text>\
             <text class=\"small\" x=\"4\" y=\"29\">{0}</text>",
            escape(&self.y),
            escape(&self.x)
        );
        for (value, label) in y.ticks() {
            let at = y.at(value);
            svg += &format!(
                "<path class=\"grid\" d=\"M{LEFT} {at:.1}H{:.1}\"/><text class=\"small\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>",
                WIDTH - RIGHT,
                LEFT - 5.0,
                at + 4.0
            );
        }
        let ticks = if self.x_ticks.is_empty() { x.ticks() } else { self.x_ticks.clone() };
        for (value, label) in ticks {
            let at = x.at(value);
            svg += &format!(
                "<path class=\"axis\" d=\"M{at:.1} {PLOT_BOTTOM}v4\"/><text class=\"small\" x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                PLOT_BOTTOM + 15.0,
                escape(&label)
            );
        }
        svg += &format!(
            "<path class=\"axis\" d=\"M{LEFT} {top}V{PLOT_BOTTOM}H{:.1}\"/><text class=\"small\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            WIDTH - RIGHT,
            (LEFT + WIDTH - RIGHT) / 2.0,
            PLOT_BOTTOM + 28.0,
            escape(&self.x)
        );
        svg += &moments(&self.moments, &label_lines, top, &x);
        let path = |series: &Series| {
            let places: Vec<String> =
                series.points.iter().map(|p| format!("{:.1},{:.1}", x.at(p.0), y.at(p.1))).collect();
            places.join(" ")
        };
        for (_, other) in self.series.iter().enumerate().filter(|(at, _)| !own.contains(at)) {
            svg += &format!("<polyline class=\"ghost\" points=\"{}\"/>", path(other));
        }
        for (look, series) in self.series[own.clone()].iter().enumerate() {
            svg += &format!("<polyline points=\"{}\" {}/>", path(series), stroke(look));
        }
        for (look, series) in self.series[own].iter().enumerate() {
            let name = escape(&series.name);
            for (px, py, text) in &series.points {
                let text = escape(text);
                let inside = format!("<title>{name}: {text}</title>");
                svg += &mark(look, x.at(*px), y.at(*py), &format!("data-v=\"{text}\""), &inside);
            }
            let (key_x, key_y) =
                (LEFT + KEY * (look % KEYS) as f64, PLOT_BOTTOM + 46.0 + 16.0 * (look / KEYS) as f64);
            svg += &format!(
                "<path d=\"M{key_x} {key_y}h28\" {}/>{}<text x=\"{:.1}\" y=\"{:.1}\">{name}</text>",
                stroke(look),
                mark(look, key_x + 14.0, key_y, "", ""),
                key_x + 33.0,
                key_y + 4.0,
            );
        }
        svg + "</svg>"
    }

    /// In which line above the plot the label of each moment stands, so that none touch; nothing where there is no room.
    fn label_lines(&self, x: &Scale) -> Vec<Option<usize>> {
        let mut ends = [f64::MIN; LABEL_LINES];
        let place = |moment: &Moment| {
            let (at, half) = (x.at(moment.at), 3.5 * moment.label.chars().count() as f64 + 1.0);
            let line = ends.iter().position(|end| *end <= at - half)?;
            ends[line] = at + half;
            Some(line)
        };
        self.moments.iter().map(place).collect()
    }
}

/// A dotted line at each moment, and its label above.
fn moments(all: &[Moment], lines: &[Option<usize>], top: f64, x: &Scale) -> String {
    let mut svg = String::new();
    for (moment, line) in all.iter().zip(lines) {
        let (at, what) = (x.at(moment.at), escape(&moment.what));
        svg += &format!(
            "<path class=\"moment\" d=\"M{at:.1} {top}V{PLOT_BOTTOM}\"><title>{what}</title></path>"
        );
        if let Some(line) = line {
            svg += &format!(
                "<text class=\"small\" x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                top - 3.0 - LABEL_LINE * *line as f64,
                escape(&moment.label)
            );
        }
    }
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(series: usize, moments: usize) -> Lines {
        let one = |i: usize| Series {
            name: format!("s{i}"),
            points: (0..5).map(|x| (f64::from(x), i as f64, format!("v{i}"))).collect(),
        };
        let moment = |i: usize| Moment { at: i as f64 * 0.02, label: (i + 1).to_string(), what: "x".into() };
        Lines {
            title: "t".into(),
            x: "x".into(),
            y: "y".into(),
            x_ticks: Vec::new(),
            series: (0..series).map(one).collect(),
            moments: (0..moments).map(moment).collect(),
        }
    }

    #[test]
    fn each_line_has_marks_in_one_panel_and_is_grey_in_the_others() {
        let svgs = lines(15, 0).svgs();
        assert_eq!(svgs.len(), 3);
        let all = svgs.concat();
        for i in 0..15 {
            assert_eq!(all.matches(&format!("data-v=\"v{i}\"")).count(), 5);
        }
        for (panel, own) in svgs.iter().zip([7, 7, 1]) {
            assert_eq!(panel.matches("class=\"ghost\"").count(), 15 - own);
        }
        assert_eq!(lines(0, 0).svgs().len(), 1, "nothing is a plot too");
    }

    #[test]
    fn labels_of_moments_that_are_close_stand_above_each_other() {
        let lines = lines(1, 5);
        let x = Scale::linear(4.0, (LEFT, WIDTH - RIGHT));
        let places = lines.label_lines(&x);
        assert_eq!(places[..3], [Some(0), Some(1), Some(2)]);
        // Whatever has no room is without a label, but not without its line.
        assert_eq!(lines.svgs()[0].matches("class=\"moment\"").count(), 5);
        for (i, place) in places.iter().enumerate().filter(|(_, p)| p.is_some()) {
            let before = places[..i].iter().rposition(|p| p == place);
            let apart = |j: usize| x.at(lines.moments[i].at) - x.at(lines.moments[j].at);
            assert!(before.is_none_or(|j| apart(j) >= 7.0), "{i}");
        }
    }
}
