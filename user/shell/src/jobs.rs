// SPDX-License-Identifier: BSD-2-Clause
//! Programs that the shell waits for: in the foreground, where keys stop and end them, and in the background.
//!
//! Where a person is, each command line's programs are a group of processes, and Control-C and Control-Z are signals for the group in the foreground. Elsewhere they belong to the group of who started
//! the shell.

use crate::ground::Process;
use crate::shell::{INTERRUPTED, Shell};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use ebb_args::Failure;
use ebb_rt::io::Channel;
use ebb_rt::process::{self, Change, Child, Ended, Pid, Status, Target, signal};
use ebb_rt::proto::Error;
use ebb_rt::{eprintln, println};

/// Status of a command that Control-Z stopped (128 + `SIGTSTP`).
const STOPPED: Status = 148;

/// A program of a job.
pub struct Member {
    child: Child,
    name: String,
    stopped: bool,
    ended: Option<Status>,
}

/// A command line that was started.
pub struct Job {
    /// Its number, from 1.
    pub number: u32,
    /// Its programs, in the order of a pipeline.
    members: Vec<Member>,
    /// Their group, if they have one to themselves.
    group: Option<Pid>,
    /// As it was written.
    pub text: String,
    /// Where what is typed goes while it is in the foreground.
    input: Option<Channel>,
}

/// How a job is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Some program of it runs.
    Running,
    /// All that have not ended are stopped.
    Stopped,
    /// All have ended; the status of the last.
    Ended(Status),
}

impl Job {
    fn new(processes: Vec<Process>, text: String, group: Option<Pid>) -> Job {
        let member = |p: Process| Member { child: p.child, name: p.name, stopped: false, ended: None };
        let members = processes.into_iter().map(member).collect();
        Job { number: 0, members, group, text, input: None }
    }

    /// The number of its last program.
    pub fn pid(&self) -> Pid {
        self.members.last().map_or(0, |m| m.child.id())
    }

    /// How it is.
    pub fn state(&self) -> State {
        if self.members.iter().all(|m| m.ended.is_some()) {
            return State::Ended(self.members.last().and_then(|m| m.ended).unwrap_or(0));
        }
        let going = self.members.iter().any(|m| m.ended.is_none() && !m.stopped);
        if going { State::Running } else { State::Stopped }
    }

    /// Looks what has happened. What there is to say about it, a line each.
    fn look(&mut self) -> Result<Vec<String>, Failure> {
        let mut lines = Vec::new();
        for member in self.members.iter_mut().filter(|m| m.ended.is_none()) {
            while let Some(change) = member.child.change().map_err(|e| Failure::of("proc", e))? {
                match change {
                    Change::Ended(ended) => {
                        member.ended = Some(ended.status);
                        lines.extend(why(&member.name, &ended));
                        break;
                    }
                    Change::Stopped(_) => member.stopped = true,
                    Change::Continued => member.stopped = false,
                }
            }
        }
        Ok(lines)
    }

    /// Sends a signal to all of it.
    pub fn signal(&mut self, number: u8) -> Result<(), Failure> {
        let send = |target| match process::kill(target, number) {
            // It may have ended by itself just now.
            Ok(()) | Err(Error::NotFound) => Ok(()),
            Err(error) => Err(Failure::of("kill", error)),
        };
        if let Some(group) = self.group {
            return send(Target::Group(group));
        }
        let there = self.members.iter().filter(|m| m.ended.is_none());
        there.map(|m| m.child.id()).try_for_each(|pid| send(Target::Process(pid)))
    }

    /// Lets it go on.
    fn go_on(&mut self) -> Result<(), Failure> {
        self.members.iter_mut().for_each(|m| m.stopped = false);
        self.signal(signal::CONT)
    }
}

/// The jobs in the background, and those that are stopped, in the order in which they were started.
#[derive(Default)]
pub struct Jobs(pub Vec<Job>);

impl Jobs {
    fn add(&mut self, mut job: Job) -> &Job {
        if job.number == 0 {
            job.number = self.0.iter().map(|j| j.number).max().unwrap_or(0) + 1;
        }
        let at = self.0.partition_point(|j| j.number < job.number);
        self.0.insert(at, job);
        &self.0[at]
    }

    /// The job that somebody means: `%N`, `%TEXT` (how it begins), a process's number; nothing or `%%`: the last that is stopped, else the last.
    pub fn find(&self, word: Option<&str>) -> Option<usize> {
        let last_of = |which: &dyn Fn(&Job) -> bool| self.0.iter().rposition(which);
        match word {
            None | Some("%" | "%%" | "%+") => {
                last_of(&|j| j.state() == State::Stopped).or_else(|| last_of(&|_| true))
            }
            Some(word) => match (word.strip_prefix('%'), word.parse::<Pid>()) {
                (Some(rest), _) => match rest.parse::<u32>() {
                    Ok(number) => self.0.iter().position(|j| j.number == number),
                    Err(_) => last_of(&|j| j.text.starts_with(rest)),
                },
                (None, Ok(pid)) => self.0.iter().position(|j| j.members.iter().any(|m| m.child.id() == pid)),
                (None, Err(_)) => None,
            },
        }
    }
}

