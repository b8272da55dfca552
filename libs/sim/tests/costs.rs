// SPDX-License-Identifier: BSD-2-Clause
//! Instructions of policies as valgrind counts them: plausible, and the same each time. Without valgrind nothing is checked.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ebb_sim::{Mode, Run, Setting, Trace, cost, simulate};

const PROGRAM: &str = env!("CARGO_BIN_EXE_ebb-sim-cost");

fn has_valgrind() -> bool {
    let status = Command::new("valgrind").arg("--version").stdout(Stdio::null()).status();
    let there = status.is_ok_and(|s| s.success());
    if !there {
        eprintln!("valgrind is not installed: nothing is checked");
    }
    there
}

/// Three pages in four among the first thousand, the others over four thousand; one reference in two writes.
fn trace() -> Trace {
    let mut state = 88_172_645_463_325_252u64;
    Trace::new(
        "t",
        (0..60_000).map(move |_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (if state.is_multiple_of(4) { (state >> 8) % 4000 } else { (state >> 8) % 1000 }, state & 16 != 0)
        }),
    )
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

fn count(policy: &str, settings: &[&str], test: &str) -> f64 {
    let trace = trace();
    let run = Run { trace: &trace, pages: 1200, percent: None };
    let settings: Vec<Setting> = settings.iter().map(|s| s.parse().unwrap()).collect();
    let count = cost::count(Path::new(PROGRAM), &file(test), &run, policy, &settings, None);
    count.unwrap().expect("pages went")
}

#[test]
fn counts_are_plausible() {
    if !has_valgrind() {
        return;
    }
    let [fifo, aging] = ["fifo", "aging"].map(|policy| count(policy, &[], "plausible"));
    assert!(fifo > 20.0 && fifo < aging, "fifo {fifo}, aging {aging}");
    // Twice as many pages looked at: about twice the work but for what is done a page that goes, as fifo has it.
    let [four, eight] =
        [4, 8].map(|span| count("aging", &[&format!("aging.span={span}")], "plausible") - fifo);
    assert!((1.5..2.5).contains(&(eight / four)), "span 4: {four}, 8: {eight}");
}

#[test]
fn counts_repeat_exactly() {
    if !has_valgrind() {
        return;
    }
    for policy in ["freebsd", "s3-fifo"] {
        let [first, second] =
            ["repeat", "a-second-time-with-another-name"].map(|name| count(policy, &[], name));
        assert_eq!(first, second, "{policy}");
    }
}

/// In callgrind's file each function has a number, told once with its name; where it is what costs are of, the line begins with `fn=`.
#[test]
fn nothing_of_the_machine_is_counted() {
    if !has_valgrind() {
        return;
    }
    count("clock", &[], "machine");
    let text = std::fs::read_to_string(file("machine")).unwrap();
    let numbers = |name: &str| -> BTreeSet<&str> {
        let named = text.lines().filter(|l| l.contains(name));
        named
            .filter_map(|l| l.strip_prefix("c").unwrap_or(l).strip_prefix("fn=")?.split(' ').next())
            .collect()
    };
    let counted =
        |number: &&str| text.lines().any(|l| l.strip_prefix("fn=").is_some_and(|l| l.starts_with(number)));
    assert!(numbers("switch::worked").iter().any(counted), "the policy is");
    assert_eq!(numbers("sampled::Small").iter().find(|n| counted(n)), None);
}

#[test]
fn every_point_of_a_shipped_policy_has_a_count() {
    if !has_valgrind() {
        return;
    }
    let trace = trace();
    let runs = [1000, 1200].map(|pages| Run { trace: &trace, pages, percent: None });
    let policies = ["fifo", "lru", "clock"].map(str::to_owned);
    let mut points = simulate(&runs, &policies, Mode::Once, None, &|_| {}).unwrap();
    let folder = file("points");
    std::fs::create_dir_all(&folder).unwrap();
    cost::fill(&mut points, Path::new(PROGRAM), &folder, &runs, &[], None, &|| {}).unwrap();
    for point in &points {
        let shipped = ["fifo", "clock"].contains(&point.policy.as_str());
        assert_eq!(point.instructions_per_eviction.is_some(), shipped, "{}", point.policy);
    }
    let json = ebb_sim::report::json(&points);
    assert_eq!(json[0]["instructions_per_eviction"].as_f64(), points[0].instructions_per_eviction);
    assert!(json[1]["instructions_per_eviction"].is_null());
    let instructions = format!("{:.0}", points[0].instructions_per_eviction.unwrap());
    let table = ebb_sim::report::table(&points);
    assert!(
        table.contains("instr/evict") && table.lines().nth(1).unwrap().ends_with(&instructions),
        "{table}"
    );
    assert!(ebb_sim::html::page(&points).contains(&format!("<td>{instructions}</td>")));
}

#[test]
fn with_few_evictions_there_is_no_count() {
    if !has_valgrind() {
        return;
    }
    let trace = trace();
    let run = Run { trace: &trace, pages: 4000, percent: None };
    assert_eq!(cost::count(Path::new(PROGRAM), &file("few"), &run, "fifo", &[], None).unwrap(), None);
}

#[test]
fn what_fails_says_so() {
    if !has_valgrind() {
        return;
    }
    let trace = trace();
    let run = Run { trace: &trace, pages: 1000, percent: None };
    let said = |program: &str| {
        cost::count(Path::new(program), &file("wrong"), &run, "fifo", &[], None).unwrap_err().to_string()
    };
    assert!(said("/no/such/program").contains("failed"));
    // It runs, and is none that can be counted.
    assert!(said("/bin/true").contains("nothing"));
}
