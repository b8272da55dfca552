// SPDX-License-Identifier: BSD-2-Clause
//! `init`: starts, watches, restarts and replaces the servers.

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
    /// How the last instance that failed did so, with its image; empty if none has.
    pub failure: String,
    /// Microseconds since it was started.
    pub up_us: u64,
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
    /// Microseconds that this took, while the old one went on.
    pub took_us: u64,
}

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
    /// Ends the machine, with a status, once everything written to files is on the disk. There is no answer.
    11 Shutdown { status: u8 } -> ();
    /// The text given with `--exec`, from a byte on, at most 3,000 bytes; empty at its end. `NotFound`: there is none.
    12 Script { from: u64 } -> String;
    /// Programs that can be run, and images that can play a role (`role/image`).
    13 Images {} -> Vec<String>;
}
