// SPDX-License-Identifier: BSD-2-Clause
//! References of a traced program: what is noted is what a naive window says, whatever the program does and however late it is taken.

use crate::model::World;
use crate::model::world::PAGE;
use ebb_abi::meter::Counter;
use ebb_proto::Error;
use ebb_proto::vm::{self as proto, INIT, MAX_EVENTS, Reference, Request, Space};
use ebb_vm::trace::ROOM;
use proptest::prelude::*;
use std::collections::VecDeque;

fn start(w: &mut World, space: Space, window: u32, reader: Space) -> Result<(), Error> {
    w.init(Request::TraceStart(proto::TraceStart { space, window, reader }))
}

fn take(w: &mut World, reader: Space, space: Space) -> Result<(Vec<u64>, bool), Error> {
    w.ask(reader, Request::TraceTake(proto::TraceTake { space }))
}

/// All that there is, read.
fn all(w: &mut World, reader: Space, space: Space) -> Vec<(Reference, u64)> {
    let mut notes = Vec::new();
    loop {
        let (some, goes_on) = take(w, reader, space).expect("a trace");
        assert!(some.len() <= MAX_EVENTS);
        let last = some.is_empty() || !goes_on;
        notes.extend(some.into_iter().map(|word| Reference::read(word).expect("a reference")));
        if last {
            return notes;
        }
    }
}

/// A reader, a traced program with so many pages, and their address.
fn traced(w: &mut World, window: u32, pages: u64) -> (Space, Space, u64) {
    let (reader, p) = (w.program(), w.program());
    assert_eq!(start(w, p, window, reader), Ok(()));
    let a = w.mmap(p, pages);
    (reader, p, a)
}

#[test]
fn each_reference_beyond_the_window_is_noted_in_order() {
    let mut w = World::new(400);
    let (reader, p, a) = traced(&mut w, 8, 12);
    // Round and round over more pages than the window has: every touch is one, also the third round's, when all are resident.
    for _ in 0..3 {
        (0..12).for_each(|n| assert!(w.write(p, a + n * PAGE, 1 + n)));
    }
    let seen = all(&mut w, reader, p);
    let expected: Vec<_> = (0..36).map(|n| (Reference::Write, a / PAGE + n % 12)).collect();
    assert_eq!(seen, expected);
    // In the window nothing is seen, and nothing costs a fault.
    let before = w.count(Counter::v_vm_faults);
    (4..12).for_each(|n| assert!(w.read(p, a + n * PAGE)));
    assert_eq!((w.count(Counter::v_vm_faults), all(&mut w, reader, p)), (before, vec![]));
    w.check();
}

#[test]
fn a_write_after_a_read_is_noted_once() {
    let mut w = World::new(400);
    let (reader, p, a) = traced(&mut w, 8, 3);
    assert!(w.read(p, a) && w.read(p, a + PAGE) && w.write(p, a, 5) && w.write(p, a, 6));
    let page = a / PAGE;
    let expected = [(Reference::Read, page), (Reference::Read, page + 1), (Reference::Written, page)];
    assert_eq!(all(&mut w, reader, p), expected);
    w.check();
}

#[test]
fn notes_outlive_the_program_and_end_once() {
    let mut w = World::new(400);
    let (reader, p, a) = traced(&mut w, 8, 3);
    assert!(w.write(p, a, 1));
    w.end(p);
    assert_eq!(take(&mut w, reader, p), Ok((vec![Reference::Write.of(a / PAGE)], false)));
    assert_eq!(take(&mut w, reader, p), Err(Error::NotFound));
    w.check();
}

