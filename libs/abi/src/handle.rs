// SPDX-License-Identifier: BSD-2-Clause
//! Handles: how a task names a kernel object.

use bitflags::bitflags;

/// An index into the handle table of the calling task. Index 0 is never an object.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[repr(transparent)]
pub struct Handle(pub u32);

impl Handle {
    /// No object. As the endpoint of a receive it means: wait for the bound notification only.
    pub const NONE: Handle = Handle(0);
}

/// The kinds of object that a handle may name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Kind {
    /// The slot is empty.
    Empty = 0,
    /// An address space and a handle table.
    Task = 1,
    /// A thread of execution.
    Thread = 2,
    /// Synchronous IPC.
    Endpoint = 3,
    /// A word of asynchronous bits.
    Notification = 4,
    /// The right to answer one call. Made by a receive, gone when used.
    Reply = 5,
    /// The right to name frames by number. [`Rights::FULL_MEMORY`], [`Rights::HARVEST`] and [`Rights::DEVICE`] say for what.
    PhysMem = 6,
    /// The right to bind interrupts to notifications.
    Irq = 7,
    /// The right to use I/O ports, and (with [`Rights::MANAGE`]) to end the machine.
    IoPort = 8,
}

bitflags! {
    /// What a handle allows. A copy can only have fewer.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct Rights: u8 {
        /// Endpoint: call. Notification: signal. Thread, Task: nothing.
        const SEND = 1 << 0;
        /// Endpoint: receive. Notification: arm a timer on it, bind it.
        const RECEIVE = 1 << 1;
        /// May be copied into another task, or passed in a message.
        const GRANT = 1 << 2;
        /// Task, Thread: control and read; any object: destroy. IoPort: end the machine.
        const MANAGE = 1 << 3;
        /// PhysMem: everything: map, donate, frame operations.
        const FULL_MEMORY = 1 << 4;
        /// PhysMem: harvest reference bits, and nothing else.
        const HARVEST = 1 << 5;
        /// PhysMem: map physical ranges that are not memory (device registers) into the caller's own task.
        const DEVICE = 1 << 6;
    }
}
