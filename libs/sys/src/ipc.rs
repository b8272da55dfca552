// SPDX-License-Identifier: BSD-2-Clause
//! Calls, receives, answers, signals.

use crate::Result;
use crate::raw::{Registers, syscall, syscall4};
use ebb_abi::map::MapOp;
use ebb_abi::message::{RECEIVED_BITS, WORDS};
use ebb_abi::syscall::Number;
use ebb_abi::{Error, Handle, Tag};

/// A message as it travels in registers; its bytes and handles are in the message buffer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Message {
    /// What it is and how long.
    pub tag: Tag,
    /// Six words.
    pub words: [u64; WORDS],
}

/// What a receive brought.
#[derive(Clone, Copy, Debug)]
pub enum Received {
    /// A message.
    Message {
        /// Badge of the handle that the sender used.
        badge: u64,
        /// The right to answer.
        reply: Handle,
        /// The message.
        message: Message,
    },
    /// Bits of the bound notification, taken from it.
    Bits(u64),
}

fn registers(handle: Handle, m: &Message) -> Registers {
    let [rdx, r10, r8, r9, r12, r13] = m.words;
    Registers { rdi: handle.0 as u64, rsi: m.tag.0, rdx, r10, r8, r9, r12, r13, ..Default::default() }
}

fn message(out: &Registers) -> Message {
    Message { tag: Tag(out.rsi), words: [out.rdx, out.r10, out.r8, out.r9, out.r12, out.r13] }
}

fn received(out: Registers) -> Result<Received> {
    if out.rax == RECEIVED_BITS {
        return Ok(Received::Bits(out.rdi));
    }
    let out = out.ok()?;
    Ok(Received::Message { badge: out.rdi, reply: Handle(out.r14 as u32), message: message(&out) })
}

/// Sends a message and waits for the answer. `Dead`: the receiver ended before it answered.
#[inline]
pub fn call(endpoint: Handle, m: &Message) -> Result<Message> {
    let out = syscall(Number::Call, registers(endpoint, m)).ok()?;
    Ok(message(&out))
}

/// Waits for a message on `endpoint` or for bits of the bound notification.
pub fn receive(endpoint: Handle) -> Result<Received> {
    received(syscall(Number::Receive, Registers { r14: endpoint.0 as u64, ..Default::default() }))
}

/// Takes a message or bits that are there already.
pub fn poll(endpoint: Handle) -> Result<Option<Received>> {
    match received(syscall(
        Number::Receive,
        Registers { r14: endpoint.0 as u64, r15: 1, ..Default::default() },
    )) {
        Ok(r) => Ok(Some(r)),
        Err(Error::WouldBlock) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Answers a call. An answer to a caller that is dead is no error.
pub fn reply(reply: Handle, m: &Message) -> Result<()> {
    syscall(Number::Reply, registers(reply, m)).ok().map(|_| ())
}

/// Answers a call and receives the next.
#[inline]
pub fn reply_receive(reply: Handle, m: &Message, endpoint: Handle) -> Result<Received> {
    let mut r = registers(reply, m);
    r.r14 = endpoint.0 as u64;
    received(syscall(Number::ReplyReceive, r))
}

/// Enters one mapping, answers a fault and receives the next message, in one trap. On an error nothing was answered.
#[inline]
pub fn map_reply_receive(
    reply: Handle,
    pm: Handle,
    task: Handle,
    op: MapOp,
    endpoint: Handle,
) -> Result<Received> {
    received(syscall(
        Number::MapReplyReceive,
        Registers {
            rdi: reply.0 as u64,
            rsi: pm.0 as u64,
            rdx: task.0 as u64,
            r10: op.address,
            r8: op.entry(),
            r9: 0,
            r14: endpoint.0 as u64,
            ..Default::default()
        },
    ))
}

/// Sets bits of a notification.
pub fn signal(notification: Handle, bits: u64) -> Result<()> {
    syscall4(Number::Signal, notification.0 as u64, bits, 0, 0).map(|_| ())
}

/// Bits of a notification that nobody has received yet; they stay.
pub fn pending(notification: Handle) -> Result<u64> {
    syscall4(Number::Pending, notification.0 as u64, 0, 0, 0).map(|r| r.0)
}

/// Sets bits of a notification when the time-stamp counter reaches `deadline`; 0 disarms. One timer a notification.
pub fn timer(notification: Handle, bits: u64, deadline: u64) -> Result<()> {
    syscall4(Number::Timer, notification.0 as u64, bits, deadline, 0).map(|_| ())
}
