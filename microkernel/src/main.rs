// SPDX-License-Identifier: BSD-2-Clause
//! The kernel: traps, page tables, threads, IPC; policy and backing stores are user space's.
//!
//! It is driven by events: one stack per processor, interrupts off, every operation short. It owns no free memory after the
//! boot: each object lies in a frame that somebody donated. The ways in are in `arch::x86_64::trap`, the system calls in
//! `syscall`, what boots the machine in `arch::x86_64::boot`, what starts `init` in `start`.
//!
//! `unsafe` is in `arch`, in `object`, `frame` and `handle` (from numbers to objects), and, a block at a time, where one of
//! `object`'s promises has to be given.
#![no_std]
#![no_main]

mod arch;
mod calls;
mod destroy;
mod endpoint;
mod epitaph;
mod fault;
mod frame;
mod handle;
mod ipc;
mod irq;
mod kernel;
mod lock;
mod log;
mod notification;
mod object;
mod pmap;
mod sched;
mod start;
mod syscall;
mod task;
mod thread;
mod timer;
