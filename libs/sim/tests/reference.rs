// SPDX-License-Identifier: BSD-2-Clause
//! The simulator against published figures: misses of an independent simulator on page reference traces of real programs
//! (`data/reference-miss-ratios.csv`). The traces are too large to be kept here: the folder that has them is named by `EBB_TRACES`; without it
//! the models are compared on the small trace kept here (`data/lines.txt`) and on a made-up one, with implementations that follow the papers without any cleverness.

use std::collections::HashMap;
use std::path::Path;

use ebb_sim::{Mode, Run, Setting, Trace, simulate, simulate_with};

const REFERENCE: &str = include_str!("data/reference-miss-ratios.csv");
/// Policies that have to agree to the last miss.
const EXACT: [(&str, &str); 6] =
    [("fifo", "FIFO"), ("clock", "CLOCK"), ("lru", "LRU"), ("2q", "2Q"), ("sieve", "SIEVE"), ("min", "MIN")];
/// Policies whose papers leave details open, and how far they may lie outside what the references span.
const NEAR: [(&str, &str, f64); 4] =
    [("arc", "ARC", 0.002), ("lirs", "LIRS", 0.03), ("s3-fifo", "S3-FIFO", 0.03), ("car", "CAR", 0.01)];

/// Misses by trace, mode, pages and policy, one for each implementation.
fn reference() -> HashMap<(String, String, u32, String), Vec<u64>> {
    let mut rows: HashMap<_, Vec<u64>> = HashMap::new();
    for line in REFERENCE.lines().skip(1) {
        let f: Vec<&str> = line.split(',').collect();
        let key = (f[0].to_owned(), f[1].to_owned(), f[3].parse().unwrap(), f[4].to_owned());
        rows.entry(key).or_default().push(f[7].parse().unwrap());
    }
    rows
}

#[test]
fn misses_are_those_of_the_reference() {
    let Some(folder) = std::env::var_os("EBB_TRACES") else {
        println!("EBB_TRACES names no folder of traces: nothing is compared");
        return;
    };
    let reference = reference();
    let mut names: Vec<String> = reference.keys().map(|k| k.0.clone()).collect();
    names.sort();
    names.dedup();
    let policies: Vec<String> =
        EXACT.iter().map(|p| p.0).chain(NEAR.iter().map(|p| p.0)).map(str::to_owned).collect();
    let mut compared = 0;
    for name in names {
        let trace = Trace::read(&Path::new(&folder).join(format!("{name}.u32.zst")), None).unwrap();
        let mut sizes: Vec<u32> = reference.keys().filter(|k| k.0 == name).map(|k| k.2).collect();
        sizes.sort_unstable();
        sizes.dedup();
        let runs: Vec<Run<'_>> =
            sizes.iter().map(|pages| Run { trace: &trace, pages: *pages, percent: None }).collect();
        for mode in [Mode::Once, Mode::FaultRestart] {
            for point in simulate(&runs, &policies, mode, None, &|_| {}).unwrap() {
                let published = |called: &str| {
                    let key = (name.clone(), mode.name().to_owned(), point.pages, called.to_owned());
                    reference[&key].clone()
                };
                let at = format!("{} on {name}, {} pages, {}", point.policy, point.pages, mode.name());
                if let Some((_, called)) = EXACT.iter().find(|p| p.0 == point.policy) {
                    assert!(published(called).iter().all(|m| *m == point.misses), "{at}: {}", point.misses);
                } else if let Some((_, called, slack)) = NEAR.iter().find(|p| p.0 == point.policy) {
                    let all = published(called);
                    let (least, most) =
                        (*all.iter().min().unwrap() as f64, *all.iter().max().unwrap() as f64);
                    let misses = point.misses as f64;
                    assert!(
                        misses >= least * (1.0 - slack) && misses <= most * (1.0 + slack),
                        "{at}: {misses}"
                    );
                }
                compared += 1;
            }
        }
    }
    assert!(compared >= 400, "only {compared} points");
}

/// The trace that is kept here, without a folder of others: misses and write-backs agree to the last.
#[test]
fn misses_are_those_of_the_models_on_the_trace_kept_here() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let trace = Trace::read(&data.join("lines.u32.zst"), None).unwrap();
    assert_eq!((trace.pages.len(), trace.unique), (104_070, 360));
    let policies: Vec<String> = EXACT.iter().map(|p| p.0.to_owned()).collect();
    let mut compared = 0;
    for line in include_str!("data/lines-reference.csv").lines().skip(1) {
        let f: Vec<&str> = line.split(',').collect();
        let mode = if f[1] == "once" { Mode::Once } else { Mode::FaultRestart };
        let policy = EXACT.iter().position(|p| p.1 == f[4]).unwrap();
        let run = [Run { trace: &trace, pages: f[3].parse().unwrap(), percent: None }];
        let points = simulate(&run, &policies[policy..=policy], mode, None, &|_| {}).unwrap();
        assert_eq!(points[0].misses, f[7].parse::<u64>().unwrap(), "{line}");
        // Which of the pages that never come again goes is open in MIN; one may be dirty.
        if f[4] != "MIN" {
            assert_eq!(points[0].writebacks, f[10].parse::<u64>().unwrap(), "{line}");
        }
        compared += 1;
    }
    assert_eq!(compared, 2 * 4 * EXACT.len());
}

