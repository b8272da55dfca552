// SPDX-License-Identifier: BSD-2-Clause
//! Messages.

use crate::assistant::{Rig, must};
use crate::{check, check_eq, memory};
use core::cell::Cell;
use ebb_abi::boot::handles::PHYS_MEM;
use ebb_abi::message::{KERNEL_LABELS, LABEL_FAULT, MAX_BYTES};
use ebb_abi::{Error, Handle, Rights, Tag};
use ebb_sys::buffer;
use ebb_sys::ipc::{self, Message, Received};
use ebb_sys::object::{handle_close, handle_copy};

const ENDPOINT: Handle = Handle(1);
const BOTH: Rights = Rights::SEND.union(Rights::RECEIVE);

/// Answers each message with label and words one higher, badge in the last word, bytes turned around by one, and no handles.
pub extern "C" fn echo(_: u64) -> ! {
    let mut received = ipc::receive(ENDPOINT);
    loop {
        let Ok(Received::Message { badge, reply, message }) = received else { crate::raw::undefined() };
        let mut words = message.words.map(|w| w + 1);
        words[5] = badge;
        let bytes = message.tag.bytes();
        buffer::vector().iter().take(bytes.div_ceil(8)).for_each(|c: &Cell<u64>| c.set(!c.get()));
        let tag = Tag::new(message.tag.label() + 1, bytes, 0);
        received = ipc::reply_receive(reply, &Message { tag, words }, ENDPOINT);
    }
}

pub fn message(label: u32, words: [u64; 6]) -> Message {
    Message { tag: Tag::new(label, 0, 0), words }
}

pub fn words(rig: &mut Rig) {
    for priority in [1, 3, 5] {
        let e = rig.endpoint();
        let a = rig.start(echo, 0, priority, &[(e, BOTH, 0)]);
        let badged = must(handle_copy(Handle::NONE, e, Rights::SEND | Rights::GRANT, 77));
        // The first call may find no receiver, the others do.
        for round in 0..5 {
            let answer = must(ipc::call(badged, &message(9, [round, 2, 3, 4, u64::MAX - 1, 6])));
            check_eq!(answer.tag, Tag::new(10, 0, 0));
            check_eq!(answer.words, [round + 1, 3, 4, 5, u64::MAX, 77]);
        }
        // A badge stays what it is.
        let again = must(handle_copy(Handle::NONE, badged, Rights::SEND, 78));
        check_eq!(must(ipc::call(again, &message(0, [0; 6]))).words[5], 77);
        check_eq!(must(ipc::call(e, &message(0, [0; 6]))).words[5], 0);
        check_eq!(ipc::receive(badged).err(), Some(Error::NoRight));
        must(handle_close(again));
        must(handle_close(badged));
        rig.end(a);
        rig.destroy(e);
    }
}

pub fn bytes(rig: &mut Rig) {
    let e = rig.endpoint();
    let a = rig.start(echo, 0, 3, &[(e, BOTH, 0)]);
    for len in [1, 7, 8, 9, 100, 4031, MAX_BYTES] {
        let mut data = [0u8; MAX_BYTES];
        data.iter_mut().enumerate().for_each(|(i, b)| *b = (i * 7) as u8);
        buffer::put(&data[..len]);
        let answer = must(ipc::call(e, &Message { tag: Tag::new(1, len, 0), words: [1; 6] }));
        check_eq!((answer.tag.bytes(), answer.words[0]), (len, 2));
        let mut back = [0u8; MAX_BYTES];
        buffer::get(&mut back);
        check!(back[..len].iter().zip(&data).all(|(b, d)| *b == !*d));
        // What lies behind the bytes of a message stays with its sender.
        check!(len == MAX_BYTES || back[len] != !data[len] || len % 8 == 0 || back[len] == data[len]);
    }
    rig.end(a);
    rig.destroy(e);
}

