// SPDX-License-Identifier: BSD-2-Clause
//! What comes out for made-up measurements: tables, JSON, CSV and the report, all of which must say the same.

use std::collections::BTreeSet;

use ebb_compare::{Measures, Outcome, Plan, Point, Replacement, Results, Spec, csv, report, table, workload};
use roxmltree::{Document, Node, ParsingOptions};

/// Figures that differ from point to point, the same every time.
fn made_up(spec: &Spec) -> Measures {
    let names = format!("{}/{}/{}", spec.workload.name, spec.policy, spec.mem);
    let mut state = names.bytes().fold(17u64, |s, b| s.wrapping_mul(31).wrapping_add(u64::from(b)));
    let mut draw = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) % below
    };
    let elapsed_us = 1_000_000 + draw(9_000_000);
    Measures {
        elapsed_us,
        touches: 100_000,
        major_faults: draw(50_000),
        faults: draw(90_000),
        fault_us: [1.5, 80.0, 300.125, 4000.0, 50_000.0].map(|v| v + draw(1000) as f64 / 8.0),
        written: draw(70_000),
        read: draw(70_000),
        scanned: draw(1_000_000),
        evictions: 1 + draw(60_000),
        policy_instructions: (!spec.workload.replaces).then(|| draw(50_000_000)),
        progress: (1..=100).map(|i| (elapsed_us * i / 100, i * 1000)).collect(),
        replacements: (0..if spec.workload.replaces { 6 } else { 0 })
            .map(|i| Replacement {
                at_us: 100_000 + i * 120_000,
                role: "pageout".into(),
                from: "a<b".into(),
                to: "c&d".into(),
                held_us: draw(5000),
                pages: draw(10_000),
                took_us: draw(9000),
            })
            .collect(),
        ..Measures::default()
    }
}

fn plan(mems: &[u64]) -> Plan {
    Plan {
        policies: ebb_policy::NAMES.to_vec(),
        workloads: workload::ALL.iter().collect(),
        mems: mems.to_vec(),
        disk: "ssd".into(),
        seed: 1,
    }
}

/// Everything measured but one point, which failed.
fn results(mems: &[u64]) -> Results {
    let plan = plan(mems);
    let of = |(i, spec): (usize, Spec)| {
        let failed = || Outcome::Failed("timeout, after <60> s\nand a \"log\", with commas".into());
        let outcome = if i == 3 { failed() } else { Outcome::Measured(Box::new(made_up(&spec))) };
        Point { spec, outcome }
    };
    let points = plan.specs().into_iter().enumerate().map(of).collect();
    Results::new(plan, points)
}

fn parsed(html: &str) -> Document<'_> {
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    Document::parse_with_options(html, options).unwrap()
}

fn named<'a>(node: Node<'a, 'a>, name: &'a str) -> impl Iterator<Item = Node<'a, 'a>> {
    node.descendants().filter(move |n| n.has_tag_name(name))
}

fn values<'a>(nodes: impl Iterator<Item = Node<'a, 'a>>) -> BTreeSet<&'a str> {
    nodes.flat_map(|n| n.descendants()).filter_map(|n| n.attribute("data-v")).collect()
}

#[test]
fn plots_and_tables_of_the_report_say_the_same() {
    for mems in [&[64 << 20][..], &[64 << 20, 96 << 20, 128 << 20]] {
        let html = report::html(&results(mems));
        // For `cargo xtask check-report`, and for whoever wants to see it.
        let file = format!("{}/report-{}.html", env!("CARGO_TARGET_TMPDIR"), mems.len());
        std::fs::write(file, &html).unwrap();
        let document = parsed(&html);
        let figures: Vec<Node> = named(document.root(), "figure").collect();
        assert!(figures.len() >= 7, "{}", figures.len());
        for figure in figures {
            let heading = figure.parent().and_then(|p| named(p, "h2").next()).and_then(|h| h.text());
            let (plots, tables) = (values(named(figure, "svg")), values(named(figure, "table")));
            assert!(!plots.is_empty(), "{heading:?}");
            assert_eq!(plots, tables, "{heading:?}");
            // A value that is plotted is a number, and the cell shows it.
            for cell in named(figure, "td").filter(|c| c.attribute("data-v").is_some()) {
                let text: String = cell.descendants().filter_map(|n| n.text()).take(1).collect();
                assert_eq!(Some(text.as_str()), cell.attribute("data-v"));
                assert!(text.parse::<f64>().is_ok(), "{text}");
            }
        }
    }
}

