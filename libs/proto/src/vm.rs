// SPDX-License-Identifier: BSD-2-Clause
//! `vm`: address spaces, objects, pages. The badge of the caller's handle is its [`Space`]; operations with a `space` argument of 0 mean the caller's
//! own. Only `init` (space 1) may name any other space and attach pagers; a manager ([`Manage`]) may name those that it made, and make spaces, segments, endpoints.
//!
//! Addresses and lengths are in bytes unless they are called `pages`; addresses are page aligned.

use crate::Error;
use crate::ejection::Ejection;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// An address space, and the program in it.
pub type Space = u32;

/// `init`'s own space.
pub const INIT: Space = 1;

bitflags::bitflags! {
    /// Protection of a mapping (`PROT_*`).
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct Protection: u8 {
        /// Readable.
        const READ = 1;
        /// Writable.
        const WRITE = 2;
        /// Executable.
        const EXECUTE = 4;
    }
}

/// What backs a mapping.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Source {
    /// Zero-filled on demand, pageable.
    Anonymous,
    /// Zero-filled at once, wired.
    Wired,
    /// Pages of a segment from page `first` on, wired, shared.
    Segment {
        /// The segment.
        id: u32,
        /// First page.
        first: u32,
    },
    /// A boot module from byte `offset` (page aligned) on. Read-only mappings share the module's frames; writable ones get a wired or pageable private copy of
    /// `bytes` bytes, the rest of the mapping is zero.
    Module {
        /// The module's number.
        index: u32,
        /// First byte.
        offset: u64,
        /// Bytes to copy.
        bytes: u64,
        /// Whether a private copy is wired.
        wired: bool,
    },
    /// Pages of a file from page `first` on. The mapping may go beyond the end: touching a page wholly beyond it is a bus error, what is behind the end in the last page is
    /// zero. Writable and shared needs a file open for writing; executable one with the right to execute; any one open for reading.
    File {
        /// The caller's number of the open file.
        file: u32,
        /// First page.
        first: u32,
        /// Writes are seen by this mapping alone (`MAP_PRIVATE`).
        private: bool,
    },
}

/// What a child gets of a region (`minherit`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Inheritance {
    /// Nothing.
    None,
    /// The same memory: each sees what the other writes.
    Share,
    /// What it holds now; what either writes later the other does not see. Files and segments that are mapped shared are shared nevertheless.
    Copy,
}

/// An open file, as its holder sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FileStatus {
    /// Inode number.
    pub inode: u32,
    /// Bytes.
    pub size: u64,
    /// Where [`Read`] and [`Write`] with [`OWN_OFFSET`] go on.
    pub offset: u64,
    /// Rights (`READ`, `WRITE`, `EXECUTE` of [`crate::fs::OpenFlags`]).
    pub rights: u8,
    /// Whether every write goes to the end.
    pub append: bool,
    /// Resident pages of it, and those of them that are known to be modified.
    pub pages: (u32, u32),
}

/// Offset of [`Read`] and [`Write`]: the open file's own, which moves on.
pub const OWN_OFFSET: u64 = u64::MAX;
/// Bytes that one [`Read`] or [`Write`] moves at most; it says how many it has.
pub const MAX_TRANSFER: u32 = 64 << 10;
/// Handles that a manager's kit may have.
pub const MAX_KIT: usize = 16;
/// Pages that one [`TakeWritten`] tells of.
pub const MAX_TAKEN: u64 = 16_384;
/// Threads that a space may have.
pub const MAX_THREADS: usize = 16;
/// Files that a space may have open.
pub const MAX_FILES: usize = 256;

/// Which of the two pagers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum PagerKind {
    /// Of anonymous memory.
    Swap,
    /// Of files.
    Vnode,
}

/// `madvise`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Advice {
    /// No special treatment.
    Normal,
    /// Sequential use: read-ahead in full, behind deactivated.
    Sequential,
    /// Random use: no read-ahead.
    Random,
    /// Bring it in.
    WillNeed,
    /// Not needed soon: deactivate.
    DontNeed,
    /// Contents no longer needed: free pages and swap copies; reads give zeroes, or what the file has. Nothing happens to what is wired, or shared with other programs.
    Free,
}

/// A region of an address space.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Region {
    /// First address.
    pub address: u64,
    /// Pages.
    pub pages: u64,
    /// [`Protection`] bits.
    pub protection: u8,
    /// `anonymous`, `wired`, `segment`, `module`, `file`, `private` (a private mapping of a file).
    pub kind: String,
    /// Resident pages.
    pub resident: u64,
    /// Pages with a copy in swap.
    pub swapped: u64,
    /// Wired by the program.
    pub wired: u64,
}

