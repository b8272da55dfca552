// SPDX-License-Identifier: BSD-2-Clause
//! A report in one file, without scripts and without anything from elsewhere: miss ratio curves, mean regret, a table. Policies differ by
//! colour, by dash and by mark, so that it can be read on grey paper and by colour-blind people.

use std::fmt::Write;

use crate::report::{distinct, mean, size_label};
use crate::run::Point;

/// Colours that differ for all kinds of sight: Okabe and Ito, "Color universal design", 2008, without the yellow, which paper does not show.
const COLOURS: [&str; 7] = ["#000000", "#e69f00", "#0072b2", "#009e73", "#d55e00", "#cc79a7", "#56b4e9"];
const DASHES: [&str; 3] = ["none", "7 3", "2 2"];
const STYLE: &str = "body{font:15px/1.45 sans-serif;max-width:62em;margin:2em auto;padding:0 1em;color:#111;background:#fff}\
table{border-collapse:collapse;font-size:13px}th,td{padding:2px 8px;text-align:right;border-bottom:1px solid #ccc}\
th:nth-child(-n+3),td:nth-child(-n+3){text-align:left}svg{width:100%;height:auto}figure{margin:1.5em 0;break-inside:avoid}\
svg text{font:12px sans-serif;fill:#111}@media print{body{margin:0;max-width:none}tr{break-inside:avoid}}";

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 380.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 170.0;
const TOP: f64 = 20.0;
const BOTTOM: f64 = 45.0;

/// The report.
#[must_use]
pub fn page(points: &[Point]) -> String {
    let policies = distinct(points, |p| p.policy.clone());
    let mode = points.first().map_or("", |p| p.mode.name());
    let mut html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Replacement policies compared</title>\
         <style>{STYLE}</style></head><body><h1>Replacement policies compared</h1><p>Mode: {mode}. Misses count first \
         references too; regret is misses over those of MIN at the same size.</p>"
    );
    for size in distinct(points, size_label) {
        html += &regrets(points, &policies, &size);
    }
    for trace in distinct(points, |p| p.trace.clone()) {
        html += &curves(points, &policies, &trace);
    }
    html += "<h2>All points</h2>";
    html += &table(points);
    html += "</body></html>\n";
    html
}

/// Text as HTML: names come from files.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            _ => escaped.push(c),
        }
    }
    escaped
}

/// Adds formatted text.
fn add(text: &mut String, what: std::fmt::Arguments<'_>) {
    // A string takes everything.
    let _ = text.write_fmt(what);
}

fn mark(at: usize, x: f64, y: f64) -> String {
    let colour = COLOURS[at % COLOURS.len()];
    match at % 4 {
        0 => format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\" fill=\"{colour}\"/>"),
        1 => {
            let (x, y) = (x - 3.5, y - 3.5);
            format!("<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"7\" height=\"7\" fill=\"{colour}\"/>")
        }
        2 => format!("<path d=\"M{:.1} {:.1}l5 8h-10z\" fill=\"{colour}\"/>", x, y - 5.0),
        _ => format!(
            "<path d=\"M{:.1} {:.1}l8 8m0 -8l-8 8\" stroke=\"{colour}\" stroke-width=\"2\" fill=\"none\"/>",
            x - 4.0,
            y - 4.0
        ),
    }
}

/// A step of 1, 2 or 5 times a power of ten that divides a range into at most eight.
fn step(range: f64) -> f64 {
    let rough = (range / 8.0).max(f64::MIN_POSITIVE);
    let power = 10f64.powf(rough.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * power).find(|s| *s >= rough).unwrap_or(rough)
}

