// SPDX-License-Identifier: BSD-2-Clause
//! `proc`: processes. The caller's badge is its space, which says what process it is; who is none has no children and can end nothing of itself.
//!
//! Each process has a number, a parent and a group. When a process ends its parent is told (by [`Wait`], [`Poll`], or [`CHILD_BIT`] after [`Watch`]); the children of one that has ended
//! belong to nobody, and what becomes of them is forgotten at once. When `proc` dies the processes go on, and the next instance knows all that this one did; calls under way fail with `Dead`. [`Wait`],
//! [`Poll`], [`Watch`], [`Exit`] and everything that sets a value can be tried again then; after [`Launch`] and [`Fork`] it is not known whether there is a new process.

use crate::start::Stream;
use crate::vm::Space;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// A process. Numbers are not used again.
pub type Pid = u32;

/// How a program ended: its exit status, or 128 and a signal's number.
pub type Status = u8;
/// What a signal's number is added to in a [`Status`].
pub const SIGNALLED: Status = 128;
/// Status of a program whose file does not exist.
pub const NO_COMMAND: Status = 127;
/// Status of a program whose file cannot be executed.
pub const NOT_EXECUTABLE: Status = 126;
/// Status of a program that was killed.
pub const KILLED: Status = SIGNALLED + signal::KILL;
/// Status of a program that touched memory it does not have.
pub const SEGMENTATION_FAULT: Status = SIGNALLED + signal::SEGV;
/// Status of a program that was ended by another exception.
pub const ILLEGAL: Status = SIGNALLED + signal::ILL;
/// Status of a program whose page could not be read back.
pub const BUS_ERROR: Status = SIGNALLED + signal::BUS;

/// Bit of a notification: something happened to a child ([`Watch`]).
pub const CHILD_BIT: u64 = 1;

/// Bytes of start information at most: arguments, environment and all. Each argument and each variable counts [`START_EACH`] bytes more than it has.
pub const MAX_START: usize = 60_000;
/// What an argument or a variable costs beside its bytes: the limit is one of memory, also for empty ones.
pub const START_EACH: usize = 16;

/// Signals by number, as everywhere.
#[allow(missing_docs)]
pub mod signal {
    pub const HUP: u8 = 1;
    pub const INT: u8 = 2;
    pub const QUIT: u8 = 3;
    pub const ILL: u8 = 4;
    pub const TRAP: u8 = 5;
    pub const ABRT: u8 = 6;
    pub const BUS: u8 = 7;
    pub const FPE: u8 = 8;
    pub const KILL: u8 = 9;
    pub const USR1: u8 = 10;
    pub const SEGV: u8 = 11;
    pub const USR2: u8 = 12;
    pub const PIPE: u8 = 13;
    pub const ALRM: u8 = 14;
    pub const TERM: u8 = 15;
    pub const CHLD: u8 = 17;
    pub const CONT: u8 = 18;
    pub const STOP: u8 = 19;
    pub const TSTP: u8 = 20;
    pub const TTIN: u8 = 21;
    pub const TTOU: u8 = 22;
    pub const URG: u8 = 23;
    pub const WINCH: u8 = 28;
    /// The highest one.
    pub const LAST: u8 = 31;

    /// Names, without `SIG`.
    pub const NAMES: &[(&str, u8)] = &[
        ("HUP", HUP),
        ("INT", INT),
        ("QUIT", QUIT),
        ("ILL", ILL),
        ("TRAP", TRAP),
        ("ABRT", ABRT),
        ("BUS", BUS),
        ("FPE", FPE),
        ("KILL", KILL),
        ("USR1", USR1),
        ("SEGV", SEGV),
        ("USR2", USR2),
        ("PIPE", PIPE),
        ("ALRM", ALRM),
        ("TERM", TERM),
        ("CHLD", CHLD),
        ("CONT", CONT),
        ("STOP", STOP),
        ("TSTP", TSTP),
        ("TTIN", TTIN),
        ("TTOU", TTOU),
        ("URG", URG),
        ("WINCH", WINCH),
    ];
}

/// What is bounded.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Resource {
    /// Resident bytes. What is more is taken from the process; the three below are refused instead ([`crate::vm::Bounds`]).
    Rss,
    /// Mapped bytes.
    AddressSpace,
    /// Bytes of its own memory that it could write: the heap, regions, private mappings; no stacks.
    Data,
    /// Bytes of the first thread's stack: what the next program that the process starts gets.
    Stack,
    /// Bytes that may have to go to swap: data and stacks, whether they are there or not.
    Swap,
    /// Processes on the machine when this one starts another.
    Processes,
}

impl Resource {
    /// All of them, in the order of [`Process::limits`].
    pub const ALL: [Resource; 6] = [
        Resource::Rss,
        Resource::AddressSpace,
        Resource::Data,
        Resource::Stack,
        Resource::Swap,
        Resource::Processes,
    ];
}