/// A program, as `ps` shows it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SpaceInfo {
    /// Its space.
    pub space: Space,
    /// Its name.
    pub name: String,
    /// Pages mapped.
    pub virtual_pages: u64,
    /// Pages resident.
    pub resident: u64,
    /// Pages with a copy in swap.
    pub swapped: u64,
    /// Pages wired.
    pub wired: u64,
    /// Frames of kernel objects and page tables.
    pub kernel_frames: u64,
    /// Faults, and faults that needed I/O.
    pub faults: (u64, u64),
    /// Whether it is a server: never a victim of the out-of-memory killer.
    pub protected: bool,
    /// Times that it was swapped out whole (`ru_nswap`).
    pub swaps: u32,
    /// What it waits for: `memory`, `page`, `file`, or nothing; `out`: it is swapped out whole; `coming in`: not for long.
    pub waiting: String,
}

/// What `vm` did that `init` has to know ([`TakeEvents`]).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Happening {
    /// A program was ended because memory was exhausted.
    OutOfMemory {
        /// Of what there was too little (1: memory that can be reclaimed, 2: room for the records of swap).
        reason: u8,
        /// Whose it was; it is freed already.
        space: Space,
        /// Its name.
        name: String,
        /// Resident and swapped pages that it held.
        held: (u64, u64),
        /// Why: free pages, free minimum, free swap slots at that moment.
        state: (u64, u64, u64),
    },
    /// The policy is not believed any more: it should be replaced.
    PolicyEjected {
        /// Its space.
        space: Space,
        /// Why.
        ejection: Ejection,
    },
    /// A page of a mapping of a file cannot be had: the program is ended with a bus error.
    NoPage {
        /// Whose it was.
        space: Space,
        /// The address.
        address: u64,
        /// Why: `Invalid`: it lies beyond the end of the file; `NoSpace`: there is no block for it; `Io`.
        why: Error,
    },
    /// A page could not be brought in: the program is ended.
    PageLost {
        /// Whose it was.
        space: Space,
        /// The address.
        address: u64,
    },
    /// There are bits for a thread of a program that is swapped out ([`SwapOut`]): it should come in.
    Kicked {
        /// The program.
        space: Space,
    },
    /// Processes should be swapped out ([`WantSwapOut`]).
    SwapOutWanted {
        /// Why: bits of `ebb_policy::swapout_request`.
        bits: u8,
    },
    /// A program that was swapped out is in, and its threads go on.
    SwappedIn {
        /// The program.
        space: Space,
    },
    /// What the threads of a program were doing when it was swapped out cannot be read any more: it cannot go on.
    StateLost {
        /// The program.
        space: Space,
    },
    /// What [`SyncStart`] asked for is done.
    Synced {
        /// Pages that could not be written.
        errors: u32,
    },
}

/// What there was too little of, by the reason of a [`Happening::OutOfMemory`].
pub const fn lacking(reason: u8) -> &'static str {
    match reason {
        2 => "room for the records of swap",
        _ => "memory",
    }
}

/// Pages of a traced program that may stay mapped ([`TraceStart`]). What one instruction touches must fit.
pub const TRACE_WINDOW: core::ops::RangeInclusive<u32> = 8..=256;
/// References in one answer to [`TraceTake`].
pub const MAX_EVENTS: usize = 512;

/// How a traced program referenced a page ([`TraceTake`]).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub enum Reference {
    /// It was read or executed, and had not been in the window.
    Read = 0,
    /// It was written, and had not been in the window.
    Write = 1,
    /// It was written for the first time, perhaps, since it came into the window. This is no new reference.
    Written = 2,
}

impl Reference {
    /// The word for a reference to a page, given by its number: its address divided by the size of a page.
    pub const fn of(self, page: u64) -> u64 {
        page << 2 | self as u64
    }

    /// What a word says; `None`: nothing.
    pub const fn read(word: u64) -> Option<(Reference, u64)> {
        let reference = match word & 3 {
            0 => Reference::Read,
            1 => Reference::Write,
            2 => Reference::Written,
            _ => return None,
        };
        Some((reference, word >> 2))
    }
}

/// No limit on pages.
pub const NO_LIMIT: u64 = u64::MAX;

/// What the threads of a program do, all together.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Doing {
    /// Each waits for bits of its notification, and for nothing else.
    Sleeping,
    /// Some could run; the others sleep.
    Runnable,
    /// Some wait for an answer or a page, or were not started yet.
    Blocked,
}

/// Where the threads of a program are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Place {
    /// In the kernel.
    In,
    /// In the program's own pageable memory.
    Out,
    /// On their way back.
    ComingIn,
}

/// What a program does ([`Activities`]).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Activity {
    /// Its space.
    pub space: Space,
    /// What its threads do. While they are out: whether there is something for them.
    pub doing: Doing,
    /// Where they are.
    pub place: Place,
    /// How often they were given the processor, modulo 2^32; 0 while they are out.
    pub runs: u32,
    /// Frames of the kernel that bringing them in takes at least: two for each thread.
    pub pages: u32,
}