/// Miss ratio against memory, for one trace.
fn curves(points: &[Point], policies: &[String], trace: &str) -> String {
    let of: Vec<&Point> = points.iter().filter(|p| p.trace == trace).collect();
    let most_pages = of.iter().map(|p| p.pages).max().unwrap_or(1).max(1);
    let most = of.iter().map(|p| p.miss_ratio()).fold(0.0, f64::max).max(1e-9);
    let x = |pages: u32| LEFT + f64::from(pages) / f64::from(most_pages) * (WIDTH - LEFT - RIGHT);
    let y = |ratio: f64| HEIGHT - BOTTOM - ratio / most * (HEIGHT - TOP - BOTTOM);
    let mut svg = format!(
        "<figure><figcaption><h2>{0}: misses a reference</h2></figcaption><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" \
         aria-label=\"Miss ratio of {0} against memory\">",
        escape(trace)
    );
    let (ratio_step, page_step) = (step(most), step(f64::from(most_pages)));
    let mut ratio = 0.0;
    while ratio <= most {
        add(
            &mut svg,
            format_args!(
                "<path d=\"M{LEFT} {0:.1}H{1}\" stroke=\"#ddd\"/><text x=\"{2}\" y=\"{3:.1}\" text-anchor=\"end\">{4}</text>",
                y(ratio),
                WIDTH - RIGHT,
                LEFT - 6.0,
                y(ratio) + 4.0,
                (ratio * 1e6).round() / 1e6
            ),
        );
        ratio += ratio_step;
    }
    let mut pages = 0.0;
    while pages <= f64::from(most_pages) {
        add(
            &mut svg,
            format_args!(
                "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{pages}</text>",
                x(pages as u32),
                HEIGHT - BOTTOM + 18.0
            ),
        );
        pages += page_step;
    }
    add(
        &mut svg,
        format_args!(
            "<path d=\"M{LEFT} {TOP}V{0}H{1}\" fill=\"none\" stroke=\"#111\"/><text x=\"{LEFT}\" y=\"{2}\">pages of memory</text>",
            HEIGHT - BOTTOM,
            WIDTH - RIGHT,
            HEIGHT - 6.0
        ),
    );
    for (at, policy) in policies.iter().enumerate() {
        let mut line: Vec<(u32, f64)> =
            of.iter().filter(|p| p.policy == *policy).map(|p| (p.pages, p.miss_ratio())).collect();
        line.sort_by_key(|(pages, _)| *pages);
        let places: Vec<String> = line.iter().map(|(p, r)| format!("{:.1},{:.1}", x(*p), y(*r))).collect();
        let (colour, dash) = (COLOURS[at % COLOURS.len()], DASHES[at / COLOURS.len() % DASHES.len()]);
        add(
            &mut svg,
            format_args!(
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" stroke-dasharray=\"{dash}\"/>",
                places.join(" ")
            ),
        );
        line.iter().for_each(|(pages, ratio)| svg += &mark(at, x(*pages), y(*ratio)));
        let (key_x, key_y) = (WIDTH - RIGHT + 20.0, TOP + 10.0 + 17.0 * at as f64);
        add(
            &mut svg,
            format_args!(
                "<path d=\"M{key_x} {key_y}h26\" stroke=\"{colour}\" stroke-width=\"2\" stroke-dasharray=\"{dash}\"/>{}\
                 <text x=\"{}\" y=\"{}\">{}</text>",
                mark(at, key_x + 13.0, key_y),
                key_x + 32.0,
                key_y + 4.0,
                escape(policy)
            ),
        );
    }
    svg + "</svg></figure>"
}

/// Mean regret of each policy at one size, least first, as bars with figures.
fn regrets(points: &[Point], policies: &[String], size: &str) -> String {
    let mut means: Vec<(&str, f64)> = policies
        .iter()
        .map(|policy| {
            let of = points.iter().filter(|p| p.policy == *policy && size_label(p) == size);
            (policy.as_str(), mean(of.map(|p| p.regret)))
        })
        .collect();
    means.sort_by(|a, b| a.1.total_cmp(&b.1));
    let most = means.iter().map(|m| m.1).fold(1.0, f64::max);
    let height = 22.0 * means.len() as f64 + 6.0;
    let mut svg = format!(
        "<figure><figcaption><h2>Mean regret at {0} (geometric, over all traces)</h2></figcaption>\
         <svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"Mean regret at {0}\">",
        escape(size)
    );
    for (row, (policy, mean)) in means.iter().enumerate() {
        let (y, width) = (22.0 * row as f64 + 3.0, mean / most * (WIDTH - 200.0));
        add(
            &mut svg,
            format_args!(
                "<text x=\"110\" y=\"{0}\" text-anchor=\"end\">{1}</text><rect x=\"118\" y=\"{y}\" width=\"{width:.1}\" \
                 height=\"17\" fill=\"#0072b2\"/><text x=\"{2:.1}\" y=\"{0}\">{mean:.3}</text>",
                y + 13.0,
                escape(policy),
                124.0 + width
            ),
        );
    }
    svg + "</svg></figure>"
}

fn table(points: &[Point]) -> String {
    let mut text = String::from("<table><thead><tr>");
    for head in [
        "trace",
        "memory",
        "policy",
        "pages",
        "misses",
        "miss ratio",
        "regret",
        "written",
        "half refault within",
        "ns an eviction",
    ] {
        add(&mut text, format_args!("<th>{head}</th>"));
    }
    text += "</tr></thead><tbody>";
    for p in points {
        add(
            &mut text,
            format_args!(
                "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{:.6}</td><td>{:.3}</td><td>{}</td><td>{}</td><td>{:.0}</td></tr>",
                escape(&p.trace),
                escape(&size_label(p)),
                escape(&p.policy),
                p.pages,
                p.misses,
                p.miss_ratio(),
                p.regret,
                p.writebacks,
                p.median_refault(),
                p.ns_per_eviction()
            ),
        );
    }
    text + "</tbody></table>"
}
