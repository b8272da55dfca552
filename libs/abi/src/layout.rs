// SPDX-License-Identifier: BSD-2-Clause
//! The user address space: what lies where in every task. All addresses are page aligned.

/// First address a program may use; below it nothing is ever mapped, so that a null pointer faults.
pub const USER_MIN: u64 = 0x10_0000;
/// First address beyond user space.
pub const USER_END: u64 = 0x8000_0000_0000 - 0x1000;
/// Where program images are linked. Between [`USER_MIN`] and here lies the loader, in programs that come from files.
pub const IMAGE: u64 = 0x20_0000;
/// Where the runtime's heap begins.
pub const HEAP: u64 = 0x5000_0000_0000;
/// Where `vm` places mappings whose address the caller leaves open.
pub const MMAP: u64 = 0x1000_0000_0000;
/// First address beyond the range for [`MMAP`].
pub const MMAP_END: u64 = 0x5000_0000_0000;
/// Anonymous memory that a program maps for itself by the runtime's `memory::Region`, up to [`SEGMENTS`]; the heap lies below.
pub const REGIONS: u64 = 0x5800_0000_0000;
/// Shared segments (rings, pager metadata) of a server, each at a place that the spawner chooses from here on.
pub const SEGMENTS: u64 = 0x6000_0000_0000;
/// Device registers that a driver maps.
pub const DEVICES: u64 = 0x6800_0000_0000;
/// The message buffer of a task's first thread; thread `n` has its own at `MESSAGE_BUFFER + n * 0x1000`.
pub const MESSAGE_BUFFER: u64 = 0x7000_0000_0000;
/// The start information of a program: a length (`u64`) and so many bytes of `proto::start::StartInfo`.
pub const START_INFO: u64 = 0x7000_1000_0000;
/// Pages at [`START_INFO`] at most; only as many are mapped as the start information takes.
pub const START_INFO_PAGES: u64 = 16;
/// The counters ([`crate::meter`]), read-only.
pub const METER: u64 = 0x7000_2000_0000;
/// What the kernel had of the threads of a program that is swapped out whole; nothing else is mapped there, and nothing while the program is in.
pub const PARKED: u64 = 0x7000_4000_0000;
/// First address above the first thread's stack; above that of thread `n` it is [`stack_top`]. From its stack pointer a thread knows its number, and so its message buffer: there
/// is no memory of its own that another register would lead to.
pub const STACK_TOP: u64 = 0x7fff_ff00_0000;
/// Logarithm of the bytes from one thread's stack to the next. A stack is smaller: below it lies at least a page that is never mapped.
pub const STACK_SHIFT: u32 = 26;

/// First address above the stack of thread `n`.
pub const fn stack_top(n: u64) -> u64 {
    STACK_TOP - (n << STACK_SHIFT)
}

/// The number of the thread with this stack pointer: the reverse of [`stack_top`], for any address of a stack. What lies elsewhere gives numbers that no thread has.
pub const fn thread_of(stack: u64) -> u64 {
    STACK_TOP.wrapping_sub(stack) >> STACK_SHIFT
}

/// Boot modules, read-only, in `init` alone: module `n` is where [`crate::boot::Module::address`] says.
pub const MODULES: u64 = 0x4000_0000_0000;
/// The boot information ([`crate::boot::BootInfo`]), read-only, in `init` alone.
pub const BOOT_INFO: u64 = 0x7000_3000_0000;