/// Signals the notification that comes with each message, and sends the handle back.
extern "C" fn signaller(_: u64) -> ! {
    let mut received = ipc::receive(ENDPOINT);
    loop {
        let Ok(Received::Message { reply, message, .. }) = received else { crate::raw::undefined() };
        let given = buffer::received_handle(0);
        let result = ipc::signal(given, message.words[0]);
        let nr = buffer::put_handles(&[given]);
        let words = [result.is_ok() as u64, message.tag.handles() as u64, given.0 as u64, 0, 0, 0];
        received = ipc::reply_receive(reply, &Message { tag: Tag::new(0, 0, nr), words }, ENDPOINT);
        must(handle_close(given));
    }
}

pub fn handles(rig: &mut Rig) {
    let e = rig.endpoint();
    let n = rig.notification();
    let a = rig.start(signaller, 0, 4, &[(e, BOTH, 0)]);
    let m = |nr| Message { tag: Tag::new(1, 0, nr), words: [5, 0, 0, 0, 0, 0] };
    let given = must(handle_copy(Handle::NONE, n, Rights::SEND | Rights::GRANT, 0));
    for _ in 0..3 {
        buffer::put_handles(&[given]);
        let answer = must(ipc::call(e, &m(1)));
        check_eq!(&answer.words[..2], &[1, 1]);
        // Slot 1 is the endpoint.
        check!(answer.words[2] > 1);
        check_eq!(answer.tag.handles(), 1);
        let back = buffer::received_handle(0);
        check_eq!(ipc::signal(back, 1), Ok(()));
        check_eq!(handle_copy(Handle::NONE, back, Rights::RECEIVE, 0), Err(Error::NoRight));
        must(handle_close(back));
    }
    let bare = must(handle_copy(Handle::NONE, n, Rights::SEND, 0));
    buffer::put_handles(&[bare]);
    check_eq!(ipc::call(e, &m(1)).err(), Some(Error::NoRight));
    buffer::put_handles(&[given, Handle(4000)]);
    check_eq!(ipc::call(e, &m(2)).err(), Some(Error::BadHandle));
    must(handle_close(bare));
    must(handle_close(given));
    rig.end(a);
    rig.destroy(n);
    rig.destroy(e);
}

pub fn refused(rig: &mut Rig) {
    let e = rig.endpoint();
    let a = rig.start(echo, 0, 4, &[(e, BOTH, 0)]);
    let call = |tag| ipc::call(e, &Message { tag, words: [0; 6] }).err();
    check_eq!(call(Tag::new(0, MAX_BYTES + 1, 0)), Some(Error::BadArgument));
    check_eq!(call(Tag::new(0, 0, 5)), Some(Error::BadArgument));
    check_eq!(call(Tag::new(KERNEL_LABELS, 0, 0)), Some(Error::BadArgument));
    check_eq!(call(Tag::new(LABEL_FAULT, 0, 0)), Some(Error::BadArgument));
    check_eq!(call(Tag(1 << 52)), Some(Error::BadArgument));
    check_eq!(call(Tag(u64::MAX)), Some(Error::BadArgument));
    check_eq!(ipc::call(PHYS_MEM, &Message::default()).err(), Some(Error::BadHandle));
    check_eq!(ipc::reply(e, &Message::default()), Err(Error::BadHandle));
    check_eq!(ipc::reply(Handle::NONE, &Message::default()), Err(Error::BadHandle));
    check!(call(Tag::new(KERNEL_LABELS - 2, 0, 0)).is_none());
    rig.end(a);
    rig.destroy(e);
}

/// Calls its endpoint once, with its number, and notes the answer in the shared page.
pub extern "C" fn caller(number: u64) -> ! {
    let result = ipc::call(ENDPOINT, &message(1, [number, 0, 0, 0, 0, 0]));
    let noted = match result {
        Ok(m) => 1000 + m.words[0],
        Err(error) => error as u64,
    };
    memory::set(number as usize, noted);
    loop {
        // Waits forever: a call that nobody receives.
        let _ = ipc::call(Handle(2), &Message::default());
    }
}

pub fn next_message(e: Handle) -> (Handle, Message, u64) {
    match ipc::receive(e) {
        Ok(Received::Message { reply, message, badge }) => (reply, message, badge),
        other => panic!("no message: {other:?}"),
    }
}

