// SPDX-License-Identifier: BSD-2-Clause
//! Threads: a register save area, at the beginning of the frame, and what the thread waits for.

use crate::arch::x86_64::cpu::{USER_CODE, USER_DATA};
use crate::endpoint::{Endpoint, Links};
use crate::notification::Notification;
use crate::object::{Object, Ref};
use crate::task::Task;
use core::cell::Cell;
use ebb_abi::message::{BYTES, MAX_VECTOR, RECEIVED_HANDLES, WORDS};
use ebb_abi::{PAGE_SIZE, Tag};

/// Registers in the order in which the entry stubs store them.
#[repr(C)]
#[derive(Default)]
pub struct Regs {
    pub r15: Cell<u64>,
    pub r14: Cell<u64>,
    pub r13: Cell<u64>,
    pub r12: Cell<u64>,
    pub rbp: Cell<u64>,
    pub rbx: Cell<u64>,
    pub r11: Cell<u64>,
    pub r10: Cell<u64>,
    pub r9: Cell<u64>,
    pub r8: Cell<u64>,
    pub rax: Cell<u64>,
    pub rcx: Cell<u64>,
    pub rdx: Cell<u64>,
    pub rsi: Cell<u64>,
    pub rdi: Cell<u64>,
    /// How the thread came into the kernel: a vector, or `trap::SYSCALL`.
    pub vector: Cell<u64>,
    pub error: Cell<u64>,
    pub rip: Cell<u64>,
    pub cs: Cell<u64>,
    pub rflags: Cell<u64>,
    pub rsp: Cell<u64>,
    pub ss: Cell<u64>,
}

impl Regs {
    /// Those of a program, in the order of `ebb_abi::thread::Registers`.
    pub fn of_program(&self) -> [&Cell<u64>; 18] {
        let r = self;
        [
            &r.rax, &r.rbx, &r.rcx, &r.rdx, &r.rsi, &r.rdi, &r.rbp, &r.r8, &r.r9, &r.r10, &r.r11, &r.r12,
            &r.r13, &r.r14, &r.r15, &r.rip, &r.rflags, &r.rsp,
        ]
    }
}

const _: () =
    assert!(size_of::<Regs>().is_multiple_of(16), "the processor aligns the stack before it pushes");

/// What a thread is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum State {
    /// Nothing, until it is started.
    Stopped,
    /// It waits in a queue of ready threads.
    Ready,
    /// It is the current thread.
    Running,
    /// It waits in the queue of an endpoint for somebody to receive its message.
    Sending,
    /// It waits for a message, in the queue of an endpoint if it named one, or for bits of its notification.
    Receiving,
    /// Its message was received; it waits for the answer.
    Replying,
}

/// Who speaks when the thread sends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Origin {
    /// The thread: the message is in its registers and its buffer.
    User,
    /// The kernel, for a page fault of the thread.
    Fault,
    /// The kernel, for an exception.
    Exception,
}

/// A thread.
#[repr(C)]
pub struct Thread {
    /// Saved registers. The stubs know that they come first.
    pub regs: Regs,
    task: Ref<Task>,
    /// Frame and generation, as a handle names the thread.
    name: u64,
    /// What it is doing.
    pub state: Cell<State>,
    /// Who speaks when it sends.
    pub origin: Cell<Origin>,
    /// `0 ..= MAX_PRIORITY`.
    pub priority: Cell<u8>,
    /// Badge of the message that it sends.
    pub badge: Cell<u32>,
    /// How often it was given the processor.
    pub runs: Cell<u32>,
    /// Number of its last call; a reply with another number comes too late.
    pub sequence: Cell<u32>,
    /// Place in the one queue that it may be in.
    pub links: Links,
    /// While it sends or receives: the endpoint in whose queue it is.
    pub endpoint: Cell<Option<Ref<Endpoint>>>,
    /// The notification whose bits reach its receives.
    pub bound: Cell<Option<Ref<Notification>>>,
    buffer: Ref<Buffer>,
    /// Message of the kernel in its name.
    pub tag: Cell<u64>,
    /// Words of that message.
    pub words: [Cell<u64>; WORDS],
    /// Neighbours in the list of the task's threads.
    pub siblings: Links,
}

// SAFETY: some 400 bytes of cells.
unsafe impl Object for Thread {}
const _: () = assert!(size_of::<Thread>() <= PAGE_SIZE);

/// A message buffer, as `ebb_abi::message` lays it out.
#[repr(C)]
pub struct Buffer {
    /// Handles to send.
    pub send: [Cell<u32>; 4],
    /// Handles received.
    pub received: [Cell<u32>; 4],
    reserved: [Cell<u64>; 4],
    /// The vector of vectored calls; bytes of messages lie in the same place.
    pub vector: [Cell<u64>; MAX_VECTOR],
}

// SAFETY: one page of cells.
unsafe impl Object for Buffer {}
const _: () = assert!(size_of::<Buffer>() == PAGE_SIZE);
const _: () = assert!(core::mem::offset_of!(Buffer, vector) == BYTES);
const _: () = assert!(core::mem::offset_of!(Buffer, received) == RECEIVED_HANDLES);

impl Thread {
    /// A stopped thread of priority 0 that will begin at `entry`.
    pub fn new(task: Ref<Task>, name: u64, buffer: Ref<Buffer>, start: [u64; 3]) -> Thread {
        let [entry, stack, argument] = start;
        let regs = Regs::default();
        regs.rip.set(entry);
        regs.rsp.set(stack);
        regs.rdi.set(argument);
        regs.cs.set(USER_CODE as u64);
        regs.ss.set(USER_DATA as u64);
        regs.rflags.set(0x202);
        Thread {
            regs,
            task,
            name,
            state: Cell::new(State::Stopped),
            origin: Cell::new(Origin::User),
            priority: Cell::new(0),
            badge: Cell::new(0),
            runs: Cell::new(0),
            sequence: Cell::new(0),
            links: Links::default(),
            endpoint: Cell::new(None),
            bound: Cell::new(None),
            buffer,
            tag: Cell::new(0),
            words: Default::default(),
            siblings: Links::default(),
        }
    }

    /// Its task.
    #[inline(always)]
    pub fn task(&self) -> Ref<Task> {
        self.task
    }

    /// Frame and generation.
    #[inline(always)]
    pub fn name(&self) -> u64 {
        self.name
    }

    /// Its message buffer.
    #[inline(always)]
    pub fn buffer(&self) -> Ref<Buffer> {
        self.buffer
    }

    /// Sets the message that the kernel sends in its name.
    pub fn speak(&self, origin: Origin, label: u32, words: [u64; WORDS]) {
        self.origin.set(origin);
        self.tag.set(Tag::new(label, 0, 0).0);
        for (cell, word) in self.words.iter().zip(words) {
            cell.set(word);
        }
    }
}
