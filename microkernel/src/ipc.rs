// SPDX-License-Identifier: BSD-2-Clause
//! Synchronous messages: call, receive, reply.
//!
//! Each operation first tries its short way, for messages that fit into registers and partners that wait already: all checks
//! come before the first write, so that giving up undoes nothing. What a thread waits for is in its state and in the
//! queue it is linked into; [`detach`] undoes both.
//!
//! | what ends it            | a thread that sends or waits for its answer        | a thread that receives |
//! |-------------------------|----------------------------------------------------|------------------------|
//! | the endpoint            | `Dead` while its message is queued                  | `Dead`                 |
//! | the other side's task   | `Dead` once received                               |                        |
//! | the reply handle closed | `Dead`                                             |                        |
//! | its own stop or end     | message withdrawn; an answer finds the reply stale  | leaves the queue       |

use crate::endpoint::Endpoint;
use crate::handle::{self, Entry};
use crate::kernel::Kernel;
use crate::object::{self, Ref};
use crate::sched::{self, make_ready};
use crate::task::Task;
use crate::thread::{Origin, Regs, State, Thread};
use crate::{fault, notification};
use ebb_abi::message::{
    BYTES, KERNEL_LABELS, MAX_BYTES, MAX_HANDLES, RECEIVED_BITS, RECEIVED_MESSAGE, WORDS,
};
use ebb_abi::{Error, Kind, Rights, Tag};

/// The system call failed: the current thread goes on with the error.
#[inline(always)]
pub fn fail(k: &'static Kernel, current: Ref<Thread>, error: Error) -> Ref<Thread> {
    current.regs.rax.set(error as u64);
    sched::next(k, current)
}

#[inline(always)]
fn copy_words(from: &Regs, to: &Regs) {
    to.rsi.set(from.rsi.get());
    to.rdx.set(from.rdx.get());
    to.r10.set(from.r10.get());
    to.r8.set(from.r8.get());
    to.r9.set(from.r9.get());
    to.r12.set(from.r12.get());
    to.r13.set(from.r13.get());
}

/// A tag that says: words only, no label of the kernel.
#[inline(always)]
fn is_short(tag: u64) -> bool {
    tag < KERNEL_LABELS as u64
}

fn check_tag(tag: Tag) -> Result<(), Error> {
    if tag.label() >= KERNEL_LABELS
        || tag.bytes() > MAX_BYTES
        || tag.handles() > MAX_HANDLES
        || tag.0 >> 52 != 0
    {
        return Err(Error::BadArgument);
    }
    Ok(())
}

/// Handles to send must exist and be `GRANT`; what becomes of them before the message is received is another matter.
fn check_handles(t: Ref<Thread>, tag: Tag) -> Result<(), Error> {
    for cell in &t.buffer().send[..tag.handles()] {
        grantable(t.task(), cell.get() as u64)?;
    }
    Ok(())
}

fn grantable(task: Ref<Task>, handle: u64) -> Result<&'static Entry, Error> {
    let e = handle::entry(task, handle)?;
    if e.is(Kind::Empty) || e.is(Kind::Reply) {
        Err(Error::BadHandle)
    } else if !e.has(Rights::GRANT) {
        Err(Error::NoRight)
    } else {
        Ok(e)
    }
}

/// `Call`.
#[inline(always)]
pub fn call(k: &'static Kernel, current: Ref<Thread>) -> Ref<Thread> {
    let regs = &current.regs;
    let (endpoint, e) = match handle::lookup::<Endpoint>(current.task(), regs.rdi.get(), Rights::SEND) {
        Ok(found) => found,
        Err(error) => return fail(k, current, error),
    };
    if is_short(regs.rsi.get())
        && let Some(receiver) = endpoint.receivers.front()
        && k.sched.rivals(receiver.priority.get()) == 0
        && let Some((slot, reply)) = handle::take_slot(receiver.task())
    {
        endpoint.receivers.pop(receiver);
        begin_call(current, Origin::User);
        current.state.set(State::Replying);
        reply.fill(Kind::Reply, Rights::empty(), current.name(), current.sequence.get());
        let to = &receiver.regs;
        copy_words(regs, to);
        to.rax.set(RECEIVED_MESSAGE);
        to.rdi.set(e.badge.get() as u64);
        to.r14.set(slot as u64);
        return sched::switch(k, receiver);
    }
    call_slowly(k, current, endpoint, e.badge.get())
}

#[inline(never)]
fn call_slowly(k: &'static Kernel, current: Ref<Thread>, endpoint: Ref<Endpoint>, badge: u32) -> Ref<Thread> {
    let tag = Tag(current.regs.rsi.get());
    if let Err(error) = check_tag(tag).and_then(|()| check_handles(current, tag)) {
        return fail(k, current, error);
    }
    begin_call(current, Origin::User);
    current.badge.set(badge);
    match offer(current, endpoint) {
        Some(receiver) => sched::run(k, receiver),
        None => sched::next(k, current),
    }
}