/// A trace of phases: hot pages, loops, scans.
fn made_up(refs: u64) -> Trace {
    let mut state = 88_172_645_463_325_252_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut list = Vec::new();
    for i in 0..refs {
        let r = random();
        let page = match (i / 2000) % 3 {
            0 => (r % 40).min(r >> 8 & 127),
            1 => i % 90,
            _ if r.is_multiple_of(3) => 200 + i % 300,
            _ => r % 30,
        };
        list.push((page, r & 0x7000 == 0));
    }
    Trace::new("made-up", list)
}

/// A cache as a list, newest last, with marks; `hit` and `evict` say what the policy does.
fn naive(trace: &Trace, size: usize, restart: bool, policy: &str) -> u64 {
    let mut list: Vec<(u32, bool)> = Vec::new();
    let (mut misses, mut hand) = (0, 0usize);
    for (number, page) in trace.pages.iter().enumerate() {
        let at = list.iter().position(|p| p.0 == *page);
        let touch = |list: &mut Vec<(u32, bool)>, at: usize| match policy {
            "lru" => {
                let entry = list.remove(at);
                list.push(entry);
            }
            _ => list[at].1 = true,
        };
        if let Some(at) = at {
            touch(&mut list, at);
            continue;
        }
        misses += 1;
        if list.len() == size {
            match policy {
                "clock" | "second-chance" => {
                    while list[0].1 {
                        let entry = list.remove(0);
                        list.push((entry.0, false));
                    }
                    list.remove(0);
                }
                "sieve" => {
                    hand %= list.len();
                    while list[hand].1 {
                        list[hand].1 = false;
                        hand = (hand + 1) % list.len();
                    }
                    list.remove(hand);
                    if hand == list.len() {
                        // Behind the newest comes the oldest, and not the page that comes in now.
                        hand = 0;
                    }
                }
                "min" => {
                    let next =
                        |p: u32| trace.pages[number..].iter().position(|q| *q == p).unwrap_or(usize::MAX);
                    let far = (0..list.len()).max_by_key(|i| next(list[*i].0)).unwrap();
                    list.remove(far);
                }
                _ => {
                    list.remove(0);
                }
            }
        }
        list.push((*page, false));
        if restart {
            let last = list.len() - 1;
            touch(&mut list, last);
        }
    }
    misses
}

#[test]
fn misses_are_those_of_naive_caches() {
    let trace = made_up(30_000);
    let runs: Vec<Run<'_>> =
        [1, 2, 20, 64, 100].map(|pages| Run { trace: &trace, pages, percent: None }).into();
    let policies = ["fifo", "clock", "second-chance", "lru", "sieve", "min"].map(str::to_owned);
    for mode in [Mode::Once, Mode::FaultRestart] {
        for point in simulate(&runs, &policies, mode, None, &|_| {}).unwrap() {
            let misses = naive(&trace, point.pages as usize, mode == Mode::FaultRestart, &point.policy);
            assert_eq!(point.misses, misses, "{} with {} pages, {}", point.policy, point.pages, mode.name());
        }
    }
}

#[test]
fn nothing_beats_the_bound_and_all_end() {
    let trace = made_up(30_000);
    for mode in [Mode::Once, Mode::FaultRestart, Mode::Sampled] {
        let policies: Vec<String> = ebb_sim::policies(mode).into_iter().map(str::to_owned).collect();
        let runs: Vec<Run<'_>> = [8, 64, 200].map(|pages| Run { trace: &trace, pages, percent: None }).into();
        for point in simulate(&runs, &policies, mode, None, &|_| {}).unwrap() {
            assert!(point.regret >= 1.0, "{point:?}");
            assert!(point.misses >= u64::from(trace.unique));
            // What came in and did not go is there.
            assert!(point.misses - point.evictions <= u64::from(point.pages), "{point:?}");
            let refaults: u64 = point.distances.iter().sum();
            assert_eq!(refaults, point.misses - u64::from(trace.unique), "{point:?}");
        }
    }
}

