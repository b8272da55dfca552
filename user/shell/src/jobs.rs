// SPDX-License-Identifier: BSD-2-Clause
//! Programs that the shell runs: one in the foreground, any number in the background.

use crate::shell::{INTERRUPTED, Shell};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use ebb_args::Failure;
use ebb_rt::client::call;
use ebb_rt::println;
use ebb_rt::proto::Error;
use ebb_rt::proto::init::{Ended, KillProgram, Poll, Run, Status};
use ebb_rt::proto::vm::Space;

/// A background command.
pub struct Job {
    /// The program that runs it.
    pub space: Space,
    /// As it was written.
    pub text: String,
    /// How it ended.
    pub ended: Option<Status>,
}

/// The background commands, in the order in which they were started.
#[derive(Default)]
pub struct Jobs(pub Vec<Job>);

/// Status of a command that does not exist.
const NO_COMMAND: u8 = 127;
/// Status of a program that could not be started.
const NO_START: u8 = 126;

impl Shell {
    /// Starts a program.
    pub fn start(&mut self, words: &[String]) -> Result<Space, Failure> {
        let (name, args) = words.split_first().ok_or(Failure::Status(0))?;
        call(self.init, &Run { name: name.clone(), args: args.to_vec() }).map_err(|error| {
            let status = if error == Error::NotFound { NO_COMMAND } else { NO_START };
            match error {
                Error::NotFound => println!("shell: {name}: no such command (try help)"),
                error => println!("shell: {name}: {error}"),
            }
            Failure::Status(status)
        })
    }

    /// Runs a program and waits for its end; Control-C kills it.
    pub fn foreground(&mut self, words: &[String]) -> Result<Status, Failure> {
        let space = self.start(words)?;
        let mut killed = false;
        loop {
            if let Some(ended) = self.end_of(space)? {
                if killed {
                    println!("");
                    return Ok(INTERRUPTED);
                }
                why(&words[0], &ended).iter().for_each(|line| println!("{line}"));
                return Ok(ended.status);
            }
            match self.check_interrupt() {
                Err(Failure::Status(INTERRUPTED)) => {
                    killed = true;
                    match call(self.init, &KillProgram { space }) {
                        // It may have ended by itself just now.
                        Ok(()) | Err(Error::NotFound) => {}
                        Err(error) => return Err(Failure::of("kill", error)),
                    }
                }
                other => {
                    other?;
                    self.pause(None)?;
                }
            }
        }
    }

    /// Adds a program to the background.
    pub fn background(&mut self, space: Space, text: &str) {
        self.jobs.0.push(Job { space, text: text.into(), ended: None });
        if self.person {
            println!("[{space}] {text}");
        }
    }

    fn end_of(&self, space: Space) -> Result<Option<Ended>, Failure> {
        call(self.init, &Poll { space }).map_err(|e| Failure::of("init", e))
    }

    /// Looks which background commands have ended. What there is to say about it, a line each.
    pub fn look_for_ends(&mut self) -> Result<Vec<String>, Failure> {
        let mut lines = Vec::new();
        for index in 0..self.jobs.0.len() {
            let job = &self.jobs.0[index];
            if job.ended.is_some() {
                continue;
            }
            if let Some(ended) = self.end_of(job.space)? {
                let job = &mut self.jobs.0[index];
                job.ended = Some(ended.status);
                lines.extend(why(job.text.split_whitespace().next().unwrap_or("?"), &ended));
                if self.person {
                    lines.push(format!("[{}] status {}: {}", job.space, ended.status, job.text));
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
