// SPDX-License-Identifier: BSD-2-Clause
//! System call numbers and register conventions.
//!
//! `syscall` with the number in `rax`. Arguments in `rdi rsi rdx r10 r8 r9 r12 r13 r14 r15`. On return `rax` is 0 or an
//! [`Error`](crate::Error); results are in `rdi rsi rdx r10 r8 r9 r12 r13 r14`. `rcx` and `r11` are lost, everything
//! else that is not a result is kept.
//!
//! The IPC calls use: `rdi` the handle (call: endpoint; reply: reply), `rsi` the [`Tag`](crate::Tag), words 0..6 in
//! `rdx r10 r8 r9 r12 r13`, the endpoint to receive from in `r14`, flags in `r15`. A receive returns in `rax`
//! [`RECEIVED_MESSAGE`](crate::message::RECEIVED_MESSAGE) with `rdi` the badge, `rsi` the tag, the words, and `r14` the
//! reply handle; or [`RECEIVED_BITS`](crate::message::RECEIVED_BITS) with `rdi` the bits; or an error.

/// System calls. "pm" is a `PhysMem` handle; unless said otherwise it needs `FULL_MEMORY`. "vector" is the vector in the
/// caller's message buffer at [`BYTES`](crate::message::BYTES), `u64` elements, at most
/// [`MAX_VECTOR`](crate::message::MAX_VECTOR). A vectored call that fails half-way returns the number of elements done in `rdi`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub enum Number {
    /// Nothing: the cost of a system call.
    Null = 0,
    /// Send a message to an endpoint (`SEND`) and wait for the answer: as a receive, but `rdi` and `r14` are 0.
    /// Fails with `Dead` if the receiver dies before it answers.
    Call = 1,
    /// Receive from the endpoint in `r14` (`RECEIVE`) or from the bound notification, which goes first.
    /// `Handle::NONE`: the notification only. `r15` = 1: fail with `WouldBlock` instead of waiting.
    Receive = 2,
    /// Answer the call that `rdi` is the right for; the handle is gone whatever the result. Does not wait.
    /// A caller that is dead already is no error.
    Reply = 3,
    /// [`Number::Reply`] and [`Number::Receive`] in one.
    ReplyReceive = 4,
    /// Enter mappings, answer a fault (with label 0) and receive, in one: `rdi` reply, `rsi` pm, `rdx` task, and either
    /// `r10` address, `r8` [`MapOp::entry`](crate::map::MapOp::entry) (with `r9` = 0) or the first `r9` elements of the vector as for
    /// [`Number::Map`]; `r14` endpoint. If a mapping fails nothing was answered and nothing received.
    MapReplyReceive = 5,
    /// Set bits (`rsi`) of a notification (`rdi`, `SEND`).
    Signal = 6,
    /// Set bits `rsi` of notification `rdi` (`RECEIVE`) when the time-stamp counter reaches `rdx`; 0 disarms. One timer a notification.
    Timer = 7,
    /// Let other ready threads of the same priority run.
    Yield = 8,
    /// Returns the bits of notification `rdi` (`RECEIVE`) that nobody has received yet in `rdi`. They stay.
    Pending = 9,

    /// `rdi` pm, `rsi` kind ([`Kind`](crate::Kind) `Endpoint` or `Notification`), `rdx` frame. Returns the handle in `rdi` (all rights).
    ObjectCreate = 16,
    /// `rdi` pm, `rsi` frame for the task, `rdx` frame for its top page table, `r10` frame for its handle table. Returns the handle in `rdi`.
    TaskCreate = 17,
    /// `rdi` pm, `rsi` task (`MANAGE`), `rdx` 0: page-table pool, 1: handle table; `r10` elements of the vector: frame numbers.
    /// A leaf page table takes two frames from the pool (the second is its reverse map), an inner one takes one.
    TaskDonate = 18,
    /// `rdi` task (`MANAGE`), `rsi` [`TaskOp`](crate::thread::TaskOp), `rdx` argument 1, `r10` argument 2.
    TaskControl = 19,
    /// `rdi` pm, `rsi` task (`MANAGE`), `rdx` frame for the thread, `r10` frame for its message buffer, `r8` address of the buffer
    /// in the task (entered by this call: may fail with `NoTables`), `r9` entry, `r12` stack pointer, `r13` argument (its `rdi`). The
    /// thread is stopped, priority 0. Returns the handle in `rdi`.
    ThreadCreate = 20,
    /// `rdi` thread (`MANAGE`), `rsi` [`ThreadOp`](crate::thread::ThreadOp), `rdx` argument, `r10` a second one.
    ThreadControl = 21,
    /// Destroy an object (`rdi`, `MANAGE`). Returns the number of frames given back in `rdi`, their numbers in the vector. A task is
    /// destroyed in steps: while `rsi` is returned as 1, more frames are to come: call again. Its threads are destroyed
    /// first (their frames are among those returned), callers waiting for an answer of it fail with `Dead`, its mappings are removed (dirty bits kept with
    /// the frames).
    Destroy = 22,
    /// Copy handle `rsi` of the caller (`GRANT`) into task `rdi` (`MANAGE`; or `Handle::NONE`: the caller's own) with rights `rdx` (a subset),
    /// badge `r10` (kept if 0 or if the handle has one already). Returns the index in that task in `rdi`.
    HandleCopy = 23,
    /// Forget handle `rdi`. Closing a reply answers it with `Dead`.
    HandleClose = 24,

    /// Enter mappings: `rdi` pm, `rsi` task, `rdx` pairs in the vector ([`MapOp`](crate::map::MapOp)). The same frame at the same address: only the flags
    /// change. With `Rights::DEVICE` alone: frames that are not memory, `Handle::NONE` for the caller's own task.
    Map = 32,
    /// Remove mappings: `rdi` task (`MANAGE`), `rsi` address, `rdx` pages. Modified and referenced bits are kept with the frames.
    Unmap = 33,
    /// Change flags of present mappings: `rdi` task (`MANAGE`), `rsi` address, `rdx` pages, `r10` `MapFlags` (`WRITE`, `EXECUTE`).
    Protect = 34,
    /// `rdi` task (`MANAGE`), `rsi` address: returns the frame in `rdi` and the `MapFlags` in `rsi`, or `NotMapped`.
    Extract = 35,
    /// `rdi` pm, `rsi` [`FrameOp`](crate::frame::FrameOp), `rdx` elements in the vector.
    FrameOp = 36,
    /// `rdi` pm, `rsi` frame, `rdx` bytes (0..=4096): zero the frame from that byte on.
    ZeroTail = 37,
    /// `rdi` task (`MANAGE`), `rsi` address, `rdx` bytes: copies from the task's memory, as far as it is resident, into the bytes of the message
    /// buffer. Returns the number of bytes in `rdi`.
    TaskRead = 38,
    /// `rdi` pm, `rsi` first frame, `rdx` frames: checks reverse maps, page tables and records of these frames against each other. Returns
    /// the number of inconsistencies in `rdi`; each is written to the log.
    Audit = 39,
    /// `rdi` pm, `rsi` elements of the vector, in pairs ([`Piece`](crate::frame::Piece)): copies bytes from frame to frame, in order; into message buffers too. `BadArgument`: a piece
    /// that does not end inside its frames.
    CopyBytes = 40,

    /// `rdi` io, `rsi` port, `rdx` width (1, 2, 4): returns the value in `rdi`.
    PortIn = 48,
    /// `rdi` io, `rsi` port, `rdx` width, `r10` value.
    PortOut = 49,
    /// `rdi` irq, `rsi` source (0..24: interrupt of the I/O APIC; [`MSI`]: a message-signalled one), `rdx` notification
    /// (`SEND`), `r10` bit number. Returns the MSI address in `rdi`, the data in `rsi`, a token in `rdx`. Edge or masked-level: an
    /// I/O APIC interrupt stays masked after it fired until [`Number::IrqAck`]. Binding a source again replaces the binding; a binding of a
    /// destroyed notification is free again.
    IrqBind = 50,
    /// `rdi` irq, `rsi` token.
    IrqAck = 51,
    /// `rdi` io (`MANAGE`), `rsi` exit value for QEMU's isa-debug-exit (used when the command line says `exit=qemu`; otherwise the machine halts or resets).
    PowerOff = 52,
    /// Write `rdi` bytes of the message buffer to the kernel's log.
    Log = 53,
    /// Returns the kernel's counters: `rdi` idle cycles, `rsi` context switches, `rdx` traps and system calls, `r10` page faults, `r8` interrupts, `r9` the value of
    /// the time-stamp counter at the kernel's first instruction.
    KernelStats = 54,
}

/// Source of [`Number::IrqBind`] for a message-signalled interrupt.
pub const MSI: u64 = 0x100;
