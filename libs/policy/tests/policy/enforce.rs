// SPDX-License-Identifier: BSD-2-Clause
//! A run of the daemon that enforces limits, against a naive model of programs with used, unused and wired pages.

use ebb_policy::enforce::{self, Group, Program, Run, Trimmer, run, slack, sleep_us, usage};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// A program of the model.
#[derive(Clone, Copy, Debug, Default)]
struct Pages {
    idle: u64,
    used: u64,
    wired: u64,
}

impl Pages {
    fn all(&self) -> u64 {
        self.idle + self.used + self.wired
    }
}

#[derive(Default)]
struct Model {
    programs: BTreeMap<u32, Pages>,
    /// Who, target, hard.
    calls: Vec<(u32, u64, bool)>,
}

impl Trimmer for Model {
    fn trim(&mut self, id: u32, target: u64, hard: bool) -> Option<u64> {
        self.calls.push((id, target, hard));
        let p = self.programs.get_mut(&id)?;
        let mut excess = p.all().saturating_sub(target);
        let idle = p.idle.min(excess);
        p.idle -= idle;
        excess -= idle;
        if hard {
            p.used -= p.used.min(excess);
        }
        Some(p.all())
    }
}

fn model(programs: &[(u32, Pages)]) -> Model {
    Model { programs: programs.iter().copied().collect(), calls: Vec::new() }
}

fn program(m: &Model, id: u32, limit: u64, group: u32) -> Program {
    Program { id, resident: m.programs[&id].all(), limit, group, in_memory: true }
}

fn idle(pages: u64) -> Pages {
    Pages { idle: pages, ..Pages::default() }
}

#[test]
fn pgo_199_it_sleeps_a_second_as_long_as_there_is_a_limit() {
    let m = model(&[(1, idle(9))]);
    let free = program(&m, 1, u64::MAX, 0);
    assert_eq!(sleep_us(&[], &[]), None);
    assert_eq!(sleep_us(&[free], &[]), None);
    assert_eq!(sleep_us(&[Program { limit: 5, ..free }], &[]), Some(1_000_000));
    assert_eq!(sleep_us(&[Program { in_memory: false, ..free }], &[]), Some(1_000_000));
    assert_eq!(sleep_us(&[free], &[Group { id: 1, limit: 5 }]), Some(1_000_000));
}

#[test]
fn pgo_201_pgo_206_who_is_gone_is_skipped_and_the_others_are_trimmed() {
    let mut m = model(&[(1, idle(3000)), (2, idle(3000))]);
    let mut all = [program(&m, 1, 2560, 0), program(&m, 2, 2560, 0)];
    m.programs.remove(&1);
    let r = run(&mut m, &mut all, &[]);
    assert_eq!((r.passes, r.over, all[0].resident), (1, 0, 0));
    assert_eq!(all[1].resident, 2560 - slack(2560));
}

#[test]
fn pgo_202_pgo_203_w19_one_rule_for_programs_that_are_out() {
    let mut m = model(&[(1, Pages { idle: 10, used: 10, wired: 0 })]);
    let mut all = [Program { in_memory: false, ..program(&m, 1, 500, 0) }];
    assert_eq!(all[0].limit_now(), 0);
    let r = run(&mut m, &mut all, &[]);
    assert_eq!((r.passes, r.over, all[0].resident), (2, 0, 0), "whatever its threads do");
    // Back in memory its own limit counts again.
    all[0].in_memory = true;
    assert_eq!(all[0].limit_now(), 500);
}

#[test]
fn w24_a_program_at_its_limit_is_left_alone() {
    let mut m = model(&[(1, idle(100)), (2, idle(101))]);
    let mut all = [program(&m, 1, 100, 0), program(&m, 2, 100, 0)];
    let r = run(&mut m, &mut all, &[]);
    assert_eq!(r, Run { passes: 1, trims: 1, unmapped: 4, over: 0 });
    assert_eq!(m.calls, [(2, 97, false)]);
}

#[test]
fn pgo_207_w22_pages_that_are_used_go_in_the_second_pass() {
    let mut m = model(&[(1, Pages { idle: 100, used: 2900, wired: 0 })]);
    let mut all = [program(&m, 1, 2560, 0)];
    let r = run(&mut m, &mut all, &[]);
    assert_eq!((r.passes, r.over), (2, 0));
    assert!(all[0].resident <= 2560);
    assert_eq!(m.calls.iter().map(|c| c.2).collect::<Vec<_>>(), [false, true]);
}

#[test]
fn pgo_208_usage_is_what_there_was_before_the_trim() {
    let m = model(&[(1, idle(700)), (2, idle(300)), (3, idle(50))]);
    let all = [program(&m, 1, u64::MAX, 6), program(&m, 2, u64::MAX, 6), program(&m, 3, u64::MAX, 0)];
    assert_eq!((usage(&all, 6), usage(&all, 7)), (1000, 0));
}