pub fn out_of_order(rig: &mut Rig) {
    let (e, silent) = (rig.endpoint(), rig.endpoint());
    let callers: [_; 4] = core::array::from_fn(|i| {
        memory::set(i, 0);
        rig.start(caller, i as u64, 5, &[(e, Rights::SEND, 10 + i as u32), (silent, Rights::SEND, 0)])
    });
    let mut replies = [Handle::NONE; 4];
    for (i, reply) in replies.iter_mut().enumerate() {
        let (r, m, badge) = next_message(e);
        check_eq!((m.words[0], badge), (i as u64, 10 + i as u64));
        *reply = r;
    }
    for i in [2, 0, 3, 1] {
        check_eq!(memory::get(i), 0);
        check_eq!(ipc::reply(replies[i], &message(0, [7 * i as u64, 0, 0, 0, 0, 0])), Ok(()));
        // Priority 5 runs before this returns.
        check_eq!(memory::get(i), 1000 + 7 * i as u64);
        check_eq!(ipc::reply(replies[i], &message(0, [0; 6])), Err(Error::BadHandle));
    }
    callers.into_iter().for_each(|c| rig.end(c));
    rig.destroy(silent);
    rig.destroy(e);
}

/// Fills its own handle table, then calls; notes the result, frees a slot, and calls again.
extern "C" fn full_caller(_: u64) -> ! {
    let mut last = Handle::NONE;
    while let Ok(h) = handle_copy(Handle::NONE, Handle(3), Rights::HARVEST, 0) {
        last = h;
    }
    let note = |r: Result<Message, Error>| r.map_or_else(|e| e as u64, |m| 1000 + m.tag.handles() as u64);
    memory::set(0, note(ipc::call(ENDPOINT, &message(1, [0; 6]))));
    must(handle_close(last));
    memory::set(1, note(ipc::call(ENDPOINT, &message(1, [0; 6]))));
    caller(2)
}

pub fn no_slot(rig: &mut Rig) {
    let (e, silent) = (rig.endpoint(), rig.endpoint());
    (0..3).for_each(|i| memory::set(i, 0));
    // The caller has no room for the handles of the answer.
    let given =
        [(e, Rights::SEND, 0), (silent, Rights::SEND, 0), (PHYS_MEM, Rights::HARVEST | Rights::GRANT, 0)];
    let a = rig.start(full_caller, 0, 5, &given);
    for expected in [Error::NoSlot as u64, 1001] {
        let (reply, _, _) = next_message(e);
        let nr = buffer::put_handles(&[PHYS_MEM]);
        check_eq!(ipc::reply(reply, &Message { tag: Tag::new(0, 0, nr), words: [0; 6] }), Ok(()));
        check_eq!(memory::get((expected == 1001) as usize), expected);
    }
    let (reply, _, _) = next_message(e);
    check_eq!(ipc::reply(reply, &message(0, [0; 6])), Ok(()));
    rig.end(a);

    // The receiver has no room for the reply handle: the message waits.
    let a = rig.start(caller, 2, 5, &[(e, Rights::SEND, 0), (silent, Rights::SEND, 0)]);
    let mut taken = [Handle::NONE; 300];
    let mut nr = 0;
    while let Ok(h) = handle_copy(Handle::NONE, PHYS_MEM, Rights::HARVEST, 0) {
        taken[nr] = h;
        nr += 1;
    }
    check_eq!(ipc::receive(e).err(), Some(Error::NoSlot));
    check_eq!(ipc::receive(e).err(), Some(Error::NoSlot));
    taken[..nr].iter().rev().for_each(|h| must(handle_close(*h)));
    let (reply, m, _) = next_message(e);
    check_eq!(m.words[0], 2);
    check_eq!(ipc::reply(reply, &message(0, [0; 6])), Ok(()));
    rig.end(a);
    rig.destroy(silent);
    rig.destroy(e);
}

pub fn not_waiting(rig: &mut Rig) {
    let e = rig.endpoint();
    check!(matches!(ipc::poll(e), Ok(None)));
    check_eq!(ipc::receive(Handle::NONE).err(), Some(Error::BadArgument));
    check_eq!(ipc::receive(Handle(3000)).err(), Some(Error::BadHandle));
    rig.destroy(e);
    check_eq!(ipc::receive(e).err(), Some(Error::BadHandle));
}
