// SPDX-License-Identifier: BSD-2-Clause
//! `init`: starts, watches, restarts and replaces the servers, and (until there is `proc`) programs. The caller's badge is its space.

use crate::start::Stream;
use crate::vm::Space;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// A service, as `services` shows it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Service {
    /// The role.
    pub role: String,
    /// The image that plays it.
    pub image: String,
    /// Its space, 0 if it does not run.
    pub space: Space,
    /// `running`, `stopped`, `starting`, `failed`.
    pub state: String,
    /// Its level.
    pub level: u8,
    /// Times it was started, and times it died without being asked to.
    pub starts: (u32, u32),
    /// Microseconds since it was started.
    pub up_us: u64,
}

/// A program that was run.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Program {
    /// Its space: the process id.
    pub space: Space,
    /// Its name.
    pub name: String,
    /// Who ran it.
    pub parent: Space,
}

/// What a replacement cost.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Replaced {
    /// Microseconds that the service was held: from the old one's end to the new one's readiness.
    pub held_us: u64,
    /// Cycles of the same.
    pub held_cycles: u64,
    /// Pages handed over.
    pub pages: u64,
}

/// How a program ended, for a person too.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Ended {
    /// Its status.
    pub status: Status,
    /// Why, where it did not end by itself: `out of memory: …`, `killed`, `segmentation fault at 0x…`; else empty. One line.
    pub reason: String,
}

/// Bit of a notification: a program that was run has ended ([`Watch`]).
pub const CHILD_BIT: u64 = 1;

/// Bytes of start information at most: arguments, environment and all. Each argument and each variable counts [`START_EACH`] bytes more than it has.
pub const MAX_START: usize = 60_000;
/// What an argument or a variable costs beside its bytes: the limit is one of memory, also for empty ones.
pub const START_EACH: usize = 16;
/// Status of a program whose file does not exist.
pub const NO_COMMAND: Status = 127;
/// Status of a program whose file cannot be executed.
pub const NOT_EXECUTABLE: Status = 126;

/// How a program ended: its exit status, or 128 and a signal's number.
pub type Status = u8;
/// Status of a program that was killed (128 + `SIGKILL`).
pub const KILLED: Status = 137;
/// Status of a program that touched memory it does not have (128 + `SIGSEGV`).
pub const SEGMENTATION_FAULT: Status = 139;
/// Status of a program that was ended by another exception (128 + `SIGILL`).
pub const ILLEGAL: Status = 132;
/// Status of a program whose page could not be read back (128 + `SIGBUS`).
pub const BUS_ERROR: Status = 135;

protocol! {
    number 6;
    /// All services.
    1 Services {} -> Vec<Service>;
    /// Replaces what plays a role by another image, under load. `NotFound`: no such role or image; `Unsupported`: this role cannot be replaced; `Busy`.
    /// Answered when the new one is ready.
    2 Replace { role: String, image: String } -> Replaced;
    /// Ends a service and starts it again.
    3 Restart { role: String } -> Replaced;
    /// Ends a service until it is restarted. `Unsupported`: the machine needs it.
    4 Stop { role: String } -> ();
    /// Kills a service as an accident would; it is started again.
    5 Kill { role: String } -> ();
    /// Runs a program. `NotFound`; `BadImage`; `NoMemory`. Returns its space.
    6 Run { name: String, args: Vec<String> } -> Space;
    /// Waits for the end of a program that the caller ran. `NotFound`: it ran none such.
    7 Wait { space: Space } -> Status;
    /// Kills a program; a server: `NotPermitted`.
    8 KillProgram { space: Space } -> ();
    /// All programs.
    9 Programs {} -> Vec<Program>;
    /// The caller ends, with a status. There is no answer.
    10 Exit { status: Status } -> ();
    /// Ends the machine, with a status, once everything written to files is on the disk. There is no answer.
    11 Shutdown { status: Status } -> ();
    /// The text given with `--exec`, from a byte on, at most 3,000 bytes; empty at its end. `NotFound`: there is none.
    12 Script { from: u64 } -> String;
    /// Programs that can be run, and images that can play a role (`role/image`).
    13 Images {} -> Vec<String>;
    /// The end of a program that the caller ran, if it has ended; as after [`Wait`] the program is forgotten then. `NotFound`: it ran none such.
    14 Poll { space: Space } -> Option<Ended>;
    /// From now on the end of a program that the caller ran signals the notification that the message carries, with [`CHILD_BIT`]. `Invalid`: the message
    /// carries none.
    15 Watch {} -> ();
    /// As [`Run`], with an endpoint between the two: the program can receive from it (its handle "link"), the answer carries the caller's end. It is
    /// freed when the program ends.
    16 RunLinked { name: String, args: Vec<String> } -> Space;
    /// Runs a program with everything that a shell can give it. `program`: a path of a file (it has a `/`), which is read by the new program itself: that it does not exist or is
    /// broken shows as its end, with [`NO_COMMAND`] or [`NOT_EXECUTABLE`] and a line on its error stream; or the name of a boot module. `cwd`: an absolute path. `streams`: what is shared with
    /// it, by the caller's own numbers: files in `vm`, ends of pipes; at most three. `linked`: as [`RunLinked`]. Arguments given before with [`MoreArguments`] come first.
    /// `TooLong`: more than [`MAX_START`] bytes in all. `BadFile`: a stream that the caller has not. `Invalid`: more than three streams, a `cwd` that is not absolute. `Busy`: the machine is
    /// being shut down.
    17 Launch { program: String, args: Vec<String>, env: Vec<(String, String)>, cwd: String, streams: Vec<Stream>, linked: bool } -> Space;
    /// Arguments for the caller's next [`Launch`], which do not fit one message. `TooLong`, `NoMemory` (many programs do this at once): then all of the caller's are forgotten.
    18 MoreArguments { args: Vec<String> } -> ();
}