impl Shell {
    /// Waits for the end of programs; Control-C ends them all, and is the status then, and Control-Z stops them. Otherwise it is that of the last.
    pub fn wait_for(&mut self, processes: Vec<Process>) -> Result<Status, Failure> {
        let names: Vec<&str> = processes.iter().map(|p| p.name.as_str()).collect();
        let text = names.join(" | ");
        let group = self.take_group(&processes);
        let status = self.in_foreground(Job::new(processes, text, group));
        self.end_feed();
        status
    }

    /// The group of programs that were started together; the next ones get another.
    fn take_group(&mut self, processes: &[Process]) -> Option<Pid> {
        self.group.take_if(|group| processes.iter().any(|p| p.child.id() == *group))
    }

    fn in_foreground(&mut self, mut job: Job) -> Result<Status, Failure> {
        let mut killed = false;
        loop {
            let lines = job.look()?;
            if !killed {
                lines.iter().for_each(|line| eprintln!("{line}"));
            }
            match job.state() {
                State::Ended(_) if killed => {
                    self.broken = true;
                    println!("");
                    return Ok(INTERRUPTED);
                }
                State::Ended(status) => return Ok(status),
                State::Stopped if self.person => {
                    job.input = self.set_feed_aside();
                    let job = self.jobs.add(job);
                    println!("\n[{}] stopped: {}", job.number, job.text);
                    return Ok(STOPPED);
                }
                State::Stopped | State::Running => {}
            }
            match self.check_interrupt() {
                Err(Failure::Status(INTERRUPTED)) => {
                    (killed, self.broken) = (true, false);
                    // What was typed before Control-C is forgotten.
                    self.feed = None;
                    job.signal(signal::INT)?;
                }
                other => {
                    other?;
                    if core::mem::take(&mut self.suspended) {
                        job.signal(signal::TSTP)?;
                    }
                    let again = self.pass_on()?;
                    self.pause(again)?;
                }
            }
        }
    }

    /// Adds a program to the background. Returns its number.
    pub fn background(&mut self, process: Process, text: &str) -> Pid {
        let processes = Vec::from([process]);
        let group = self.take_group(&processes);
        let person = self.person;
        let job = self.jobs.add(Job::new(processes, text.into(), group));
        if person {
            println!("[{}] {}", job.number, job.pid());
        }
        job.pid()
    }

    /// `fg`: a job goes on in the foreground.
    pub fn foreground(&mut self, at: usize) -> Result<Status, Failure> {
        let mut job = self.jobs.0.remove(at);
        println!("{}", job.text);
        if let Some(input) = job.input.take() {
            self.resume_feed(input);
        }
        let status = job.go_on().and_then(|()| self.in_foreground(job));
        self.end_feed();
        status
    }

    /// `bg`: a stopped job goes on in the background.
    pub fn go_on(&mut self, at: usize) -> Result<(), Failure> {
        let Some(job) = self.jobs.0.get_mut(at) else { return Ok(()) };
        println!("[{}] {}", job.number, job.text);
        job.go_on()
    }

    /// Looks what the jobs do. What there is to say about it, a line each.
    pub fn look_for_ends(&mut self) -> Result<Vec<String>, Failure> {
        let mut lines = Vec::new();
        for job in &mut self.jobs.0 {
            let before = job.state();
            if matches!(before, State::Ended(_)) {
                continue;
            }
            lines.extend(job.look()?);
            let line = match job.state() {
                State::Ended(status) => format!("[{}] status {status}: {}", job.number, job.text),
                State::Stopped if before != State::Stopped => {
                    format!("[{}] stopped: {}", job.number, job.text)
                }
                _ => continue,
            };
            if self.person {
                lines.push(line);
            }
        }
        Ok(lines)
    }

    /// Forgets jobs that have ended.
    pub fn forget_ended(&mut self) {
        self.jobs.0.retain(|job| !matches!(job.state(), State::Ended(_)));
    }

    /// Waits for a job's end, and forgets it. One that is stopped has none: it stays.
    pub fn wait_for_job(&mut self, number: u32) -> Result<Status, Failure> {
        loop {
            self.look_for_ends()?.iter().for_each(|line| println!("{line}"));
            let Some(at) = self.jobs.0.iter().position(|j| j.number == number) else { return Ok(0) };
            match self.jobs.0[at].state() {
                State::Ended(status) => {
                    self.jobs.0.remove(at);
                    return Ok(status);
                }
                State::Stopped => return Ok(STOPPED),
                State::Running => {}
            }
            self.check_interrupt()?;
            self.pause(None)?;
        }
    }

    /// Waits for all background commands that are not stopped and forgets them. The first status that is not 0, in the order of their start.
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
            if self.jobs.0.iter().all(|j| j.state() != State::Running) {
                let ended = |j: &Job| match j.state() {
                    State::Ended(status) => Some(status),
                    _ => None,
                };
                let status = self.jobs.0.iter().filter_map(ended).find(|s| *s != 0).unwrap_or(0);
                self.forget_ended();
                return Ok(status);
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
