// SPDX-License-Identifier: BSD-2-Clause
//! Processes, one behaviour a test.

use ebb_proc::limits::{self, initial};
use ebb_proc::signals::{Action, can_be_ignored, default_action};
use ebb_proc::{BYTES, Header, Kind, MAX_PROCESSES, New, Slot, Table, Waiter, Waits, Words};
use ebb_proto::Error;
use ebb_proto::proc::{Change, Ended, Group, Limit, Pid, Resource, UNLIMITED, signal};

/// Memory of the test's own.
#[derive(Clone)]
struct Memory(Vec<u64>);

impl Memory {
    fn new() -> Memory {
        Memory(vec![0; BYTES / 8])
    }
}

impl Words for Memory {
    fn count(&self) -> usize {
        self.0.len()
    }
    fn load(&self, at: usize) -> u64 {
        self.0[at]
    }
    fn store(&mut self, at: usize, value: u64) {
        self.0[at] = value;
    }
}

struct Machine {
    table: Table<Memory>,
    next: Pid,
}

impl Machine {
    fn new() -> Machine {
        Machine { table: Table::open(Memory::new()).unwrap(), next: 10 }
    }

    fn start(&mut self, name: &str, parent: Option<Slot>, group: Group) -> Result<Slot, Error> {
        let slot = self.table.begin(&New {
            name,
            parent,
            group,
            image: 7,
            initial: initial(1000, 2000),
            thread: 0,
        })?;
        self.next += 1;
        self.table.made(slot, self.next);
        self.table.started(slot);
        Ok(slot)
    }

    fn child(&mut self, parent: Slot) -> Slot {
        self.start("child", Some(parent), Group::Inherited).unwrap()
    }

    fn end(&mut self, slot: Slot, status: u8) {
        self.table.end(slot, &Ended { status, reason: String::new() });
        self.table.cleared(slot);
    }
}

fn first() -> (Machine, Slot) {
    let mut m = Machine::new();
    let shell = m.start("shell", None, Group::Own).unwrap();
    (m, shell)
}

#[test]
fn prs_078_a_child_has_the_limits_of_its_parent() {
    let (mut m, shell) = first();
    assert_eq!(m.table.limits(shell), initial(1000, 2000));
    let limit = Limit { soft: 5 << 20, hard: 6 << 20 };
    m.table.set_limit(shell, Resource::Rss, limit).unwrap();
    let child = m.child(shell);
    assert_eq!(m.table.limits(child), m.table.limits(shell));
    assert_eq!(m.table.limits(child)[0], limit);
    // From now on each has its own.
    m.table.set_limit(shell, Resource::Rss, Limit { soft: 1 << 20, hard: 6 << 20 }).unwrap();
    assert_eq!(m.table.limits(child)[0], limit);
}

#[test]
fn prs_079_prs_080_prs_081_stack_data_and_address_space_begin_as_the_platform_says() {
    let all = initial(1000, 2000);
    let of = |r: Resource| (all[r as usize].soft, all[r as usize].hard);
    assert_eq!(of(Resource::Stack), (limits::STACK, limits::MAX_STACK));
    assert_eq!(of(Resource::Data), (limits::DATA, limits::DATA));
    assert_eq!(of(Resource::AddressSpace), (UNLIMITED, UNLIMITED));
    assert_eq!(limits::stack(&all), limits::STACK);
}

#[test]
fn prs_082_the_limit_on_resident_bytes_begins_with_what_is_free_and_can_rise_to_all_there_is() {
    let rss = initial(1000, 2000)[Resource::Rss as usize];
    assert_eq!((rss.soft, rss.hard), (4_096_000, 8_192_000));
}

#[test]
fn a_limit_is_never_above_its_hard_value_which_never_rises() {
    let (mut m, shell) = first();
    let mut set = |soft, hard| m.table.set_limit(shell, Resource::Stack, Limit { soft, hard });
    assert_eq!(set(2, 1), Err(Error::Invalid));
    assert_eq!(set(1, UNLIMITED), Err(Error::NotPermitted));
    assert_eq!(set(1, 10), Ok(()));
    assert_eq!(set(1, 11), Err(Error::NotPermitted));
    assert_eq!(set(10, 10), Ok(()));
    assert_eq!(limits::stack(&m.table.limits(shell)), 4096);
}

