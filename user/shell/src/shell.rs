// SPDX-License-Identifier: BSD-2-Clause
//! The shell's state: whom it talks to, and what it waits for.

use crate::feed::Feed;
use crate::jobs::Jobs;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use ebb_rt::StartInfo;
use ebb_rt::abi::Handle;
use ebb_rt::client::call;
use ebb_rt::process::Pid;
use ebb_rt::proto::Error;
use ebb_rt::proto::proc::Watch;
use ebb_rt::start::Given;
use ebb_sh::Variables;

/// The shell.
pub struct Shell {
    pub vm: Handle,
    pub init: Handle,
    pub console: Handle,
    pub block: Handle,
    pub swap_pager: Handle,
    pub pageout: Handle,
    pub vm_daemon: Handle,
    pub notification: Handle,
    /// Cycles of the time-stamp counter a second.
    pub hz: u64,
    /// Whether a person is at the console: then keys are read while commands run.
    pub person: bool,
    /// Keys that came while a command ran, for the next line.
    pub typed: VecDeque<u8>,
    /// Control-C was typed and nobody has acted on it yet.
    pub interrupted: bool,
    /// Something was given up because of Control-C: a status of 130 alone says only that a program was.
    pub broken: bool,
    /// Control-Z was typed while a command ran, and nobody has acted on it yet.
    pub suspended: bool,
    /// The group of the programs of the command line that is just being started.
    pub group: Option<Pid>,
    /// The input of the command in the foreground.
    pub feed: Option<Feed>,
    pub jobs: Jobs,
    /// Variables of the language.
    pub variables: Variables,
    /// `exit` was said, with this status.
    pub exit: Option<u8>,
    /// Faults before each `time` that is under way.
    pub timed: Vec<(u64, u64)>,
}

/// Status of a command that Control-C ended (128 + `SIGINT`).
pub const INTERRUPTED: u8 = 130;

impl Shell {
    pub fn new(info: &StartInfo) -> Result<Shell, Error> {
        let notification = info.handle("notification")?;
        let init = info.handle("init")?;
        call(info.handle("proc")?, &Watch {})?;
        let mut variables = Variables::new(&info.env);
        for (name, value) in [("PATH", "/bin"), ("HOME", "/data")] {
            if variables.get(name).is_none() {
                variables.set(name, value);
                variables.export(name);
            }
        }
        variables.name = "shell".into();
        if variables.process == 0 {
            // A shell that goes on with another's work keeps that one's number.
            variables.process = info.value("space")? as u32;
        }
        Ok(Shell {
            vm: info.handle("vm")?,
            init,
            console: info.handle("console")?,
            block: info.handle("block")?,
            swap_pager: info.handle("swap-pager")?,
            pageout: info.handle("pageout")?,
            vm_daemon: info.handle("vm-daemon")?,
            notification,
            hz: info.tsc_hz.max(1),
            person: false,
            typed: VecDeque::new(),
            interrupted: false,
            broken: false,
            suspended: false,
            group: None,
            feed: None,
            jobs: Jobs::default(),
            variables,
            exit: None,
            timed: Vec::new(),
        })
    }
}