/// What a space may have, or has, in pages; [`NO_LIMIT`]: as many as it likes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Bounds {
    /// In memory and mapped; what is more is taken from it, if that is possible.
    pub resident: u64,
    /// Of its address space in use: all mappings, whatever they show. This and what follows is never exceeded: the mapping that would is refused.
    pub mapped: u64,
    /// Of its own that it could write: anonymous memory and private mappings of files, without the stacks of threads.
    pub data: u64,
    /// The same with the stacks: what may have to go to swap, whether it is there or not.
    pub swap: u64,
}

impl Bounds {
    /// No limits.
    pub const NONE: Bounds = Bounds { resident: NO_LIMIT, mapped: NO_LIMIT, data: NO_LIMIT, swap: NO_LIMIT };
}

/// What a program has mapped, and may.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Limited {
    /// Its space.
    pub space: Space,
    /// Its name.
    pub name: String,
    /// Pages mapped: its resident set.
    pub resident: u64,
    /// Pages that it may have mapped, or [`NO_LIMIT`].
    pub limit: u64,
    /// Its group, 0 for none.
    pub group: u32,
    /// Whether it is spared when memory is exhausted ([`Spare`]).
    pub spared: bool,
    /// Whether it is swapped out whole ([`SwapOut`]).
    pub out: bool,
}

/// A group of programs with one limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LimitedGroup {
    /// Its number.
    pub group: u32,
    /// Pages that its members have mapped together.
    pub resident: u64,
    /// Pages that they may have.
    pub limit: u64,
    /// How many they are.
    pub members: u32,
}

/// What a piece of trimming brought ([`Trim`]).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Trimmed {
    /// Pages mapped now.
    pub resident: u64,
    /// Pages looked at.
    pub looked: u32,
    /// The lap is over: there is nothing left that was not looked at.
    pub lap: bool,
}

/// A page as a snapshot hands it to a new policy.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PageRecord {
    /// Frame.
    pub frame: u32,
    /// Generation.
    pub generation: u32,
    /// Queue the previous policy had it on: 0 inactive, 1 active.
    pub queue: u8,
    /// Which page of which object it is, hashed to 24 bits: the same when it comes again.
    pub tag: u32,
}

/// What the audit found.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct AuditReport {
    /// What was checked, and how many.
    pub checked: Vec<(String, u64)>,
    /// What was found wrong; empty is good. At most 32, the rest is in the log.
    pub problems: Vec<String>,
}

/// A tunable (`sysctl`).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Tunable {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: i64,
    /// Whether it can be set.
    pub writable: bool,
}

/// What a policy gets when it attaches.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Attachment {
    /// Where its event ring is mapped (`vm` produces).
    pub ring: u64,
    /// Pages of the ring.
    pub ring_pages: u64,
    /// Every frame number of memory is below it.
    pub nr_frames: u32,
    /// Number of this attachment; decisions carry it.
    pub generation: u32,
}

/// What a pager gets when it is attached.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PagerAttachment {
    /// Handle, in the pager's table, of the notification that tells `vm` of completions: bit [`PAGER_BIT`].
    pub doorbell: u32,
    /// Number of this attachment.
    pub generation: u32,
    /// The devices that an earlier instance had, mapped where it had them.
    pub devices: Vec<PagerDevice>,
    /// Frames of the bounce pages, for a pager of files.
    pub frames: Vec<u32>,
    /// Memory in front of a swap pager's devices: pages that there are, and that there may be.
    pub front: (u64, u64),
}

/// How far a swap pager is with bringing everything to its devices.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Retiring {
    /// Under way: pages left, as far as it has said.
    UnderWay(Option<u64>),
    /// Nothing lies anywhere else.
    Done,
    /// So many pages could not be written.
    Failed(u64),
}

/// A swap device that a new instance of the pager finds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PagerDevice {
    /// Its disk.
    pub disk: u8,
    /// Address and pages of its durable segment.
    pub segment: (u64, u64),
    /// Address and pages of its heap.
    pub heap: (u64, u64),
}

/// Bit of `vm`'s notification: completions of the swap pager.
pub const PAGER_BIT: u32 = 0;
/// Bit of `vm`'s notification: completions and notices of the vnode pager.
pub const VNODE_BIT: u32 = 1;
/// Bit of a policy's notification: events, or shortage.
pub const POLICY_BIT: u64 = 1;
/// Bit of a pager's notification: submissions of `vm`.
pub const PAGER_SUBMIT_BIT: u64 = 1;
/// Bit of the daemon's notification: somebody is over a limit ([`Over`]).
pub const OVER_BIT: u64 = 1;
/// From here on the daemon's notification has the bits of [`PolicyRequest::SwapOut`].
pub const SWAP_OUT_SHIFT: u32 = 1;
/// Bit of `init`'s notification: [`TakeEvents`].
pub const HAPPENING_BIT: u64 = 1;

