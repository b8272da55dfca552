// SPDX-License-Identifier: BSD-2-Clause
//! `ps`, `renice`, `sleep`.

use super::{flags, show};
use crate::shell::Shell;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use ebb_args::{Args, Failure, Spec};
use ebb_report::{Column, Listing};
use ebb_rt::client::call;
use ebb_rt::process;
use ebb_rt::proto::Error;
use ebb_rt::proto::proc::State;
use ebb_rt::proto::vm::{SpaceInfo, Spaces};

/// Columns of `ps` and `top`.
pub const COLUMNS: &[Column] = &[
    Column { key: "pid", heading: "PID" },
    Column { key: "name", heading: "NAME" },
    Column { key: "kind", heading: "KIND" },
    Column { key: "virtual_pages", heading: "VIRT" },
    Column { key: "resident_pages", heading: "RES" },
    Column { key: "swapped_pages", heading: "SWAP" },
    Column { key: "wired_pages", heading: "WIRED" },
    Column { key: "kernel_frames", heading: "KERN" },
    Column { key: "faults", heading: "FLT" },
    Column { key: "major_faults", heading: "MAJFLT" },
    Column { key: "swaps", heading: "NSWAP" },
    Column { key: "waiting", heading: "WAIT" },
];

/// Columns of `ps -l`, about processes.
const PROCESS_COLUMNS: &[Column] = &[
    Column { key: "pid", heading: "PID" },
    Column { key: "parent", heading: "PPID" },
    Column { key: "group", heading: "GROUP" },
    Column { key: "space", heading: "SPACE" },
    Column { key: "nice", heading: "NICE" },
    Column { key: "state", heading: "STATE" },
    Column { key: "holds", heading: "HOLDS" },
    Column { key: "name", heading: "NAME" },
];

/// A row of `ps`.
pub fn row(list: &mut Listing, s: &SpaceInfo) {
    list.row([
        s.space.into(),
        s.name.as_str().into(),
        if s.protected { "server" } else { "program" }.into(),
        s.virtual_pages.into(),
        s.resident.into(),
        s.swapped.into(),
        s.wired.into(),
        s.kernel_frames.into(),
        s.faults.0.into(),
        s.faults.1.into(),
        u64::from(s.swaps).into(),
        s.waiting.as_str().into(),
    ]);
}

impl Shell {
    /// All address spaces.
    pub fn all_spaces(&self) -> Result<Vec<SpaceInfo>, Failure> {
        let mut all: Vec<SpaceInfo> = Vec::new();
        loop {
            let from = all.last().map_or(0, |s| s.space.saturating_add(1));
            let some = call(self.vm, &Spaces { from }).map_err(|e| Failure::of("vm", e))?;
            if some.is_empty() || some.iter().any(|s| s.space < from) {
                return Ok(all);
            }
            all.extend(some);
        }
    }
}

pub fn ps(shell: &mut Shell, args: &[String]) -> Result<(), Failure> {
    let args = flags(args, &["--json", "-l"])?;
    let json = args.flag("--json");
    if args.flag("-l") {
        show(&processes()?, json);
        return Ok(());
    }
    let mut list = Listing::new(COLUMNS);
    for space in shell.all_spaces()? {
        row(&mut list, &space);
    }
    show(&list, json);
    Ok(())
}

/// All processes.
fn processes() -> Result<Listing, Failure> {
    let mut list = Listing::new(PROCESS_COLUMNS);
    for p in process::list().map_err(|e| Failure::of("proc", e))? {
        let state = match p.state {
            State::Running => "running",
            State::Stopped => "stopped",
            State::Ended => "ended",
        };
        list.row([
            p.pid.into(),
            p.parent.into(),
            p.group.into(),
            p.space.into(),
            (p.nice as i64).into(),
            state.into(),
            u64::from(p.holds).into(),
            p.name.as_str().into(),
        ]);
    }
    Ok(list)
}

pub fn renice(_shell: &mut Shell, args: &[String]) -> Result<(), Failure> {
    let usage = || Failure::Usage("usage: renice NICE PID...".into());
    let (nice, pids) = args.split_first().filter(|(_, pids)| !pids.is_empty()).ok_or_else(usage)?;
    let nice = nice.parse().map_err(|_| Failure::Usage(format!("{nice}: not a number from -20 to 19")))?;
    for pid in pids {
        let number = pid.parse().map_err(|_| Failure::Usage(format!("{pid}: not a process id (see ps)")))?;
        process::set_nice(number, nice).map_err(|error| match error {
            Error::NotFound => Failure::Trouble(format!("{pid}: no such program (see ps)")),
            error => Failure::of(pid, error),
        })?;
    }
    Ok(())
}

/// Does something with each process that is named.
fn with_each(args: &[String], what: &str, act: fn(u32) -> Result<(), Error>) -> Result<(), Failure> {
    if args.is_empty() {
        return Err(Failure::Usage(format!("usage: {what} PID...")));
    }
    for pid in args {
        let number = pid.parse().map_err(|_| Failure::Usage(format!("{pid}: not a process id (see ps)")))?;
        act(number).map_err(|error| match error {
            Error::NotFound => Failure::Trouble(format!("{pid}: no such program (see ps)")),
            Error::Busy => Failure::Trouble(format!("{pid}: it is held, or waits for somebody's answer")),
            Error::Invalid => Failure::Trouble(format!("{pid}: nobody holds it")),
            error => Failure::of(pid, error),
        })?;
    }
    Ok(())
}

pub fn hold(_shell: &mut Shell, args: &[String]) -> Result<(), Failure> {
    with_each(args, "hold", process::hold)
}

pub fn release(_shell: &mut Shell, args: &[String]) -> Result<(), Failure> {
    with_each(args, "release", process::release)
}

pub fn swap_out(_shell: &mut Shell, args: &[String]) -> Result<(), Failure> {
    with_each(args, "swapout", process::swap_out)
}

pub fn sleep(shell: &mut Shell, args: &[String]) -> Result<(), Failure> {
    let args = Args::parse(args, &Spec { values: &[], flags: &[], operands: 1 })?;
    let [seconds] = args.operands() else { return Err(Failure::Usage("usage: sleep SEC".into())) };
    shell.sleep_ms(ebb_args::milliseconds(seconds)?)
}