#[test]
fn plots_lie_where_their_values_say() {
    let results = results(&[64 << 20]);
    let html = report::html(&results);
    let document = parsed(&html);
    let mut compared = 0;
    // Bars of one panel are as long as their values.
    for svg in named(document.root(), "svg") {
        let bars: Vec<(f64, f64)> = named(svg, "rect")
            .map(|r| ["width", "data-v"].map(|a| r.attribute(a).unwrap().parse::<f64>().unwrap()))
            .map(|[width, value]| (width, value))
            .collect();
        let Some(longest) = bars.iter().copied().max_by(|a, b| a.1.total_cmp(&b.1)) else { continue };
        for (width, value) in &bars {
            let expected = longest.0 * value / longest.1;
            assert!((width - expected).abs() < 1.0, "{value} is {width} long, not {expected}");
            compared += 1;
        }
    }
    assert!(compared > 300, "{compared}");
}

#[test]
fn the_report_needs_nothing_from_elsewhere_and_can_be_heard() {
    let html = report::html(&results(&[64 << 20]));
    let document = parsed(&html);
    for node in document.root().descendants() {
        assert!(!matches!(node.tag_name().name(), "script" | "img" | "iframe" | "object"));
        for link in ["href", "src"].into_iter().filter_map(|a| node.attribute(a)) {
            assert!(link.starts_with("data:"), "{link}");
        }
    }
    for svg in named(document.root(), "svg") {
        assert_eq!(svg.attribute("role"), Some("img"));
        assert!(svg.attribute("aria-label").is_some_and(|l| !l.is_empty()));
        assert!(named(svg, "title").next().is_some() && named(svg, "desc").next().is_some());
    }
    for table in named(document.root(), "table") {
        assert!(named(table, "caption").next().is_some());
        let columns = named(table, "th").filter(|h| h.attribute("scope") == Some("col")).count();
        for row in named(table, "tr") {
            assert_eq!(row.children().count(), columns);
        }
    }
    let escaped = ["&lt;60&gt;", "a&lt;b", "c&amp;d", "Failed points", "cargo xtask compare --policies all"];
    escaped.iter().for_each(|text| assert!(html.contains(text), "{text}"));
}

#[test]
fn equal_points_give_equal_bytes_in_whatever_order_they_came() {
    let first = results(&[64 << 20, 96 << 20]);
    let mut points = first.points().to_vec();
    points.reverse();
    points.rotate_left(17);
    let second = Results::new(first.plan.clone(), points);
    assert_eq!(table::table(&first), table::table(&second));
    assert_eq!(first.json(), second.json());
    assert_eq!(csv::csv(&first), csv::csv(&second));
    assert_eq!(report::html(&first), report::html(&second));
}

#[test]
fn the_tables_fit_a_terminal_and_mark_the_best() {
    let results = results(&[64 << 20]);
    let text = table::table(&results);
    for line in text.lines().filter(|l| !l.starts_with("failed:")) {
        assert!(line.chars().count() <= 80, "{line}");
    }
    assert!(text.contains("failed: thrash-seq") && text.contains("timeout, after <60> s"), "{text}");
    // Each column of each quantity has a best one.
    let stars = text.matches("*").count() - text.matches("(* best)").count();
    let columns = results.compared().count() + 1 + 2 * results.plan.workloads.len();
    assert!(stars >= columns, "{stars} stars for {columns} columns\n{text}");
    let failed = results.failed().next().unwrap().spec.policy;
    assert_eq!(results.mean_slowdown(64 << 20, failed), None, "a mean of what is left would flatter");
}

#[test]
fn json_and_csv_have_a_line_a_point() {
    let results = results(&[64 << 20]);
    let parsed: Vec<serde_json::Value> = serde_json::from_str(&results.json()).unwrap();
    assert_eq!(parsed.len(), results.points().len());
    for (object, point) in parsed.iter().zip(results.points()) {
        assert_eq!(object["policy"], point.spec.policy);
        assert_eq!(object["ok"], point.measures().is_some());
        let written = point.measures().map(|m| m.written);
        assert_eq!(object.get("written").and_then(serde_json::Value::as_u64), written);
    }
    let csv = csv::csv(&results);
    let plain: Vec<&str> = csv.split("\r\n").filter(|l| !l.contains('"')).collect();
    let columns = plain[0].split(',').count();
    assert!(plain[..plain.len() - 1].iter().all(|l| l.split(',').count() == columns));
    assert_eq!(plain.len(), results.points().len() + 1, "a heading, an end, and one point is quoted");
    assert!(csv.contains("\"timeout, after <60> s\nand a \"\"log\"\", with commas\""));
}

#[test]
fn what_was_not_run_is_said() {
    let all = results(&[64 << 20]);
    let some = Results::new(all.plan.clone(), all.points()[..20].to_vec());
    assert!(table::table(&some).contains("not run: "));
    assert!(report::html(&some).contains("points were not run"));
    let none = Results::new(all.plan.clone(), Vec::new());
    parsed(&report::html(&none));
    assert_eq!(serde_json::from_str::<Vec<serde_json::Value>>(&none.json()).unwrap().len(), 0);
    assert!(table::table(&none).contains("not run"));
}