/// Label of a batch of decisions, which is not encoded with postcard but travels as a vector: word 0 the count (at most [`MAX_DECISIONS`]), word 1 the
/// attachment's generation, words 2 and 3 how many writes may be started at most, and until how many pages are in them (a `Launder` beyond that is a `Reclaim`); elements: frame in bits 0..30, what is wanted in bits 30..32 ([`Want`]), page generation in bits 32..64. The answer has the verdicts
/// in place: code in bits 0..8 ([`Verdict`]), number of pages in bits 8..16. Errors: `Superseded`, `NotPermitted`, `Malformed`.
pub const DECIDE: u32 = (4 << 16) | 0xff;
/// Most decisions in one message.
pub const MAX_DECISIONS: usize = 256;

/// What a decision asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Want {
    /// Free the page if it is clean. It is inactive from the beginning of the batch on, unless it is busy or held.
    Reclaim = 0,
    /// The same, but write it if it is dirty, with its inactive neighbours.
    Launder = 1,
    /// It is active now.
    Activate = 2,
    /// It is inactive now.
    Deactivate = 3,
}

impl Want {
    /// The want in these two bits.
    pub fn from_bits(bits: u64) -> Want {
        [Want::Reclaim, Want::Launder, Want::Activate, Want::Deactivate][bits as usize & 3]
    }
}

/// What became of a decision.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Verdict {
    /// Done: freed, or moved.
    Done = 0,
    /// Not freed: it is dirty.
    Dirty = 1,
    /// It is dirty and its object is being destroyed.
    DirtyDead = 2,
    /// Busy: I/O is under way.
    Busy = 3,
    /// Held or wired for the moment.
    Held = 4,
    /// No longer the page that the policy thinks of.
    Stale = 5,
    /// A write was started, of so many pages.
    Started = 6,
    /// Not now: too many writes under way.
    Again = 7,
    /// No swap space.
    NoSpace = 8,
    /// The write could not be started.
    Failed = 9,
    /// Not a decision that this policy may make.
    Refused = 10,
}

impl Verdict {
    /// The verdict with this number; one that nobody knows is `Refused`.
    pub fn from_raw(raw: u64) -> Verdict {
        use Verdict::*;
        [Done, Dirty, DirtyDead, Busy, Held, Stale, Started, Again, NoSpace, Failed]
            .get(raw as usize)
            .copied()
            .unwrap_or(Refused)
    }
}

/// Kinds of entries in a policy's event ring: word 0 the kind, word 1 frame in bits 0..32 and generation above, word 2 the argument,
/// word 3, of `PageIn`, the page's tag as in [`PageRecord`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub enum EventKind {
    /// A page is resident and pageable; argument: queue (0 inactive, 1 active).
    PageIn = 1,
    /// `vm` wants it active.
    Activate = 2,
    /// `vm` wants it inactive.
    Deactivate = 3,
    /// It is gone.
    Free = 4,
    /// Wired: off the queues.
    Wire = 5,
    /// No longer wired; argument: queue.
    Unwire = 6,
    /// A write that a decision started is over; argument 1: it is clean now, 0: it failed.
    Laundered = 7,
    /// Pages are needed.
    Shortage = 8,
    /// Events were lost because the ring was full: take a snapshot.
    Overflow = 9,
}

impl EventKind {
    /// The kind with this number.
    #[inline]
    pub fn from_raw(raw: u64) -> Option<EventKind> {
        use EventKind::*;
        [PageIn, Activate, Deactivate, Free, Wire, Unwire, Laundered, Shortage, Overflow]
            .get((raw as usize).wrapping_sub(1))
            .copied()
    }
}

/// What the policy asks of the system beyond pages.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum PolicyRequest {
    /// Swap processes out (bits: 1 shortage, 2 idle).
    SwapOut(u8),
    /// Memory is exhausted: end a program (1: no reclaimable memory, 2: swap metadata).
    OutOfMemory(u8),
    /// Drain caches.
    LowMemory,
    /// Files were skipped: the syncer should hurry.
    SpeedupSyncer,
}

protocol! {
    number 4;

    /// Maps memory (`mmap`). `address` 0: `vm` chooses. Replaces nothing: `Exists` if something is mapped there. Returns the address.
    /// `Invalid`: bad range or protection; `NoMemory`: also for more than 1,024 regions, or than the space may have ([`SetLimits`]); `NotFound`: no such segment or module.
    1 Map { space: Space, address: u64, pages: u64, protection: u8, source: Source } -> u64;
    /// Removes mappings (`munmap`); holes are no error. `Invalid`; `Busy`: another thread is just wiring pages of a file there.
    2 Unmap { space: Space, address: u64, pages: u64 } -> ();
    /// Changes protection (`mprotect`). `Fault`: part of the range is not mapped; nothing was changed. `NoMemory`: what becomes writable is more than the space may have, or there
    /// are too many regions.
    3 Protect { space: Space, address: u64, pages: u64, protection: u8 } -> ();
    /// Advises (`madvise`). `Fault` as above.
    4 Advise { space: Space, address: u64, pages: u64, advice: Advice } -> ();
    /// Wires pages (`mlock`): resident until unwired. `NoMemory`: over `vm.max_wired`; nothing stays wired that was not. Answered when all are resident.
    5 Wire { space: Space, address: u64, pages: u64 } -> ();
    /// Unwires pages (`munlock`). `Fault` as above; `Busy` as [`Unmap`].
    6 Unwire { space: Space, address: u64, pages: u64 } -> ();
    /// Which pages are resident (`mincore`): one byte a page, bit 0 resident, bit 1 modified, bit 2 a copy is in swap. At most 3,900 pages. `Fault`.
    7 Mincore { space: Space, address: u64, pages: u64 } -> Vec<u8>;
    /// The regions of a space from an address on, ascending, at most 32.
    8 Regions { space: Space, from: u64 } -> Vec<Region>;