#[test]
fn no_more_processes_than_the_limit_allows() {
    let (mut m, shell) = first();
    m.table.set_limit(shell, Resource::Processes, Limit { soft: 3, hard: 3 }).unwrap();
    let child = m.child(shell);
    m.child(shell);
    assert_eq!(m.start("one more", Some(shell), Group::Inherited), Err(Error::Busy));
    // One that has ended does not count.
    m.end(child, 0);
    assert!(m.start("one more", Some(shell), Group::Inherited).is_ok());
}

#[test]
fn prs_071_prs_073_an_end_is_the_end_of_one_process_and_is_told_when_its_space_is_free() {
    let (mut m, shell) = first();
    let (one, two) = (m.child(shell), m.child(shell));
    let ended = Ended { status: 3, reason: "because".into() };
    assert!(m.table.end(one, &ended));
    assert_eq!(m.table.news(one), None, "its space is still there");
    m.table.cleared(one);
    assert_eq!(m.table.news(one), Some(Change::Ended(ended)));
    assert_eq!((m.table.kind(two), m.table.news(two)), (Kind::Running, None));
    m.table.forget(one);
    assert_eq!(m.table.all().count(), 2);
}

#[test]
fn children_of_an_ended_process_are_nobodys_and_leave_nothing() {
    let (mut m, shell) = first();
    let middle = m.child(shell);
    let (ended, running) = (m.child(middle), m.child(middle));
    m.end(ended, 1);
    m.end(middle, 0);
    assert_eq!(m.table.parent(running), 0);
    assert_eq!(m.table.all().count(), 3, "shell, middle, running");
    m.end(running, 0);
    assert_eq!(m.table.all().count(), 2);
}

#[test]
fn a_parent_that_never_asks_loses_the_oldest() {
    let (mut m, shell) = first();
    let mut pids = Vec::new();
    for n in 0..300u32 {
        let child = m.child(shell);
        pids.push(m.table.pid(child));
        m.end(child, n as u8);
    }
    let there: Vec<bool> = pids.iter().map(|pid| m.table.child(shell, *pid).is_ok()).collect();
    assert!(there[..44].iter().all(|t| !t) && there[44..].iter().all(|t| *t));
}

#[test]
fn a_full_table_takes_no_more_and_ended_ones_make_room() {
    let (mut m, shell) = first();
    let mut last = shell;
    for _ in 1..MAX_PROCESSES {
        last = m.child(shell);
    }
    assert_eq!(m.start("more", Some(shell), Group::Inherited), Err(Error::Busy));
    m.end(last, 0);
    assert!(m.start("more", Some(shell), Group::Inherited).is_ok());
}

#[test]
fn stopping_and_going_on_is_told_once() {
    let (mut m, shell) = first();
    let child = m.child(shell);
    assert_eq!(m.table.action(child, signal::CONT), Ok(Action::Ignore));
    assert_eq!(m.table.action(child, signal::TSTP), Ok(Action::Stop));
    m.table.stopped(child, signal::TSTP);
    assert_eq!(m.table.action(child, signal::STOP), Ok(Action::Ignore), "it is stopped");
    assert_eq!(m.table.news(child), Some(Change::Stopped(signal::TSTP)));
    assert_eq!(m.table.news(child), None);
    assert_eq!(m.table.action(child, signal::CONT), Ok(Action::Continue));
    m.table.continued(child);
    assert_eq!(m.table.news(child), Some(Change::Continued));
    assert_eq!(m.table.kind(child), Kind::Running);
    // What was undone before anybody asked is not told.
    m.table.stopped(child, signal::STOP);
    m.table.continued(child);
    assert_eq!(m.table.news(child), Some(Change::Continued));
    assert_eq!(m.table.news(child), None);
}