#[test]
fn memory_for_all_pages_misses_each_once() {
    let trace = made_up(5_000);
    let run = [Run { trace: &trace, pages: trace.unique, percent: Some(100.0) }];
    for mode in [Mode::Once, Mode::Sampled] {
        let policies: Vec<String> = ebb_sim::policies(mode).into_iter().map(str::to_owned).collect();
        for point in simulate(&run, &policies, mode, None, &|_| {}).unwrap() {
            assert_eq!((point.misses, point.evictions), (u64::from(trace.unique), 0), "{point:?}");
        }
    }
}

#[test]
fn the_same_run_gives_the_same_points() {
    let trace = made_up(20_000);
    let run = [Run { trace: &trace, pages: 50, percent: None }];
    let policies: Vec<String> = ebb_sim::policies(Mode::Sampled).into_iter().map(str::to_owned).collect();
    let figures = || {
        let points = simulate(&run, &policies, Mode::Sampled, None, &|_| {}).unwrap();
        points.into_iter().map(|p| (p.policy, p.misses, p.writebacks)).collect::<Vec<_>>()
    };
    assert_eq!(figures(), figures());
}

#[test]
fn a_bad_name_says_what_there_is() {
    let trace = made_up(100);
    let run = [Run { trace: &trace, pages: 50, percent: None }];
    let error = simulate(&run, &["nope".to_owned()], Mode::Once, None, &|_| {}).unwrap_err();
    assert!(error.to_string().contains("nope") && error.to_string().contains("sieve"), "{error}");
    // The seed's policy sees nothing but bits.
    assert!(simulate(&run, &["freebsd".to_owned()], Mode::Once, None, &|_| {}).is_err());
}

#[test]
fn options_are_checked_and_take_effect() {
    let read = |text: &str| text.parse::<Setting>();
    for (text, says) in [
        ("2q.kin", "form"),
        ("kin=25", "form"),
        ("2q.kin=-1", "form"),
        ("nope.kin=25", "no policy nope"),
        ("2q.kim=25", "kin, kout"),
        ("fifo.kin=25", "none"),
        ("2q.kin=91", "from 1 to 90"),
    ] {
        let error = read(text).unwrap_err().to_string();
        assert!(error.contains(text) && error.contains(says), "{error}");
    }
    let trace = made_up(20_000);
    let run = [Run { trace: &trace, pages: 50, percent: None }];
    let misses = |policy: &str, setting: &[Setting], mode| {
        let points = simulate_with(&run, &[policy.to_owned()], setting, mode, None, &|_| {}).unwrap();
        points[0].misses
    };
    let (usual, wide, other) =
        (read("2q.kin=25").unwrap(), read("2q.kin=80").unwrap(), read("lfu.step=64").unwrap());
    let default = misses("2q", &[], Mode::Sampled);
    assert_eq!(misses("2q", &[usual], Mode::Sampled), default);
    assert_ne!(misses("2q", std::slice::from_ref(&wide), Mode::Sampled), default);
    assert_eq!(misses("2q", std::slice::from_ref(&other), Mode::Sampled), default);
    assert_ne!(misses("lfu", &[other], Mode::Once), misses("lfu", &[], Mode::Once));
    // The paper's own model has none.
    let error = simulate_with(&run, &["2q".to_owned()], &[wide], Mode::Once, None, &|_| {}).unwrap_err();
    assert!(error.to_string().contains("2q.kin"), "{error}");
}

/// Replacement quality: the best policy that is shipped, with reference bits as the machine has them, at a quarter of each program's pages.
#[test]
fn the_best_shipped_policy_is_within_its_bound() {
    let Some(folder) = std::env::var_os("EBB_TRACES") else {
        println!("EBB_TRACES names no folder of traces: nothing is replayed");
        return;
    };
    let names = ["gcc", "pagerank", "sort", "sort_k1", "sqlite"];
    let traces = names.map(|n| Trace::read(&Path::new(&folder).join(format!("{n}.u32.zst")), None).unwrap());
    let runs: Vec<Run<'_>> = traces
        .iter()
        .map(|trace| Run {
            trace,
            pages: (f64::from(trace.unique) * 0.25).round() as u32,
            percent: Some(25.0),
        })
        .collect();
    let points = simulate(&runs, &["hit-density".to_owned()], Mode::Sampled, None, &|_| {}).unwrap();
    let logs: Vec<f64> = points.iter().filter(|p| p.policy == "hit-density").map(|p| p.regret.ln()).collect();
    let mean = (logs.iter().sum::<f64>() / logs.len() as f64).exp();
    assert!(logs.len() == names.len() && mean <= 2.10, "{mean}");
}