    /// Makes an address space for a program. `protected`: a server. `NoMemory`.
    16 SpaceNew { name: String, protected: bool } -> Space;
    /// Ends a program: its task, mappings, pages and swap copies go. `NotFound`.
    17 SpaceFree { space: Space } -> ();
    /// Copies the handle that the message carries into a space with fewer rights (bits of `ebb_abi::Rights`) and a badge. Returns its number there.
    18 HandleGive { space: Space, rights: u8, badge: u32 } -> u32;
    /// Starts the space's thread. The message carries the notification to bind to it. Its message buffer is that of the thread whose stack `stack` is ([`ebb_abi::layout::thread_of`]); the first
    /// one's, if it is nobody's. `Exists`: it has one.
    19 Start { space: Space, entry: u64, stack: u64, argument: u64, priority: u8 } -> ();
    /// All spaces from a number on, ascending, at most 16.
    20 Spaces { from: Space } -> Vec<SpaceInfo>;
    /// Registers of a space's stopped thread, in the order of `ebb_abi::thread::Registers`. `frame`: the thread, as the kernel's message of its exception names it.
    21 Registers { space: Space, frame: u32 } -> Vec<u64>;
    /// Reads resident memory of a space, at most 2,048 bytes; fewer where it is not resident.
    22 ReadMemory { space: Space, address: u64, bytes: u32 } -> Vec<u8>;
    /// Makes an endpoint; the answer carries it (all rights).
    23 EndpointNew {} -> ();
    /// Makes a notification; the answer carries it (all rights).
    24 NotificationNew {} -> ();
    /// Makes a segment of wired, zeroed pages that outlives the programs it is mapped in. Returns its number.
    25 SegmentNew { pages: u64 } -> u32;
    /// Frees a segment. `Busy`: it is mapped somewhere.
    26 SegmentFree { id: u32 } -> ();
    /// Gives back an endpoint or a notification made with the operations above; the message carries it.
    27 ObjectFree {} -> ();
    /// Frame numbers of a segment, from a page on, at most 256: for drivers, whose devices need to know.
    29 SegmentFrames { id: u32, first: u32 } -> Vec<u32>;
    /// Gives a space's task frames for page tables, for mappings that it makes itself (device registers).
    30 DonateTables { space: Space } -> ();
    /// Sets so many pages aside for starting servers while memory is short.
    31 SetAside { pages: u32 } -> ();
    /// What happened since the last call.
    28 TakeEvents {} -> Vec<Happening>;

    /// Attaches the caller as the next policy; the message carries its notification. It gets events from now on, and may take a snapshot. The one that decides goes on until this
    /// one is ready. `NotPermitted`: the caller's space was not made for a policy ([`PolicyAllow`]).
    32 PolicyAttach {} -> Attachment;
    /// Pages from a frame on, at most 256, ascending; fewer than 256 means the end. For the attached policy.
    33 Snapshot { generation: u32, first: u32 } -> Vec<PageRecord>;
    /// The next policy has its order and decides from now on; the one before is superseded. If there is none before, `vm` reclaims by itself if it must, until then.
    34 PolicyReady { generation: u32 } -> ();
    /// Reads and clears the deficit (`vm_pageout_deficit`).
    35 TakeDeficit { generation: u32 } -> u32;
    /// Requests beyond pages. `Superseded`.
    36 PolicyAsk { generation: u32, request: PolicyRequest } -> ();
    /// Publishes the policy's own counters (`v_pdpages`, `v_pdwakeups`, `v_dfree`, `v_reactivated`) as deltas.
    37 PolicyCount { generation: u32, pages: u32, wakeups: u32, freed: u32, reactivated: u32 } -> ();
    /// Lets a space attach as the policy. For `init`.
    38 PolicyAllow { space: Space } -> ();
    /// Of the last replacement of the policy: cycles in which nobody could decide, pages handed over, and cycles from the new one's attachment to its readiness.
    39 PolicyHeld {} -> (u64, u64, u64);