#[test]
fn ignored_signals_do_nothing_and_children_ignore_them_too() {
    let (mut m, shell) = first();
    for s in [signal::INT, signal::TSTP] {
        m.table.set_ignored(shell, s, true).unwrap();
    }
    let child = m.child(shell);
    assert_eq!(m.table.action(child, signal::INT), Ok(Action::Ignore));
    assert_eq!(m.table.action(child, signal::TSTP), Ok(Action::Ignore));
    assert_eq!(m.table.action(child, signal::TERM), Ok(Action::End));
    m.table.set_ignored(child, signal::INT, false).unwrap();
    assert_eq!(m.table.action(child, signal::INT), Ok(Action::End));
    assert_eq!(m.table.action(shell, signal::INT), Ok(Action::Ignore));
    for s in [signal::KILL, signal::STOP, 0, 32, 255] {
        assert_eq!(m.table.set_ignored(child, s, true), Err(Error::Invalid), "{s}");
        assert!(!can_be_ignored(s));
    }
    assert_eq!(m.table.action(child, 32), Err(Error::Invalid));
    // Going on cannot be refused.
    m.table.set_ignored(child, signal::CONT, true).unwrap();
    m.table.stopped(child, signal::STOP);
    assert_eq!(m.table.action(child, signal::CONT), Ok(Action::Continue));
}

#[test]
fn every_signal_has_an_action_and_nothing_else_has() {
    for n in 0..=u8::MAX {
        assert_eq!(default_action(n).is_some(), (1..=signal::LAST).contains(&n), "{n}");
    }
    assert_eq!(default_action(signal::KILL), Some(Action::End));
    assert_eq!(default_action(signal::CHLD), Some(Action::Ignore));
}

#[test]
fn groups_are_inherited_made_and_joined() {
    let (mut m, shell) = first();
    let one = m.start("one", Some(shell), Group::Own).unwrap();
    let group = m.table.pid(one);
    let two = m.start("two", Some(shell), Group::Of(group)).unwrap();
    let three = m.child(two);
    assert_eq!(m.table.members(group), [one, two, three]);
    assert_eq!(m.start("lost", Some(shell), Group::Of(9999)), Err(Error::NotFound));
    assert_eq!(m.table.set_group(three, one, Group::Own), Err(Error::NotFound), "not its child");
    m.table.set_group(shell, two, Group::Own).unwrap();
    assert_eq!(m.table.members(group), [one, three]);
    m.end(one, 0);
    assert_eq!(m.table.members(group), [three], "a group outlives its first member");
    assert_eq!(m.table.members(0), []);
}

#[test]
fn niceness_has_bounds_and_is_inherited() {
    let (mut m, shell) = first();
    assert_eq!(m.table.set_nice(shell, 100), 19);
    assert_eq!(m.table.set_nice(shell, -128), -20);
    let child = m.child(shell);
    assert_eq!(m.table.nice(child), -20);
    assert_eq!(m.table.image(child), 7);
}

#[test]
fn long_names_are_cut_between_characters() {
    let (mut m, shell) = first();
    let child = m.start(&"ü".repeat(40), Some(shell), Group::Inherited).unwrap();
    assert_eq!(m.table.name(child), "ü".repeat(32));
    let odd = m.start(&format!("a{}", "ü".repeat(40)), Some(shell), Group::Inherited).unwrap();
    assert_eq!(m.table.name(odd), format!("a{}", "ü".repeat(31)));
    let reason = "out of memory: ".repeat(20);
    m.table.end(odd, &Ended { status: 137, reason: reason.clone() });
    assert_eq!(m.table.ended(odd).unwrap().reason, reason[..ebb_proc::MAX_REASON]);
}

#[test]
fn who_waits_for_one_child_goes_before_who_waits_for_any() {
    let mut waits = Waits::default();
    waits.add(1, None, "any");
    waits.add(1, Some(5), "five");
    waits.add(2, Some(5), "somebody else's");
    assert_eq!(waits.take(1, 5, true), Some(Waiter::End("five")));
    assert_eq!(waits.take(1, 5, true), Some(Waiter::Any("any")));
    assert_eq!(waits.take(1, 5, true), None);
    waits.add(1, Some(6), "six");
    // That it stopped is not its end.
    assert_eq!(waits.take(1, 6, false), None);
    assert_eq!(waits.take_all(1, 6), ["six"]);
    waits.add(1, None, "any");
    assert_eq!(waits.take_any(2), [""; 0]);
    assert_eq!(waits.take_any(1), ["any"]);
    waits.forget(2);
    assert_eq!(waits.count(), 0);
}

