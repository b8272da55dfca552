// SPDX-License-Identifier: BSD-2-Clause
//! `ps`, `kill`, `jobs`, `wait`, `sleep`.

use super::{flags, show};
use crate::shell::Shell;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use ebb_args::{Args, Failure, Spec};
use ebb_report::{Column, Listing, Value};
use ebb_rt::client::call;
use ebb_rt::process::Child;
use ebb_rt::proto::Error;
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
    Column { key: "waiting", heading: "WAIT" },
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
    let json = flags(args, &["--json"])?.flag("--json");
    let mut list = Listing::new(COLUMNS);
    for space in shell.all_spaces()? {
        row(&mut list, &space);
    }
    show(&list, json);
    Ok(())
}

pub fn kill(_shell: &mut Shell, args: &[String]) -> Result<(), Failure> {
    let (signal, rest) = match args.split_first() {
        Some((first, rest)) if first.starts_with('-') => (first.as_str(), rest),
        _ => ("-9", args),
    };
    if !matches!(signal, "-9" | "-KILL") {
        return Err(Failure::Usage(format!("{signal}: the only signal is -9")));
    }
    let [pid] = rest else { return Err(Failure::Usage("usage: kill [-9] PID".into())) };
    let number = pid.parse().map_err(|_| Failure::Usage(format!("{pid}: not a process id (see ps)")))?;
    Child::numbered(number).kill().map_err(|error| match error {
        Error::NotFound => Failure::Trouble(format!("{pid}: no such program (see ps)")),
        Error::NotPermitted => Failure::Trouble(format!("{pid}: it is a server (use service kill ROLE)")),
        error => Failure::of(pid, error),
    })
}

const JOBS: &[Column] = &[
    Column { key: "pid", heading: "PID" },
    Column { key: "state", heading: "STATE" },
    Column { key: "command", heading: "COMMAND" },
];

pub fn jobs(shell: &mut Shell, args: &[String]) -> Result<(), Failure> {
    let json = flags(args, &["--json"])?.flag("--json");
    for line in shell.look_for_ends()? {
        ebb_rt::println!("{line}");
    }
    let mut list = Listing::new(JOBS);
    for job in &shell.jobs.0 {
        let state = match job.ended {
            None => Value::from("running"),
            Some(status) => format!("status {status}").into(),
        };
        list.row([job.pid.into(), state, job.text.as_str().into()]);
    }
    show(&list, json);
    Ok(())
}

pub fn wait(shell: &mut Shell, args: &[String]) -> Result<(), Failure> {
    flags(args, &[])?;
    match shell.wait_for_jobs() {
        0 => Ok(()),
        status => Err(Failure::Status(status)),
    }
}

pub fn sleep(shell: &mut Shell, args: &[String]) -> Result<(), Failure> {
    let args = Args::parse(args, &Spec { values: &[], flags: &[], operands: 1 })?;
    let [seconds] = args.operands() else { return Err(Failure::Usage("usage: sleep SEC".into())) };
    shell.sleep_ms(ebb_args::milliseconds(seconds)?)
}