#[test]
fn pgo_209_a_group_loses_no_more_than_a_quarter_a_pass_and_each_in_proportion() {
    let mut m = model(&[(1, idle(800)), (2, idle(200)), (3, idle(500))]);
    let mut all = [program(&m, 1, u64::MAX, 6), program(&m, 2, u64::MAX, 6), program(&m, 3, u64::MAX, 0)];
    let r = run(&mut m, &mut all, &[Group { id: 6, limit: 100 }]);
    assert_eq!(&m.calls[..2], [(1, 600, false), (2, 150, false)]);
    assert_eq!(r.over, 0);
    let both = usage(&all, 6);
    assert!(both <= 100 && both >= 100 - slack(100) - 2, "{both}");
    assert!(all[0].resident >= 3 * all[1].resident, "{all:?}");
    assert_eq!(all[2].resident, 500, "it is in no group");
}

#[test]
fn pgo_210_pgo_211_who_cannot_be_satisfied_costs_eleven_passes() {
    let mut m = model(&[(1, Pages { idle: 0, used: 0, wired: 1000 }), (2, idle(200))]);
    let mut all = [program(&m, 1, 100, 0), program(&m, 2, 100, 0)];
    let r = run(&mut m, &mut all, &[]);
    assert_eq!((r.passes, r.over), (11, 1));
    assert_eq!(m.calls.iter().filter(|c| c.0 == 2).count(), 1, "W20: only offenders are visited again");
    let mut m = model(&[(1, Pages { idle: 0, used: 0, wired: 1000 })]);
    let mut all = [program(&m, 1, u64::MAX, 3)];
    let r = run(&mut m, &mut all, &[Group { id: 3, limit: 10 }]);
    assert_eq!((r.passes, r.over, r.trims), (11, 1, 11));
}

#[test]
fn pgo_212_w20_a_run_ends_when_nobody_is_over_any_more() {
    let mut m = model(&[(1, Pages { idle: 0, used: 300, wired: 0 }), (2, idle(10))]);
    let mut all = [program(&m, 1, 100, 0), program(&m, 2, 100, 0)];
    let r = run(&mut m, &mut all, &[]);
    assert_eq!((r.passes, r.trims, r.over), (2, 2, 0));
}

#[test]
fn w23_only_who_is_concerned_is_looked_at() {
    let m = model(&[(1, idle(50)), (2, idle(50)), (3, idle(50)), (4, idle(0))]);
    let all = [
        program(&m, 1, u64::MAX, 0),
        program(&m, 2, 49, 0),
        program(&m, 3, u64::MAX, 1),
        Program { in_memory: false, ..program(&m, 4, 9, 0) },
    ];
    let ids: Vec<u32> = enforce::concerned(all).iter().map(|p| p.id).collect();
    assert_eq!(ids, [2, 3]);
}

proptest! {
    /// Nobody is over a limit that could be kept; nobody loses a page without reason; a group that was within its limit loses nothing.
    #[test]
    fn runs_keep_limits_and_take_no_more(
        pages in prop::collection::vec((0u64..400, 0u64..400, 0u64..60, 0u64..500, 0u32..4, prop::bool::ANY), 1..12),
        groups in prop::collection::vec(0u64..2000, 0..3),
    ) {
        let mut m = Model::default();
        let mut all = Vec::new();
        for (n, (idle, used, wired, limit, group, in_memory)) in pages.iter().enumerate() {
            let id = n as u32 + 1;
            m.programs.insert(id, Pages { idle: *idle, used: *used, wired: *wired });
            let group = if (*group as usize) <= groups.len() { *group } else { 0 };
            let limit = if *limit > 450 { u64::MAX } else { *limit };
            all.push(Program { in_memory: *in_memory, ..program(&m, id, limit, group) });
        }
        let groups: Vec<Group> =
            groups.iter().enumerate().map(|(n, limit)| Group { id: n as u32 + 1, limit: *limit }).collect();
        let before = all.clone();
        let within: Vec<bool> = groups.iter().map(|g| usage(&before, g.id) <= g.limit).collect();
        let wired = |id: u32| pages[id as usize - 1].2;
        let r = run(&mut m, &mut all, &groups);
        prop_assert!(r.passes <= 11);
        let mut over = 0;
        for (p, was) in all.iter().zip(&before) {
            prop_assert_eq!(p.resident, m.programs[&p.id].all());
            prop_assert!(p.resident <= p.limit_now().max(wired(p.id)));
            over += u32::from(p.resident > p.limit_now());
            if was.resident <= was.limit_now() && (p.group == 0 || within[p.group as usize - 1]) {
                prop_assert_eq!(p.resident, was.resident);
            }
        }
        for g in &groups {
            let least: u64 = all.iter().filter(|p| p.group == g.id).map(|p| wired(p.id)).sum();
            let now = usage(&all, g.id);
            // Wired pages of one member are not made up for by others.
            prop_assert!(now <= g.limit + least, "{} of {}", now, g.limit);
            over += u32::from(now > g.limit);
        }
        prop_assert_eq!(over, r.over);
    }
}