/// No bound.
pub const UNLIMITED: u64 = u64::MAX;

/// A limit: the soft value counts, the hard one is the highest that it can be set to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Limit {
    /// What counts.
    pub soft: u64,
    /// How far up it can go.
    pub hard: u64,
}

/// How a process is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum State {
    /// It runs, or waits for something.
    Running,
    /// A signal stopped it.
    Stopped,
    /// It has ended, and its parent has not asked how.
    Ended,
}

/// A process, as `ps` shows it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Process {
    /// Its number.
    pub pid: Pid,
    /// Who started it; 0: nobody who still is.
    pub parent: Pid,
    /// Its group.
    pub group: Pid,
    /// How it is.
    pub state: State,
    /// Its name.
    pub name: String,
    /// Its space in `vm`; 0 if it has ended.
    pub space: Space,
    /// -20 (first) to 19 (last).
    pub nice: i8,
    /// How many hold it in memory ([`Hold`]).
    pub holds: u8,
    /// Its limits, in the order of [`Resource::ALL`].
    pub limits: [Limit; 6],
}

/// How a program ended, for a person too.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Ended {
    /// Its status.
    pub status: Status,
    /// Why, where it did not end by itself: `out of memory: …`, `killed`, `segmentation fault at 0x…`; else empty. One line.
    pub reason: String,
}

/// What happened to a child.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Change {
    /// It has ended; it is forgotten now.
    Ended(Ended),
    /// This signal stopped it.
    Stopped(u8),
    /// It goes on.
    Continued,
}

/// The group of a new process.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Group {
    /// Its parent's.
    #[default]
    Inherited,
    /// One of its own, with its number.
    Own,
    /// One that there is, or was: that of a child started before.
    Of(Pid),
}

/// Whom a signal is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Target {
    /// One process.
    Process(Pid),
    /// All of a group.
    Group(Pid),
}