#[inline(always)]
fn begin_call(t: Ref<Thread>, origin: Origin) {
    t.origin.set(origin);
    t.sequence.set(t.sequence.get().wrapping_add(1));
}

/// Sends the message that [`Thread::speak`] set, in the name of a thread that waits for nothing. Returns the receiver that it
/// woke, which is in no queue.
pub fn send_for(t: Ref<Thread>, endpoint: Ref<Endpoint>, badge: u32) -> Option<Ref<Thread>> {
    begin_call(t, t.origin.get());
    t.badge.set(badge);
    offer(t, endpoint)
}

/// Hands a message to a waiting receiver, who is returned, or queues it.
fn offer(sender: Ref<Thread>, endpoint: Ref<Endpoint>) -> Option<Ref<Thread>> {
    let receiver = endpoint.receivers.front();
    if let Some(r) = receiver {
        leave_queue(r);
        match deliver(sender, r) {
            Ok(()) => return receiver,
            Err(error) => r.regs.rax.set(error as u64),
        }
    }
    sender.state.set(State::Sending);
    sender.endpoint.set(Some(endpoint));
    endpoint.senders.push_back(sender);
    receiver
}

/// Moves a message from a sender, that is in no queue, to a receiver; the sender waits for the answer from then on. Fails
/// with `NoSlot`, and then nothing has happened.
fn deliver(sender: Ref<Thread>, receiver: Ref<Thread>) -> Result<(), Error> {
    let from_user = sender.origin.get() == Origin::User;
    let tag = Tag(if from_user { sender.regs.rsi.get() } else { sender.tag.get() });
    if !handle::has_free(receiver.task(), 1 + tag.handles()) {
        return Err(Error::NoSlot);
    }
    let (slot, reply) = handle::take_slot(receiver.task()).ok_or(Error::NoSlot)?;
    reply.fill(Kind::Reply, Rights::empty(), sender.name(), sender.sequence.get());
    if from_user {
        copy_words(&sender.regs, &receiver.regs);
        transfer(sender, receiver, tag)?;
    } else {
        set_message(receiver, tag, sender.words.each_ref().map(|w| w.get()));
    }
    receiver.regs.rax.set(RECEIVED_MESSAGE);
    receiver.regs.rdi.set(sender.badge.get() as u64);
    receiver.regs.r14.set(slot as u64);
    sender.state.set(State::Replying);
    Ok(())
}

fn set_message(t: Ref<Thread>, tag: Tag, words: [u64; WORDS]) {
    let r = &t.regs;
    r.rsi.set(tag.0);
    for (cell, word) in [&r.rdx, &r.r10, &r.r8, &r.r9, &r.r12, &r.r13].into_iter().zip(words) {
        cell.set(word);
    }
}

/// Copies bytes and handles of a message whose tag has been checked. Fails with `NoSlot`, before it copies anything.
#[inline(never)]
fn transfer(from: Ref<Thread>, to: Ref<Thread>, tag: Tag) -> Result<(), Error> {
    if !handle::has_free(to.task(), tag.handles()) {
        return Err(Error::NoSlot);
    }
    let (source, target) = (from.buffer(), to.buffer());
    if tag.bytes() > 0 {
        let len = tag.bytes().min(MAX_BYTES);
        // SAFETY: both are message buffers, and the length ends inside them.
        unsafe { object::copy_bytes(source.frame(), BYTES, target.frame(), BYTES, len) };
    }
    for index in 0..tag.handles().min(MAX_HANDLES) {
        let copied = grantable(from.task(), source.send[index].get() as u64).ok().and_then(|e| {
            let (slot, new) = handle::take_slot(to.task())?;
            new.fill_copy(e, e.rights(), e.badge.get());
            Some(slot)
        });
        // A handle that was closed while the message waited arrives as none.
        target.received[index].set(copied.unwrap_or(0) as u32);
    }
    Ok(())
}

/// `Receive`.
pub fn receive(k: &'static Kernel, current: Ref<Thread>) -> Ref<Thread> {
    match endpoint_to_receive(current) {
        Ok(endpoint) => receive_from(k, current, endpoint, None),
        Err(error) => fail(k, current, error),
    }
}

/// The endpoint in `r14`; none needs a bound notification.
fn endpoint_to_receive(current: Ref<Thread>) -> Result<Option<Ref<Endpoint>>, Error> {
    let handle = current.regs.r14.get();
    if handle != 0 {
        return Ok(Some(handle::lookup::<Endpoint>(current.task(), handle, Rights::RECEIVE)?.0));
    }
    if current.bound.get().is_none() { Err(Error::BadArgument) } else { Ok(None) }
}