    /// Makes a space a pager's, before it is started: maps the rings and the devices' segments. The message carries the pager's notification. What was in
    /// flight is submitted again.
    48 PagerAttach { space: Space, kind: PagerKind } -> PagerAttachment;
    /// The pager is gone or going: new requests are queued.
    49 PagerDetach { kind: PagerKind } -> ();
    /// Uses a disk for swap (`swapon`). `NotFound`, `Busy`: in use already; `Invalid`: too small or read-only; `NoMemory`. Returns its slots.
    50 SwapOn { disk: u8 } -> u64;
    /// Stops using it (`swapoff`): everything on it is brought in or moved. `NoMemory`: there is no room for that, and the device is in service
    /// again. `NotFound`: not a swap device. Returns the pages brought in.
    51 SwapOff { disk: u8 } -> u64;
    /// How long, in cycles, requests were held at the last replacement of the pager: until its first answer. `Busy`: they are held still.
    52 PagerHeld { kind: PagerKind } -> u64;
    /// Has the swap pager bring everything to its devices, so that another can take its place that knows only of those; answers what it said when it was last asked, and asks again.
    /// `Dead`: there is none. For `init`.
    53 PagerRetire {} -> Retiring;
    /// It is not replaced after all. For `init`.
    54 PagerResume {} -> ();
    /// The swap pager is about to be ended: nothing more is submitted to it, and it is asked to end in order. Whether it has; asked again until then. It can be ended without. For `init`.
    55 PagerSeal {} -> bool;

    /// Opens a file with a grant of the vnode pager ([`crate::fs::Opened`]); a grant is used up by this. `append`: every write goes to the end. Returns the caller's number of the
    /// open file, and its size. `NotFound`: no such grant for the caller; `TooManyFiles`.
    80 FileOpen { grant: u32, append: bool } -> (u32, u64);
    /// Closes it. Mappings of it stay. `BadFile`, here and below: no such open file, or not open for this.
    81 FileClose { file: u32 } -> ();
    /// Gives an open file of `from` to `to`: offset and all are shared. For the manager of `to`. Returns the number there.
    82 FileShare { from: Space, file: u32, to: Space } -> u32;
    /// Reads into the caller's memory at `address`, at most [`MAX_TRANSFER`] bytes. Returns how many; 0 at the end. `offset`: bytes, or [`OWN_OFFSET`]. `Io`; `Fault`: not the caller's
    /// writable memory (anything before was read).
    83 Read { file: u32, offset: u64, address: u64, bytes: u32 } -> u32;
    /// Writes from the caller's memory, at most [`MAX_TRANSFER`] bytes, and makes the file longer as needed. Returns how many. `NoSpace`; `Io`; `Fault`; `FileTooLarge`.
    84 Write { file: u32, offset: u64, address: u64, bytes: u32 } -> u32;
    /// Moves the own offset: `whence` 0 to `to`, 1 by `to`, 2 to the end and `to`. Returns it. `Invalid`: before the beginning.
    85 Seek { file: u32, to: i64, whence: u8 } -> u64;
    /// What is known of it.
    86 FileInfo { file: u32 } -> FileStatus;
    /// Cuts the file, or makes it longer with zeroes (`ftruncate`). `FileTooLarge`; `Io`.
    87 Truncate { file: u32, size: u64 } -> ();
    /// Everything written is durable when this is answered (`fsync`). `Io`, `NoSpace`: some page could not be written since the last call; it is kept.
    88 Sync { file: u32 } -> ();
    /// As [`Sync`] for all files (`sync`).
    89 SyncAll {} -> ();
    /// As [`SyncAll`], but answered at once: when it is done, [`Happening::Synced`] says so. For `init`, which must never wait for a server that it may have to start again.
    94 SyncStart {} -> ();
    /// Writes the modified pages of shared mappings of files in a range (`msync`). `wait`: durable when it is answered. `invalidate` changes nothing here, because there is one
    /// copy of each page. `Fault`: part of the range is not mapped. `Io`, `NoSpace` as [`Sync`].
    90 SyncRange { space: Space, address: u64, pages: u64, wait: bool } -> ();
    /// Another thread in the caller's space, of its first one's priority. `number`, 1 to [`MAX_THREADS`] - 1, is the caller's choice: with it comes the place of the message buffer,
    /// `MESSAGE_BUFFER + number * 0x1000`, and of the stack, which ends at [`ebb_abi::layout::stack_top`] and is the caller's business. Returns the caller's handle of a notification whose
    /// bits reach the thread's receives. `Exists`: there is one with this number that has not been waited for; `Invalid`: no such number; `NotPermitted`: a server; `Fault`: no address to
    /// begin at; `NoMemory`: also where all programs together have too many.
    91 ThreadNew { number: u32, entry: u64, stack: u64, argument: u64 } -> u32;
    /// The calling thread `number` ends, and its notification; there is no answer. `Invalid`: the first (0), which ends with the program alone; `NotFound`.
    92 ThreadExit { number: u32 } -> ();
    /// Answers when that thread of the caller's space has ended; then its number is free. `NotFound`: there is none, or it was waited for; `Busy`: somebody waits for it.
    93 ThreadJoin { number: u32 } -> ();