#[test]
fn a_table_is_found_again_and_something_else_is_not_taken_for_one() {
    let (mut m, shell) = first();
    m.table.set_header(Header::First, m.table.pid(shell) as u64);
    let child = m.child(shell);
    let pid = m.table.pid(child);
    m.table.watch(shell);
    let mut again = Table::open(m.table.into_words()).unwrap();
    let left = again.repair();
    assert_eq!((left.running.len(), left.damaged), (2, 0));
    assert_eq!(again.name(again.find(pid).unwrap()), "child");
    assert!(again.watches(again.find(again.header(Header::First) as Pid).unwrap()));
    let mut other = Memory::new();
    other.store(0, 77);
    assert_eq!(Table::open(other).err(), Some(Error::Malformed));
    assert_eq!(Table::open(Memory(vec![0; 100])).err(), Some(Error::TooLong));
}

#[test]
fn damage_is_found_and_contained() {
    let (mut m, shell) = first();
    let (one, two) = (m.child(shell), m.child(shell));
    let mut memory = m.table.clone_words();
    // A head that is none, and a number that another one has.
    let (a, b) = (m.table.word_of(one, 0), m.table.word_of(two, 1));
    memory.store(a, 99);
    memory.store(b, memory.load(m.table.word_of(shell, 1)));
    let mut again = Table::open(memory).unwrap();
    let left = again.repair();
    assert_eq!((left.damaged, left.running.len()), (2, 1));
    assert_eq!(again.repair().damaged, 0);
    m.end(one, 0);
}

/// What only a test does.
trait Inside {
    fn clone_words(&self) -> Memory;
    fn word_of(&self, slot: Slot, word: usize) -> usize;
}

impl Inside for Table<Memory> {
    fn clone_words(&self) -> Memory {
        let mut copy = Memory::new();
        for at in 0..copy.0.len() {
            copy.0[at] = self.word(at);
        }
        copy
    }
    fn word_of(&self, slot: Slot, word: usize) -> usize {
        8 + slot.index() * 40 + word
    }
}

#[test]
fn prs_074_a_shared_space_is_somebodys_until_the_last_process_in_it_has_ended() {
    let (mut m, shell) = first();
    let owner = m.child(shell);
    let space = m.table.space(owner);
    let share = |m: &mut Machine, parent, thread| {
        let (group, initial) = (Group::Inherited, initial(1000, 2000));
        let new = New { name: "shared", parent: Some(parent), group, image: 7, initial, thread };
        let slot = m.table.begin(&new).unwrap();
        m.next += 1;
        m.table.made_in(slot, m.next, space);
        m.table.started(slot);
        slot
    };
    let (one, two) = (share(&mut m, owner, 1), share(&mut m, owner, 2));
    let three = share(&mut m, one, 3);
    assert_eq!(m.table.sharing(space).len(), 4);
    for slot in [owner, one, two, three] {
        assert_eq!(m.table.with_badge(m.table.badge(slot)), Some(slot));
    }
    assert_eq!(m.table.badge(owner), space);
    // Whoever began it ends first: count -1, and nobody else is touched.
    let pid = m.table.pid(two);
    m.end(owner, 0);
    assert_eq!((m.table.sharing(space).len(), m.table.with_badge(space)), (3, None));
    assert_eq!((m.table.parent(one), m.table.parent(three)), (0, m.table.pid(one)));
    m.end(one, 0);
    m.end(three, 0);
    assert_eq!(m.table.sharing(space), [two]);
    assert_eq!(m.table.find(pid), Some(two));
    m.end(two, 0);
    assert!(m.table.sharing(space).is_empty());
}
