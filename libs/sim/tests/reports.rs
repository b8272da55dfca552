// SPDX-License-Identifier: BSD-2-Clause
//! What is said of points: JSON with one object each, and a page that stands alone.

use ebb_sim::{Mode, Run, Trace, html, report, simulate};

fn points() -> Vec<ebb_sim::Point> {
    let trace = Trace::new("a<b", (0..3000u64).map(|i| (i * i % 97, i % 5 == 0)));
    let runs: Vec<Run<'_>> =
        [10.0, 50.0].map(|p| Run { trace: &trace, pages: p as u32, percent: Some(p) }).into();
    let policies: Vec<String> = ebb_sim::policies(Mode::Once).into_iter().map(str::to_owned).collect();
    simulate(&runs, &policies, Mode::Once, None, &|_| {}).unwrap()
}

#[test]
fn json_has_an_object_a_point() {
    let points = points();
    let json = report::json(&points);
    let list = json.as_array().unwrap();
    assert_eq!(list.len(), points.len());
    for (object, point) in list.iter().zip(&points) {
        for key in ["trace", "mode", "pages", "policy", "refs", "misses", "writebacks"] {
            assert!(!object[key].is_null(), "{key}");
        }
        assert_eq!(object["misses"], point.misses);
        assert_eq!(object["mode"], "once");
    }
}

#[test]
fn the_page_stands_alone_and_says_all() {
    let points = points();
    let page = html::page(&points);
    for wrong in ["a<b", "http", "<script", "src=", "NaN", "inf"] {
        assert!(!page.contains(wrong), "{wrong}");
    }
    let (_, all) = page.split_once("<h2>All points</h2>").expect("all points");
    assert_eq!(all.matches("<tr>").count(), points.len() + 1);
    for tag in ["svg", "figure", "table", "tr", "td", "text", "html", "body", "h2"] {
        let opened = page.matches(&format!("<{tag}>")).count() + page.matches(&format!("<{tag} ")).count();
        assert_eq!(opened, page.matches(&format!("</{tag}>")).count(), "{tag}");
    }
    for point in &points {
        assert!(all.contains(&format!("<td>{}</td>", point.misses)));
    }
}