    /// Makes a space that has what another one has (`fork`): memory by the inheritance of each region, and the open files with the same numbers and offsets. What was locked is not locked there;
    /// what is wired by its nature is copied at once. Threads and handles it has none. For the manager of `space`. `NoMemory`: nothing was done; `Busy`: `space` is just wiring memory;
    /// `NotPermitted`: a server.
    95 Fork { space: Space, name: String } -> Space;
    /// Says what children get of a range (`minherit`). `Fault`: part of the range is not mapped; `NotPermitted`: `Copy` for memory that is shared with other programs already.
    96 Inherit { space: Space, address: u64, pages: u64, inheritance: Inheritance } -> ();
    /// Lets a space make spaces, and do with those what `init` may do with any: free, start, fork them, map their memory, give them handles and open files of others, read their registers and
    /// memory, take what happened to them ([`TakeEvents`]; [`HAPPENING_BIT`] of the notification that it was started with). Servers it cannot make. The message may carry the endpoint that exceptions
    /// of these spaces go to, instead of `init`'s. Spaces of managers that are gone become this one's. For `init`.
    97 Manage { space: Space } -> ();
    /// Writes into a program's memory, at most 2,048 bytes, all or nothing: private memory whatever its protection is, for which the program gets pages of its own where others would see the
    /// change; a shared mapping of a file only if the program may write there. For the manager of `space`. `Fault`: not mapped; `NotPermitted`: shared and read-only; `TooLong`; `Io`; `NoMemory`.
    98 WriteMemory { space: Space, address: u64, bytes: Vec<u8> } -> ();
    /// Makes the caller's table of handles larger. For managers.
    110 HandleRoom {} -> ();
    /// Makes the notification of a space's first thread, which [`Start`] then binds to it; it goes with the space. Returns its handle there. For the space's manager, as all that follows.
    /// `Exists`: it has one, or runs.
    111 NotificationGive { space: Space } -> u32;
    /// Makes an endpoint that the space can receive from; it goes with the space. Returns its handle there; the answer carries the other end. `Exists`: it has one.
    112 EndpointGive { space: Space } -> u32;
    /// As [`SegmentNew`], but the segment is freed as soon as nobody maps it any more, and if nobody does when its maker ends.
    113 SegmentTemporary { pages: u64 } -> u32;
    /// Signals the notification of a space's first thread that was made with [`NotificationGive`]. `NotFound`: there is none.
    114 Signal { space: Space, bits: u64 } -> ();
    /// Holds all threads of a space: none of them runs until they are let go on, whatever happens to them meanwhile; what they wait for goes on being waited for.
    115 Halt { space: Space, halted: bool } -> ();
    /// Sets the priority of all threads of a space, those that come later among them. `Invalid`: above the highest.
    116 SetPriority { space: Space, priority: u8 } -> ();
    /// Swaps a program out whole: what the kernel has of its threads goes into its own pageable memory, its mappings and page tables go, its memory is deactivated. What of it is locked stays resident, and mapped.
    /// It comes in with [`SwapIn`]; [`Happening::Kicked`] says when there are bits for it. Returns the kernel frames that came back. For the space's manager, as the two below. `Busy`: a thread waits for something
    /// else than bits, or was not started yet, or several processes share the space; `Exists`: it is out; `NotPermitted`: a server; `NoMemory`: not even two pages. Nothing was done then.
    120 SwapOut { space: Space } -> u64;
    /// Brings a program in that is out, as soon as there is memory for it ([`Happening::SwappedIn`]). One that is in, or on its way, is no error. `NoMemory`: more pages would be wired than may be.
    121 SwapIn { space: Space } -> ();
    /// What the programs do that the caller manages, from a space on, ascending, at most 64.
    122 Activities { from: Space } -> Vec<Activity>;
    /// Tells all managers that processes should be swapped out ([`Happening::SwapOutWanted`]). For the attached daemon.
    123 WantSwapOut { bits: u8 } -> ();
    /// Lets a space attach as the daemon. For `init`.
    100 DaemonAllow { space: Space } -> ();
    /// Attaches the caller as the daemon that enforces limits; the message carries its notification, which gets [`OVER_BIT`] when a space or a group crosses its limit. The one before is
    /// forgotten. `NotPermitted`: the caller's space was not made for it ([`DaemonAllow`]); `Invalid`: the message carries no notification.
    101 DaemonAttach {} -> ();
    /// Limits what a space may have. What it has already it keeps, also where that is more; children get the same limits. For the space's manager. They stay when the daemon dies.
    /// `NotFound`; `NotPermitted`: a server, whose memory is wired.
    102 SetLimits { space: Space, bounds: Bounds } -> ();
    /// What a space has of what can be limited; any may be asked for, as in [`Spaces`]. `NotFound`.
    130 Usage { space: Space } -> Bounds;
    /// A number that no space has or ever will: for a process that shares the space of another one. For managers.
    131 NumberNew {} -> Space;
    /// A thread in a space for another process that shares it ([`crate::proc::Share`]). Arguments, reply and errors as of [`ThreadNew`]; but the threads of a space's own program can neither end it nor wait for its
    /// end. For the space's manager.
    132 ShareNew { space: Space, number: u32, entry: u64, stack: u64, argument: u64 } -> u32;
    /// Ends a thread that was made with [`ShareNew`], whatever it is doing; 0: the first one and those that the program made itself. The space stays. `NotFound`: there is none, or it has ended. For the
    /// space's manager.
    133 ShareEnd { space: Space, number: u32 } -> ();
    /// As [`Halt`], for the threads that [`ShareEnd`] would end.
    134 ShareHalt { space: Space, number: u32, halted: bool } -> ();
    /// Limits a group of spaces, which is made if there is none of this number; with [`NO_LIMIT`] it goes, and its members are in none. `NotPermitted`; `Invalid`: number 0; `NoMemory`: too
    /// many groups.
    103 SetGroupLimit { group: u32, pages: u64 } -> ();
    /// Puts a space into a group; 0: into none. For those who may limit it. `NotFound`: no such space or group; `NotPermitted`.
    104 JoinGroup { space: Space, group: u32 } -> ();
    /// Programs from a number on, with what they have mapped and may, ascending, at most 32.
    105 Limits { from: Space } -> Vec<Limited>;
    /// Groups from a number on, ascending, at most 32. For the attached daemon this is also the end of its work on them: they are watched again.
    106 Groups { from: u32 } -> Vec<LimitedGroup>;
    /// Programs, at most 32, that crossed their limit since the last call, and whether a group did. For the attached daemon.
    107 Over {} -> (Vec<Limited>, bool);
    /// One piece of trimming: looks at some 128 pages of a space, ages those that are mapped and unmaps those that are not used, until no more than `target` are. `hard`: used ones too.
    /// `anew`: a new lap begins, at the biggest object if a quarter or more is to go, else where the last one stopped. For the attached daemon. `NotFound`; `NotPermitted`: a server.
    108 Trim { space: Space, target: u64, hard: bool, anew: bool } -> Trimmed;
    /// Makes a program no victim when memory is exhausted, or one again. For `init` and the daemon. `NotFound`; `NotPermitted`: a server, which never is one.
    109 Spare { space: Space, spare: bool } -> ();

