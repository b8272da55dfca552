// SPDX-License-Identifier: BSD-2-Clause
//! Programs that the shell waits for, in the foreground and in the background.

use crate::ground::Process;
use crate::shell::{INTERRUPTED, Shell};
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use ebb_args::Failure;
use ebb_rt::process::{Child, Ended, Pid, Status};
use ebb_rt::proto::Error;
use ebb_rt::{eprintln, println};

/// A background command.
pub struct Job {
    /// The program that runs it.
    pub pid: Pid,
    /// As it was written.
    pub text: String,
    /// How it ended.
    pub ended: Option<Status>,
}

/// The background commands, in the order in which they were started.
#[derive(Default)]
pub struct Jobs(pub Vec<Job>);

impl Shell {
    /// Waits for the end of programs; Control-C ends them all, and is the status then. Otherwise it is that of the last.
    pub fn wait_for(&mut self, processes: &[Process]) -> Result<Status, Failure> {
        let status = self.wait_and_feed(processes);
        self.end_feed();
        status
    }

    fn wait_and_feed(&mut self, processes: &[Process]) -> Result<Status, Failure> {
        let mut ended: Vec<Option<Status>> = vec![None; processes.len()];
        let mut killed = false;
        loop {
            for (process, status) in processes.iter().zip(&mut ended) {
                if status.is_none()
                    && let Some(end) = self.end_of(process.child.id())?
                {
                    *status = Some(end.status);
                    if !killed {
                        why(&process.name, &end).iter().for_each(|line| eprintln!("{line}"));
                    }
                }
            }
            if ended.iter().all(Option::is_some) {
                if killed {
                    println!("");
                    return Ok(INTERRUPTED);
                }
                return Ok(ended.last().copied().flatten().unwrap_or(0));
            }
            match self.check_interrupt() {
                Err(Failure::Status(INTERRUPTED)) => {
                    killed = true;
                    // What was typed before Control-C is forgotten.
                    self.feed = None;
                    for (process, _) in processes.iter().zip(&ended).filter(|(_, status)| status.is_none()) {
                        match process.child.kill() {
                            // It may have ended by itself just now.
                            Ok(()) | Err(Error::NotFound) => {}
                            Err(error) => return Err(Failure::of("kill", error)),
                        }
                    }
                }
                other => {
                    other?;
                    let again = self.pass_on()?;
                    self.pause(again)?;
                }
            }
        }
    }

    /// Adds a program to the background.
    pub fn background(&mut self, child: Child, text: &str) {
        let pid = child.id();
        self.jobs.0.push(Job { pid, text: text.into(), ended: None });
        if self.person {
            println!("[{pid}] {text}");
        }
    }

    fn end_of(&self, pid: Pid) -> Result<Option<Ended>, Failure> {
        Child::numbered(pid).try_wait().map_err(|e| Failure::of("proc", e))
    }

    /// Looks which background commands have ended. What there is to say about it, a line each.
    pub fn look_for_ends(&mut self) -> Result<Vec<String>, Failure> {
        let mut lines = Vec::new();
        for index in 0..self.jobs.0.len() {
            let job = &self.jobs.0[index];
            if job.ended.is_some() {
                continue;
            }
            if let Some(ended) = self.end_of(job.pid)? {
                let job = &mut self.jobs.0[index];
                job.ended = Some(ended.status);
                lines.extend(why(job.text.split_whitespace().next().unwrap_or("?"), &ended));
                if self.person {
                    lines.push(format!("[{}] status {}: {}", job.pid, ended.status, job.text));
                }
            }
        }
        Ok(lines)
    }

    /// Waits for all background commands and forgets them. The first status that is not 0, in the order of their start.
    pub fn wait_for_jobs(&mut self) -> u8 {
        match self.wait_all() {
            Ok(status) => status,
            Err(Failure::Status(status)) => status,
            Err(failure) => {
                println!("wait: {failure}");
                failure.status()
            }
        }
    }

    fn wait_all(&mut self) -> Result<u8, Failure> {
        loop {
            self.look_for_ends()?.iter().for_each(|line| println!("{line}"));
            if self.jobs.0.iter().all(|j| j.ended.is_some()) {
                let statuses = core::mem::take(&mut self.jobs.0).into_iter().filter_map(|j| j.ended);
                return Ok(statuses.into_iter().find(|s| *s != 0).unwrap_or(0));
            }
            self.check_interrupt()?;
            self.pause(None)?;
        }
    }
}

/// Why a program ended, where it did not end by itself.
fn why(name: &str, ended: &Ended) -> Option<String> {
    (!ended.reason.is_empty()).then(|| format!("{name}: {} (status {})", ended.reason, ended.status))
}