/// Receives, having answered a caller, who is in no queue.
fn receive_from(
    k: &'static Kernel,
    current: Ref<Thread>,
    endpoint: Option<Ref<Endpoint>>,
    answered: Option<Ref<Thread>>,
) -> Ref<Thread> {
    let regs = &current.regs;
    let result = if let Some(n) = current.bound.get()
        && n.bits.get() != 0
    {
        regs.rdi.set(n.bits.replace(0));
        RECEIVED_BITS
    } else if let Some(endpoint) = endpoint
        && let Some(sender) = endpoint.senders.front()
    {
        match deliver(sender, current) {
            Ok(()) => {
                endpoint.senders.pop(sender);
                RECEIVED_MESSAGE
            }
            Err(error) => error as u64,
        }
    } else if regs.r15.get() & 1 != 0 {
        Error::WouldBlock as u64
    } else {
        wait(current, endpoint);
        return match answered {
            Some(caller) => sched::run(k, caller),
            None => sched::next(k, current),
        };
    };
    regs.rax.set(result);
    if let Some(caller) = answered {
        make_ready(k, caller);
    }
    sched::next(k, current)
}

#[inline(always)]
fn wait(t: Ref<Thread>, endpoint: Option<Ref<Endpoint>>) {
    t.state.set(State::Receiving);
    t.endpoint.set(endpoint);
    if let Some(endpoint) = endpoint {
        endpoint.receivers.push_back(t);
    }
}

/// A thread that sends or receives leaves the queue that it is in, if any. In other states it is in none, whatever
/// `endpoint` still says.
pub fn leave_queue(t: Ref<Thread>) {
    match (t.state.get(), t.endpoint.get()) {
        (State::Sending, Some(endpoint)) => endpoint.senders.remove(t),
        (State::Receiving, Some(endpoint)) => endpoint.receivers.remove(t),
        _ => {}
    }
}

/// `Reply`.
pub fn reply(k: &'static Kernel, current: Ref<Thread>) -> Ref<Thread> {
    match take_reply(current).and_then(|caller| answer(current, caller)) {
        Ok(Answered { thread, error }) => {
            if let Some(caller) = thread {
                make_ready(k, caller);
            }
            current.regs.rax.set(error.map_or(0, |e| e as u64));
            sched::next(k, current)
        }
        Err(error) => fail(k, current, error),
    }
}

/// `ReplyReceive`.
#[inline(always)]
pub fn reply_receive(k: &'static Kernel, current: Ref<Thread>) -> Ref<Thread> {
    let regs = &current.regs;
    let task = current.task();
    if is_short(regs.rsi.get())
        && let Ok(e) = handle::entry(task, regs.rdi.get())
        && e.is(Kind::Reply)
        && let Some(caller) = e.caller()
        && caller.origin.get() == Origin::User
        && let Ok((endpoint, _)) = handle::lookup::<Endpoint>(task, regs.r14.get(), Rights::RECEIVE)
        && endpoint.senders.front().is_none()
        && current.bound.get().is_none_or(|n| n.bits.get() == 0)
        && regs.r15.get() & 1 == 0
        && k.sched.rivals(caller.priority.get()) == 0
    {
        handle::free_slot(task, regs.rdi.get() as u16, e);
        let to = &caller.regs;
        copy_words(regs, to);
        to.rax.set(RECEIVED_MESSAGE);
        to.rdi.set(0);
        to.r14.set(0);
        wait(current, Some(endpoint));
        return sched::switch(k, caller);
    }
    reply_receive_slowly(k, current)
}

#[inline(never)]
fn reply_receive_slowly(k: &'static Kernel, current: Ref<Thread>) -> Ref<Thread> {
    let done = endpoint_to_receive(current).and_then(|endpoint| {
        let caller = take_reply(current)?;
        Ok((endpoint, answer(current, caller)?))
    });
    match done {
        Ok((endpoint, Answered { thread, error: None })) => receive_from(k, current, endpoint, thread),
        Ok((_, Answered { thread, error: Some(error) })) => {
            if let Some(caller) = thread {
                make_ready(k, caller);
            }
            fail(k, current, error)
        }
        Err(error) => fail(k, current, error),
    }
}

/// The handle of a call to be answered with label 0 is of the right kind. For `MapReplyReceive`, which checks before it maps.
pub fn check_reply_receive(current: Ref<Thread>) -> Result<(), Error> {
    if !handle::entry(current.task(), current.regs.rdi.get())?.is(Kind::Reply) {
        return Err(Error::BadHandle);
    }
    endpoint_to_receive(current).map(|_| ())
}