    /// From now on the first write to each page of a range is noted ([`TakeWritten`]); what was noted there before is forgotten. What a read of a file or a debugger puts there counts as written, and so
    /// does locking a page; what other programs do with memory that is shared later, and giving up what pages hold, does not. Children are not tracked. `Fault`: part of the range is not mapped;
    /// `NotPermitted`: not memory of the program's own (a shared mapping, or wired by its nature); `NoMemory`: all programs together track too much (2 GiB), or there are too many regions.
    140 Track { space: Space, address: u64, pages: u64 } -> ();
    /// Which pages of a range were written to since the last call, or since [`Track`]: bit `n % 8` of byte `n / 8` is page `n` of the range. The next write to each is a first one again. At most
    /// [`MAX_TAKEN`] pages (`TooLong`). `Fault`: part of the range is not tracked.
    141 TakeWritten { space: Space, address: u64, pages: u64 } -> Vec<u8>;
    /// Nothing is noted of a range any more. `Fault`: part of the range is not mapped; `NoMemory`: there are too many regions.
    142 Untrack { space: Space, address: u64, pages: u64 } -> ();

    /// The handle that the message carries is from now on the next one that [`Equip`] gives. For managers, but not `init`. `Invalid`: there is none; `NoMemory`: [`MAX_KIT`] are there.
    143 KitAdd {} -> ();
    /// Gives a space a copy of each handle of the manager's kit, to send, with the space as the badge, and then makes a notification as [`NotificationGive`] does. Returns their numbers there, in this
    /// order. If it fails the space may have some. `Exists`: it has a notification, or runs.
    144 Equip { space: Space } -> Vec<u32>;

    /// From its start on the references of a program are noted for `reader`: only the `window` pages that it faulted on last stay mapped, so that a reference to any other one is a fault. For the
    /// program's manager. It ends with the program, or with its reader. `Invalid`: a window outside [`TRACE_WINDOW`]; `Exists`: it runs, or is traced already; `NotFound`: no such space or reader;
    /// `NotPermitted`: a server; `NoMemory`: too many are traced.
    150 TraceStart { space: Space, window: u32, reader: Space } -> ();
    /// What was noted of a program for the caller since the last call, oldest first ([`Reference`]), at most [`MAX_EVENTS`], and whether there may be more: `false` is said once, after the program
    /// has ended. The program waits when too much was not taken. `NotFound`: nothing is noted of it for the caller.
    151 TraceTake { space: Space } -> (Vec<u64>, bool);

    /// Checks everything (`vm.audit`). `Busy`: an audit is under way.
    64 Audit {} -> AuditReport;
    /// All tunables and read-only values.
    65 Tunables {} -> Vec<Tunable>;
    /// Sets a tunable. `NotFound`; `NotPermitted`: read-only; `Invalid`: out of its range.
    66 SetTunable { name: String, value: i64 } -> ();
}
