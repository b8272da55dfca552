// SPDX-License-Identifier: BSD-2-Clause
//! Everything against a naive model, and every operation cut short after every store that it makes.

use ebb_proc::limits::{Limits, initial};
use ebb_proc::signals::Action;
use ebb_proc::{BYTES, Kind, New, Slot, Table, Words};
use ebb_proto::proc::{Change, Ended, Group, Limit, Pid, Resource, signal};
use proptest::prelude::*;
use std::cell::Cell;
use std::collections::BTreeMap;

/// Memory whose writer dies after so many stores.
#[derive(Clone)]
struct Memory {
    words: Vec<u64>,
    left: Cell<usize>,
}

impl Words for Memory {
    fn count(&self) -> usize {
        self.words.len()
    }
    fn load(&self, at: usize) -> u64 {
        self.words[at]
    }
    fn store(&mut self, at: usize, value: u64) {
        if self.left.get() > 0 {
            self.left.set(self.left.get() - 1);
            self.words[at] = value;
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
struct Process {
    parent: Pid,
    group: Pid,
    space: Pid,
    thread: u8,
    kind: Kind,
    nice: i8,
    name: String,
    limits: Limits,
    ended: Option<Ended>,
    /// Not told yet.
    news: Option<Change>,
    ignored: Vec<u8>,
}

type Model = BTreeMap<Pid, Process>;

/// Which process: the n-th, however many there are.
#[derive(Clone, Debug)]
enum Step {
    Start(usize, u8),
    End(usize, u8),
    Signal(usize, u8),
    Ignore(usize, u8, bool),
    Ask(usize),
    SetGroup(usize, usize, u8),
    Nice(usize, i8),
    SetLimit(usize, usize, u64, u64),
    Exec(usize),
    Share(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let n = 0..12usize;
    prop_oneof![
        4 => (n.clone(), 0..3u8).prop_map(|(n, g)| Step::Start(n, g)),
        2 => (n.clone(), any::<u8>()).prop_map(|(n, s)| Step::End(n, s)),
        3 => (n.clone(), prop::sample::select(vec![2u8, 9, 15, 17, 18, 19, 20, 77]))
            .prop_map(|(n, s)| Step::Signal(n, s)),
        1 => (n.clone(), prop::sample::select(vec![2u8, 9, 15, 18, 20]), any::<bool>())
            .prop_map(|(n, s, i)| Step::Ignore(n, s, i)),
        3 => n.clone().prop_map(Step::Ask),
        1 => (n.clone(), n.clone(), 0..3u8).prop_map(|(a, b, g)| Step::SetGroup(a, b, g)),
        1 => (n.clone(), any::<i8>()).prop_map(|(n, v)| Step::Nice(n, v)),
        1 => n.clone().prop_map(Step::Exec),
        2 => n.clone().prop_map(Step::Share),
        1 => (n, 0..6usize, 0..9u64, 0..9u64).prop_map(|(n, r, s, h)| Step::SetLimit(n, r, s, h)),
    ]
}

fn group_of(choice: u8, of: Pid) -> Group {
    [Group::Inherited, Group::Own, Group::Of(of)][choice as usize]
}

fn end_model(model: &mut Model, pid: Pid, ended: Ended) {
    if let Some(p) = model.get_mut(&pid) {
        p.kind = Kind::Ended;
        p.space = 0;
        p.news = Some(Change::Ended(ended.clone()));
        p.ended = Some(ended);
    }
    model.retain(|_, p| p.parent != pid || p.kind != Kind::Ended);
    model.values_mut().filter(|p| p.parent == pid).for_each(|p| p.parent = 0);
    if model.get(&pid).is_some_and(|p| p.parent == 0) {
        model.remove(&pid);
    }
}

/// What should happen, as simply as it can be said.
fn apply_model(model: &mut Model, step: &Step, next: Pid) {
    let alive: Vec<Pid> = model.iter().filter(|(_, p)| p.kind != Kind::Ended).map(|(pid, _)| *pid).collect();
    let pick = |n: usize| alive.get(n % alive.len().max(1)).copied();
    let known = |model: &Model, parent: Pid, group: Pid| {
        group != 0
            && (model[&parent].group == group
                || model.values().any(|p| p.parent == parent && p.group == group))
    };
    match step {
        Step::Start(n, choice) => {
            let parent = pick(*n);
            let of = parent.map_or(0, |p| model[&p].group);
            let mut new = Process {
                parent: parent.unwrap_or(0),
                group: next,
                space: next,
                thread: 0,
                kind: Kind::Running,
                nice: 0,
                name: format!("p{next}"),
                limits: initial(100, 200),
                ended: None,
                news: None,
                ignored: Vec::new(),
            };
            if let Some(parent) = parent {
                let p = &model[&parent];
                if model.values().filter(|p| p.kind != Kind::Ended).count() as u64 >= p.limits[5].soft {
                    return;
                }
                if *choice != 1 {
                    new.group = of;
                }
                (new.nice, new.limits, new.ignored) = (p.nice, p.limits, p.ignored.clone());
            } else if *choice == 2 {
                return;
            }
            model.insert(next, new);
        }
        Step::End(n, status) => {
            if let Some(pid) = pick(*n) {
                end_model(model, pid, Ended { status: *status, reason: "r".repeat(*status as usize % 9) });
            }
        }
        Step::Signal(n, signal) => {
            let Some(pid) = pick(*n) else { return };
            let p = model.get_mut(&pid).unwrap();
            let stopped = p.kind == Kind::Stopped;
            match signal {
                17 | 77 => {}
                18 if stopped => {
                    p.kind = Kind::Running;
                    p.news = Some(Change::Continued);
                }
                18 => {}
                s if p.ignored.contains(s) => {}
                19 | 20 if stopped => {}
                19 | 20 => {
                    p.kind = Kind::Stopped;
                    p.news = Some(Change::Stopped(*signal));
                }
                s => end_model(model, pid, Ended { status: 128 + s, reason: String::new() }),
            }
        }
        Step::Ignore(n, s, ignored) => {
            let Some(pid) = pick(*n) else { return };
            let p = model.get_mut(&pid).unwrap();
            if *s != 9 {
                p.ignored.retain(|i| i != s);
                if *ignored {
                    p.ignored.push(*s);
                    p.ignored.sort_unstable();
                }
            }
        }
        Step::Ask(n) => {
            let all: Vec<Pid> = model.keys().copied().collect();
            let Some(pid) = all.get(n % all.len().max(1)) else { return };
            let p = model.get_mut(pid).unwrap();
            if p.kind == Kind::Ended {
                model.remove(pid);
            } else {
                p.news = None;
            }
        }
        Step::SetGroup(a, b, choice) => {
            let (Some(who), Some(pid)) = (pick(*a), pick(*b)) else { return };
            let of = model[&pid].group;
            if (who != pid && model[&pid].parent != who) || (*choice == 2 && !known(model, who, of)) {
                return;
            }
            let group = [model[&who].group, pid, of][*choice as usize];
            model.get_mut(&pid).unwrap().group = group;
        }
        Step::Nice(n, value) => {
            if let Some(pid) = pick(*n) {
                model.get_mut(&pid).unwrap().nice = (*value).clamp(-20, 19);
            }
        }
        Step::Exec(n) => {
            if let Some(pid) = pick(*n).filter(|pid| model[pid].thread == 0) {
                let p = model.get_mut(&pid).unwrap();
                (p.name, p.space) = (format!("x{next}"), next);
            }
        }
        Step::Share(n) => {
            let Some(parent) = pick(*n) else { return };
            let p = &model[&parent];
            if model.values().filter(|p| p.kind != Kind::Ended).count() as u64 >= p.limits[5].soft {
                return;
            }
            let name = format!("s{next}");
            let (kind, thread, news, ended) = (Kind::Running, next as u8 | 1, None, None);
            let new = Process { parent, name, kind, thread, news, ended, ..p.clone() };
            model.insert(next, new);
        }
        Step::SetLimit(n, resource, soft, hard) => {
            let Some(pid) = pick(*n) else { return };
            let limit = &mut model.get_mut(&pid).unwrap().limits[*resource];
            if soft <= hard && *hard <= limit.hard {
                *limit = Limit { soft: *soft, hard: *hard };
            }
        }
    }
}

/// The same with the table.
fn apply(table: &mut Table<Memory>, step: &Step, next: Pid) {
    let mut alive: Vec<Slot> = table.all().filter(|s| table.kind(*s) != Kind::Ended).collect();
    alive.sort_by_key(|s| table.pid(*s));
    let pick = |n: usize| alive.get(n % alive.len().max(1)).copied();
    let end = |table: &mut Table<Memory>, slot: Slot, ended: Ended| {
        table.end(slot, &ended);
        table.cleared(slot);
    };
    match step {
        Step::Start(n, choice) => {
            let parent = pick(*n);
            let group = group_of(*choice, parent.map_or(0, |p| table.group(p)));
            let name = format!("p{next}");
            let new = New { name: &name, parent, group, image: 0, initial: initial(100, 200), thread: 0 };
            if let Ok(slot) = table.begin(&new) {
                table.made(slot, next);
                table.started(slot);
            }
        }
        Step::End(n, status) => {
            if let Some(slot) = pick(*n) {
                end(table, slot, Ended { status: *status, reason: "r".repeat(*status as usize % 9) });
            }
        }
        Step::Signal(n, s) => {
            let Some(slot) = pick(*n) else { return };
            match table.action(slot, *s) {
                Ok(Action::Ignore) | Err(_) => {}
                Ok(Action::Stop) => table.stopped(slot, *s),
                Ok(Action::Continue) => table.continued(slot),
                Ok(Action::End) => end(table, slot, Ended { status: 128 + s, reason: String::new() }),
            }
        }
        Step::Ignore(n, s, ignored) => {
            if let Some(slot) = pick(*n) {
                let refused = table.set_ignored(slot, *s, *ignored).is_err();
                assert_eq!(refused, *s == signal::KILL);
            }
        }
        Step::Ask(n) => {
            let mut all: Vec<Slot> = table.all().collect();
            all.sort_by_key(|s| table.pid(*s));
            if let Some(slot) = all.get(n % all.len().max(1))
                && let Some(Change::Ended(_)) = table.news(*slot)
            {
                table.forget(*slot);
            }
        }
        Step::SetGroup(a, b, choice) => {
            let (Some(who), Some(slot)) = (pick(*a), pick(*b)) else { return };
            let group = group_of(*choice, table.group(slot));
            // Refused or not shows in what there is afterwards.
            let _ = table.set_group(who, slot, group);
        }
        Step::Nice(n, value) => {
            if let Some(slot) = pick(*n) {
                table.set_nice(slot, *value);
            }
        }
        Step::Exec(n) => {
            if let Some(slot) = pick(*n).filter(|s| table.thread(*s) == 0) {
                table.replaced(slot, next, &format!("x{next}"), 3);
            }
        }
        Step::Share(n) => {
            let Some(parent) = pick(*n) else { return };
            let (name, thread) = (format!("s{next}"), next as u8 | 1);
            let (space, initial) = (table.space(parent), initial(100, 200));
            let group = Group::Inherited;
            let new = New { name: &name, parent: Some(parent), group, image: 0, initial, thread };
            if let Ok(slot) = table.begin(&new) {
                table.made_in(slot, next, space);
                table.started(slot);
            }
        }
        Step::SetLimit(n, resource, soft, hard) => {
            if let Some(slot) = pick(*n) {
                let limit = Limit { soft: *soft, hard: *hard };
                let _ = table.set_limit(slot, Resource::ALL[*resource], limit);
            }
        }
    }
}

/// All that there is to see, without what a look would change.
fn see(table: &Table<Memory>) -> Model {
    // Looking at news takes them: a copy is looked at.
    let memory =
        Memory { words: (0..BYTES / 8).map(|at| table.word(at)).collect(), left: Cell::new(usize::MAX) };
    let mut copy = Table::open(memory).unwrap();
    let slots: Vec<Slot> = copy.all().collect();
    for slot in slots.iter().filter(|s| copy.kind(**s) != Kind::Ended) {
        assert_eq!(copy.with_badge(copy.badge(*slot)), Some(*slot), "known as {}", copy.badge(*slot));
        let same = slots.iter().filter(|s| copy.space(**s) == copy.space(*slot));
        assert_eq!(copy.sharing(copy.space(*slot)), same.copied().collect::<Vec<_>>());
    }
    let one = |copy: &mut Table<Memory>, s: Slot| Process {
        parent: copy.parent(s),
        space: copy.space(s),
        thread: copy.thread(s),
        group: copy.group(s),
        kind: copy.kind(s),
        nice: copy.nice(s),
        name: copy.name(s),
        limits: copy.limits(s),
        ended: copy.ended(s),
        ignored: (1..=31).filter(|n| copy.ignores(s, *n)).collect(),
        news: copy.news(s),
    };
    slots.into_iter().map(|s| (copy.pid(s), one(&mut copy, s))).collect()
}

fn finish(table: &mut Table<Memory>) {
    let left = table.repair();
    assert_eq!(left.damaged, 0);
    left.ended.into_iter().for_each(|slot| table.cleared(slot));
}

fn memory() -> Memory {
    Memory { words: vec![0; BYTES / 8], left: Cell::new(usize::MAX) }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn the_table_does_what_the_model_says(steps in prop::collection::vec(step(), 1..120)) {
        let mut table = Table::open(memory()).unwrap();
        let mut model = Model::new();
        for (n, step) in steps.iter().enumerate() {
            apply(&mut table, step, n as Pid + 100);
            apply_model(&mut model, step, n as Pid + 100);
            prop_assert_eq!(see(&table), model.clone(), "after {:?}", step);
        }
    }

    #[test]
    fn a_server_that_dies_between_any_two_stores_leaves_all_or_nothing(
        steps in prop::collection::vec(step(), 1..25)
    ) {
        let mut table = Table::open(memory()).unwrap();
        for (n, step) in steps.iter().enumerate() {
            let next = n as Pid + 100;
            let before = see(&table);
            let start = Memory { words: (0..BYTES / 8).map(|at| table.word(at)).collect(), left: Cell::new(usize::MAX) };
            apply(&mut table, step, next);
            let after = see(&table);
            for stores in 0.. {
                let cut = Memory { left: Cell::new(stores), ..start.clone() };
                let mut dying = Table::open(cut).unwrap();
                apply(&mut dying, step, next);
                let left = dying.into_words();
                let complete = left.left.get() > 0;
                let mut again = Table::open(Memory { left: Cell::new(usize::MAX), ..left }).unwrap();
                finish(&mut again);
                let found = see(&again);
                let mut right = found == before || found == after;
                if let Step::SetLimit(..) = step {
                    // Its two halves are in two words, the soft one never above the hard one.
                    right = found.values().all(|p| p.limits.iter().all(|l| l.soft <= l.hard));
                }
                if let Step::Exec(..) = step {
                    // Its name comes later: it is for people.
                    let nameless = |mut model: Model| {
                        model.values_mut().for_each(|p| p.name.clear());
                        model
                    };
                    let (found, before, after) =
                        (nameless(found.clone()), nameless(before.clone()), nameless(after.clone()));
                    right = found == before || found == after;
                }
                prop_assert!(right, "{:?} after {} stores:\n{:?}\n{:?}\n{:?}", step, stores, before, found, after);
                if complete {
                    break;
                }
            }
        }
    }
}
