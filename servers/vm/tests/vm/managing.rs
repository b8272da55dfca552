// SPDX-License-Identifier: BSD-2-Clause
//! Managers of spaces: what they may do, and what becomes of their spaces when they die.

use crate::model::World;
use ebb_abi::Handle;
use ebb_proto::Error;
use ebb_proto::vm::{self as proto, HAPPENING_BIT, Happening, INIT, Protection, Request, Source, Space};

const EXCEPTIONS: Handle = Handle(70);
const NOTIFICATION: Handle = Handle(71);

fn start(space: Space) -> Request {
    Request::Start(proto::Start { space, entry: 0x20_0000, stack: 0x7fff_0000, argument: 0, priority: 5 })
}

/// A server that manages spaces, started.
fn manager(w: &mut World) -> Space {
    let space = w.space("proc", true);
    let (_, answer) = w.call_with(INIT, Request::Manage(proto::Manage { space }), EXCEPTIONS);
    assert!(!matches!(answer, Some(crate::model::reply::Answer::Error(_))), "{answer:?}");
    w.call_with(INIT, start(space), NOTIFICATION);
    space
}

fn space_new(w: &mut World, caller: Space, protected: bool) -> Result<Space, Error> {
    w.ask(caller, Request::SpaceNew(proto::SpaceNew { name: "child".into(), protected }))
}

fn happenings(w: &mut World, caller: Space) -> Vec<Happening> {
    w.ask(caller, Request::TakeEvents(proto::TakeEvents {})).expect("events")
}

#[test]
fn a_manager_does_with_its_own_spaces_what_init_does_and_with_no_others() {
    let mut w = World::new(400);
    let m = manager(&mut w);
    let stranger = w.program();
    assert_eq!(space_new(&mut w, stranger, false), Err(Error::NotPermitted));
    assert_eq!(space_new(&mut w, m, true), Err(Error::NotPermitted), "servers are init's");
    let child = space_new(&mut w, m, false).expect("a space");
    let protection = (Protection::READ | Protection::WRITE).bits();
    let map = |space, source| Request::Map(proto::Map { space, address: 0, pages: 1, protection, source });
    let give = |space| Request::HandleGive(proto::HandleGive { space, rights: 1, badge: 0 });
    let read = |space| Request::ReadMemory(proto::ReadMemory { space, address: 0x20_0000, bytes: 8 });
    for source in [Source::Anonymous, Source::Wired] {
        assert!(w.ask::<u64>(m, map(child, source)).is_ok());
        assert_eq!(w.ask::<u64>(m, map(stranger, source)), Err(Error::NotPermitted));
    }
    assert!(w.ask::<u32>(m, give(child)).is_ok());
    assert!(w.ask::<Vec<u8>>(m, read(child)).is_ok());
    assert_eq!(w.ask::<()>(m, start(child)), Ok(()));
    assert_eq!(w.ask::<u32>(m, give(stranger)), Err(Error::NotPermitted));
    assert_eq!(w.ask::<Vec<u8>>(m, read(stranger)), Err(Error::NotPermitted));
    assert_eq!(w.ask::<()>(m, start(stranger)), Err(Error::NotPermitted));
    let free = |space| Request::SpaceFree(proto::SpaceFree { space });
    for other in [stranger, m, INIT] {
        assert!(w.ask::<()>(m, free(other)).is_err(), "{other}");
    }
    assert_eq!(w.ask::<()>(m, free(child + 1)), Err(Error::NotFound));
    assert_eq!(w.ask::<()>(m, free(child)), Ok(()));
    // And nobody makes himself one.
    let manage = Request::Manage(proto::Manage { space: stranger });
    assert_eq!(w.ask::<()>(stranger, manage), Err(Error::NotPermitted));
    w.check();
}

#[test]
fn a_manager_hears_of_its_spaces_and_the_next_one_has_those_of_a_dead_one() {
    let mut w = World::new(400);
    let m = manager(&mut w);
    let child = space_new(&mut w, m, false).expect("a space");
    let stranger = w.program();
    let lost = |space| Happening::PageLost { space, address: 0x1000 };
    w.vm.m.signals.clear();
    w.vm.happened_to(child, lost(child));
    assert!(w.vm.m.signals.contains(&(NOTIFICATION, HAPPENING_BIT)));
    w.vm.happened_to(stranger, lost(stranger));
    assert_eq!(happenings(&mut w, m), [lost(child)]);
    assert_eq!(w.happenings, [lost(stranger)]);
    // It dies. What happens meanwhile is kept for the next one.
    w.end(m);
    assert!(w.vm.m.closed.contains(&EXCEPTIONS) && w.vm.m.closed.contains(&NOTIFICATION));
    w.vm.happened_to(child, lost(child));
    let next = manager(&mut w);
    assert_eq!(happenings(&mut w, next), [lost(child)]);
    assert_eq!(w.ask::<()>(next, Request::SpaceFree(proto::SpaceFree { space: child })), Ok(()));
    w.check();
}

#[test]
fn a_manager_is_made_before_it_is_started_and_once() {
    let mut w = World::new(400);
    let m = manager(&mut w);
    let again = |space| Request::Manage(proto::Manage { space });
    assert_eq!(w.init::<()>(again(m)), Err(Error::Exists));
    assert_eq!(w.init::<()>(again(INIT)), Err(Error::Exists));
    assert_eq!(w.init::<()>(again(999)), Err(Error::NotFound));
    w.check();
}