/// The second half of `MapReplyReceive`: answers with label 0 and no words, and receives.
pub fn resume_and_receive(k: &'static Kernel, current: Ref<Thread>) -> Ref<Thread> {
    set_message(current, Tag(0), [0; WORDS]);
    let regs = &current.regs;
    let task = current.task();
    if let Ok(e) = handle::entry(task, regs.rdi.get())
        && e.is(Kind::Reply)
        && let Some(caller) = e.caller()
        && caller.origin.get() == Origin::Fault
        && let Ok((endpoint, _)) = handle::lookup::<Endpoint>(task, regs.r14.get(), Rights::RECEIVE)
    {
        handle::free_slot(task, regs.rdi.get() as u16, e);
        return receive_from(k, current, Some(endpoint), Some(caller));
    }
    reply_receive_slowly(k, current)
}

/// Takes the reply handle in `rdi` away. `None`: whoever waited for the answer does so no longer.
fn take_reply(current: Ref<Thread>) -> Result<Option<Ref<Thread>>, Error> {
    let slot = current.regs.rdi.get();
    let e = handle::entry(current.task(), slot)?;
    if !e.is(Kind::Reply) {
        return Err(Error::BadHandle);
    }
    let caller = e.caller();
    handle::free_slot(current.task(), slot as u16, e);
    Ok(caller)
}

/// What came of an answer.
struct Answered {
    /// A thread that is ready now, in no queue: the caller, or the receiver of what its answer led to.
    thread: Option<Ref<Thread>>,
    /// What the one who answered did wrong; the caller got `Dead` then.
    error: Option<Error>,
}

/// Answers a caller with the message in the current thread's registers and buffer.
#[inline(never)]
fn answer(current: Ref<Thread>, caller: Option<Ref<Thread>>) -> Result<Answered, Error> {
    let Some(caller) = caller else { return Ok(Answered { thread: None, error: None }) };
    let tag = Tag(current.regs.rsi.get());
    if let Err(error) = check_tag(tag).and_then(|()| check_handles(current, tag)) {
        return Ok(Answered { thread: end_call(caller, Error::Dead), error: Some(error) });
    }
    let thread = match caller.origin.get() {
        Origin::User => {
            let to = &caller.regs;
            // A caller without room for the handles gets that as its result; the answerer cannot help it.
            let result = transfer(current, caller, tag);
            if result.is_ok() {
                copy_words(&current.regs, to);
            }
            to.rax.set(result.map_or_else(|e| e as u64, |()| RECEIVED_MESSAGE));
            to.rdi.set(0);
            to.r14.set(0);
            Some(caller)
        }
        origin => fault::answered(caller, origin, tag.label()),
    };
    Ok(Answered { thread, error: None })
}

/// Ends the call of a thread that waits for its answer, or whose message is queued (it has left the queue). Returns a thread
/// that is ready now, in no queue.
#[inline(never)]
pub fn end_call(caller: Ref<Thread>, error: Error) -> Option<Ref<Thread>> {
    match caller.origin.get() {
        Origin::User => {
            caller.regs.rax.set(error as u64);
            Some(caller)
        }
        origin => fault::answered(caller, origin, 1),
    }
}

/// A reply handle goes, unused.
pub fn abandon(k: &'static Kernel, e: &Entry) {
    if let Some(caller) = e.caller()
        && let Some(ready) = end_call(caller, Error::Dead)
    {
        make_ready(k, ready);
    }
}

/// Whatever a thread waits for, it waits no longer, and is in no queue. Its system call, if it is in one, fails with `Dead`.
#[inline(never)]
pub fn detach(k: &Kernel, t: Ref<Thread>) {
    match t.state.get() {
        State::Ready => sched::unready(k, t),
        State::Sending | State::Receiving | State::Replying => {
            leave_queue(t);
            if t.state.get() == State::Receiving || t.origin.get() == Origin::User {
                t.regs.rax.set(Error::Dead as u64);
            }
            // An answer under way finds another number.
            t.sequence.set(t.sequence.get().wrapping_add(1));
        }
        State::Stopped | State::Held | State::Running => {}
    }
    t.state.set(State::Stopped);
}

/// The endpoint goes: everybody in its queues gets `Dead`.
pub fn endpoint_dies(k: &'static Kernel, endpoint: Ref<Endpoint>) {
    while let Some(t) = endpoint.receivers.front() {
        leave_queue(t);
        t.regs.rax.set(Error::Dead as u64);
        make_ready(k, t);
    }
    while let Some(t) = endpoint.senders.front() {
        leave_queue(t);
        if let Some(ready) = end_call(t, Error::Dead) {
            make_ready(k, ready);
        }
    }
}

/// The notification goes: a thread that waits for nothing else gets `Dead`.
pub fn notification_dies(k: &'static Kernel, n: Ref<notification::Notification>) {
    if let Some(t) = n.thread.get() {
        notification::unbind(t);
        if t.state.get() == State::Receiving && t.endpoint.get().is_none() {
            t.regs.rax.set(Error::Dead as u64);
            make_ready(k, t);
        }
    }
}