protocol! {
    number 9;
    /// Runs a program with everything that a shell can give it. `program`: a path of a file (it has a `/`), which is read by the new program itself: that it does not exist or is
    /// broken shows as its end, with [`NO_COMMAND`] or [`NOT_EXECUTABLE`] and a line on its error stream; or the name of a boot module. `cwd`: an absolute path. `streams`: what is shared with
    /// it, by the caller's own numbers: files in `vm`, ends of pipes; at most three. `linked`: as [`RunLinked`]. Arguments given before with [`MoreArguments`] come first.
    /// `TooLong`: more than [`MAX_START`] bytes in all. `BadFile`: a stream that the caller has not. `Invalid`: more than three streams, a `cwd` that is not absolute. `NotFound`: no such
    /// module, no such group, or the caller is no process. `Busy`: there are as many processes as the caller's limit allows. `NoMemory`.
    1 Launch { program: String, args: Vec<String>, env: Vec<(String, String)>, cwd: String, streams: Vec<Stream>, linked: bool, group: Group } -> Pid;
    /// Arguments for the caller's next [`Launch`] or [`Exec`], which do not fit one message. `TooLong`, `NoMemory` (many programs do this at once): then all of the caller's are forgotten.
    2 MoreArguments { args: Vec<String> } -> ();
    /// Runs a boot module with arguments and nothing else. Errors as [`Launch`].
    3 Run { name: String, args: Vec<String> } -> Pid;
    /// As [`Run`], with an endpoint between the two: the program can receive from it (its handle "link"), the answer carries the caller's end. It is
    /// freed when the program ends.
    4 RunLinked { name: String, args: Vec<String> } -> Pid;
    /// Waits for the end of a child, which is forgotten then. `NotFound`: the caller has no such child.
    5 Wait { pid: Pid } -> Status;
    /// What has happened to a child since it was last asked, if anything has. `NotFound` as above.
    6 Poll { pid: Pid } -> Option<Change>;
    /// Waits until something has happened to any child, and says to which and what. `NotFound`: the caller has no child.
    7 WaitAny {} -> (Pid, Change);
    /// From now on what happens to a child signals the notification of the caller's first thread, with [`CHILD_BIT`].
    8 Watch {} -> ();
    /// The caller ends, with a status. There is no answer.
    9 Exit { status: Status } -> ();
    /// Sends a signal, whose default action is carried out unless it is ignored: the process ends, stops, goes on, or nothing happens. Signal 0 only looks whether there is somebody.
    /// `NotFound`: nobody; `NotPermitted`: a server; `Invalid`: no such signal.
    10 Kill { target: Target, signal: u8 } -> ();
    /// Ignores a signal from now on, or does not. Children inherit this. `Invalid`: no such signal, or one that cannot be ignored (`KILL`, `STOP`).
    11 Ignore { signal: u8, ignored: bool } -> ();
    /// Processes from a number on, by number, at most 16.
    12 Processes { from: Pid } -> Vec<Process>;
    /// The limits of a process (0: the caller), in the order of [`Resource::ALL`]. `NotFound`.
    13 Limits { pid: Pid } -> [Limit; 6];
    /// Sets a limit of a process (0: the caller); children started later inherit it. `Invalid`: the soft value is above the hard one; `NotPermitted`: the hard value would rise.
    14 SetLimit { pid: Pid, resource: Resource, limit: Limit } -> ();
    /// Sets how nice a process (0: the caller) is to others; what is beyond -20 or 19 becomes that. 0 is usual; who is nicer (above) runs when nobody else wants to. Returns the value. `NotFound`.
    15 Nice { pid: Pid, nice: i8 } -> i8;
    /// Puts a process (0: the caller) into a group. `NotFound`: no such process, neither the caller nor a child of it, or no such group.
    16 SetGroup { pid: Pid, group: Group } -> ();
    /// The caller's number, its parent's and its group's. `NotFound`: it is no process.
    17 Own {} -> (Pid, Pid, Pid);
    /// Makes a process that is a copy of the caller (`fork`): its memory by the inheritance of each mapping, its open files and ends of pipes, and the servers it may call under the same handles. It begins at
    /// `entry`, with this stack pointer, as its only thread; the stack says which of the caller's it is a copy of ([`crate::vm::Start`]). Errors as [`Launch`].
    18 Fork { entry: u64, stack: u64 } -> Pid;
    /// The caller becomes another program (`exec`): number, parent, group, limits, ignored signals stay; everything else is as after [`Launch`], whose errors these are. There is no answer but an error.
    19 Exec { program: String, args: Vec<String>, env: Vec<(String, String)>, cwd: String, streams: Vec<Stream> } -> ();
    /// Makes a process that shares the caller's space: a thread with a number, a parent and an end of its own, which is waited for and signalled like any process. `number`, `entry`, `stack` and `argument` are as in
    /// [`crate::vm::ThreadNew`], whose errors come too. Returns its number, and the handles of its notification and of this server, which it has to call by it to be known. What a space has all that share it
    /// have: memory, open files, ends of pipes, limits on memory, niceness; threads that it makes are those of the process that began in the space. A space goes with the last process in it; an exception in one
    /// ends them all, for the memory that it left half changed is theirs too. It cannot [`Exec`], [`Watch`] or be given a [`Nice`] value: `Unsupported`. `Exists`: another one has this number. Other errors as [`Launch`].
    20 Share { number: u32, entry: u64, stack: u64, argument: u64 } -> (Pid, u32, u32);
    /// As [`Launch`], but the caller sees which pages the program references, from its start to its end or its next [`Exec`]: the answer is its number, and its space, for [`crate::vm::TraceTake`].
    /// `window`, and more errors, as of [`crate::vm::TraceStart`].
    21 LaunchTraced { program: String, args: Vec<String>, env: Vec<(String, String)>, cwd: String, streams: Vec<Stream>, window: u32 } -> (Pid, Space);
    /// Holds a process (0: the caller) in memory: it is not swapped out whole until it was released as often. Answered when it is in. A process that ends is held no longer, nor is one whose holder ends released.
    /// `NotFound`; `Busy`: 255 hold it; `NoMemory`: it is out, and more pages would be wired than may be; `Io`: it is out, and lost.
    40 Hold { pid: Pid } -> ();
    /// Releases a process (0: the caller) that was held. `NotFound`; `Invalid`: nobody holds it.
    41 Release { pid: Pid } -> ();
    /// Swaps a process out whole now, however short a time it has slept. It comes in by itself as soon as there is something for it. One that is out is no error. `NotFound`; `Busy`: it is held, shares its space, or a thread of it
    /// waits for somebody's answer, or for a page; `NoMemory`.
    42 SwapOut { pid: Pid } -> ();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_those_that_shells_know() {
        assert_eq!((KILLED, SEGMENTATION_FAULT, ILLEGAL, BUS_ERROR), (137, 139, 132, 135));
        assert!(signal::NAMES.iter().all(|(_, n)| (1..=signal::LAST).contains(n)));
    }

    #[test]
    fn an_answer_with_processes_fits_a_message() {
        let limit = Limit { soft: UNLIMITED - 1, hard: UNLIMITED };
        let process = Process {
            pid: u32::MAX,
            parent: u32::MAX,
            group: u32::MAX,
            state: State::Running,
            name: "n".repeat(64),
            space: u32::MAX,
            nice: -20,
            holds: u8::MAX,
            limits: [limit; 6],
        };
        let all: Vec<Process> = core::iter::repeat_n(process, 16).collect();
        assert!(crate::codec::to_bytes(&all).unwrap().len() <= ebb_abi::message::MAX_BYTES);
    }
}