#[test]
fn a_program_waits_for_its_reader_and_goes_on_without_it() {
    let mut w = World::new(400);
    let (reader, p, a) = traced(&mut w, 8, 16);
    let mut touches = 0;
    while w.write(p, a + touches % 16 * PAGE, touches) {
        touches += 1;
        assert!(touches <= ROOM as u64, "it never waits");
    }
    assert!(w.stopped(p));
    let first = all(&mut w, reader, p).len() as u64;
    // The touch that waited is noted too, and none is lost.
    w.run_programs();
    assert!(!w.stopped(p));
    assert_eq!(first + all(&mut w, reader, p).len() as u64, touches + 1);
    while w.write(p, a + touches % 16 * PAGE, touches) {
        touches += 1;
    }
    w.end(reader);
    w.run_programs();
    assert!(!w.stopped(p), "nobody reads any more: it is a program like any");
    let before = w.count(Counter::v_vm_faults);
    for _ in 0..3 {
        (0..16).for_each(|n| assert!(w.read(p, a + n * PAGE)));
    }
    assert!(w.count(Counter::v_vm_faults) <= before + 16);
    w.check();
}

#[test]
fn an_end_while_it_waits_leaves_nothing() {
    let mut w = World::new(400);
    let (reader, p, a) = traced(&mut w, 8, 16);
    let mut touches = 0;
    while w.write(p, a + touches % 16 * PAGE, touches) {
        touches += 1;
    }
    w.end(p);
    assert_eq!(all(&mut w, reader, p).len() as u64, touches);
    w.check();
}

#[test]
fn what_cannot_be_traced_is_refused() {
    let mut w = World::new(400);
    let (reader, p) = (w.program(), w.program());
    for window in [0, 7, 257] {
        assert_eq!(start(&mut w, p, window, reader), Err(Error::Invalid));
    }
    assert_eq!(start(&mut w, p, 8, 999), Err(Error::NotFound));
    assert_eq!(start(&mut w, 999, 8, reader), Err(Error::NotFound));
    let request = Request::TraceStart(proto::TraceStart { space: p, window: 8, reader });
    assert_eq!(w.ask::<()>(reader, request), Err(Error::NotPermitted), "a program is no manager");
    assert_eq!(start(&mut w, p, 8, reader), Ok(()));
    assert_eq!(start(&mut w, p, 8, reader), Err(Error::Exists));
    assert_eq!(take(&mut w, p, p), Err(Error::NotFound), "another one is the reader");
    let server = w.space("server", true);
    assert_eq!(start(&mut w, server, 8, reader), Err(Error::NotPermitted));
    let running = w.program();
    w.start(running);
    assert_eq!(start(&mut w, running, 8, reader), Err(Error::Exists));
    for _ in 0..3 {
        let more = w.program();
        assert_eq!(start(&mut w, more, 8, reader), Ok(()));
    }
    let one_more = w.program();
    assert_eq!(start(&mut w, one_more, 8, reader), Err(Error::NoMemory));
    assert_eq!(take(&mut w, INIT, p), Err(Error::NotFound));
    w.check();
}

/// What a window of so many pages lets through.
fn naive(width: usize, touches: &[(u64, bool)]) -> Vec<(Reference, u64)> {
    let (mut window, mut notes) = (VecDeque::new(), Vec::new());
    let mut written = std::collections::BTreeSet::new();
    for (page, write) in touches {
        if !window.contains(page) {
            notes.push((if *write { Reference::Write } else { Reference::Read }, *page));
            window.push_back(*page);
            written.remove(page);
            if window.len() > width {
                window.pop_front();
            }
        } else if *write && !written.contains(page) {
            notes.push((Reference::Written, *page));
        }
        if *write {
            written.insert(*page);
        }
    }
    notes
}

proptest! {
    #[test]
    fn what_is_noted_is_what_a_naive_window_says(
        width in 8u32..12,
        touches in prop::collection::vec((0u64..20, any::<bool>()), 1..300),
    ) {
        let mut w = World::new(400);
        let (reader, p, a) = traced(&mut w, width, 20);
        for (n, (page, write)) in touches.iter().enumerate() {
            let stamp = write.then_some(n as u64 + 1);
            prop_assert!(w.touch(p, a + page * PAGE, stamp));
        }
        let expected: Vec<_> =
            naive(width as usize, &touches).into_iter().map(|(r, page)| (r, a / PAGE + page)).collect();
        prop_assert_eq!(all(&mut w, reader, p), expected);
        w.check();
    }
}
