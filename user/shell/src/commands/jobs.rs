// SPDX-License-Identifier: BSD-2-Clause
//! `kill`, `jobs`, `wait`, `fg`, `bg`.

use super::{flags, show};
use crate::jobs::State;
use crate::shell::Shell;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use ebb_args::Failure;
use ebb_report::{Column, Listing, Value};
use ebb_rt::process::{self, Pid, Target, signal};
use ebb_rt::proto::Error;

/// Status of `wait` for what is no job.
const NO_JOB: u8 = 127;

/// A signal by its number or its name, with or without `SIG`.
fn signal_of(word: &str) -> Option<u8> {
    let upper = word.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let named = signal::NAMES.iter().find(|(n, _)| *n == name).map(|(_, number)| *number);
    named.or_else(|| name.parse().ok().filter(|number| *number <= signal::LAST))
}

pub fn kill(shell: &mut Shell, args: &[String]) -> Result<(), Failure> {
    let usage = || Failure::Usage("usage: kill [-SIGNAL] PID | -GROUP | %JOB ...".into());
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let no_signal = |word: &str| Failure::Usage(format!("{word}: no such signal (try kill -l)"));
    let (number, targets) = match words.as_slice() {
        ["-l"] => {
            let names: Vec<&str> = signal::NAMES.iter().map(|(name, _)| *name).collect();
            ebb_rt::println!("{}", names.join(" "));
            return Ok(());
        }
        ["-s", name, rest @ ..] => (signal_of(name).ok_or_else(|| no_signal(name))?, rest),
        ["--", rest @ ..] => (signal::TERM, rest),
        [first, rest @ ..] if first.starts_with('-') && !rest.is_empty() => {
            (signal_of(&first[1..]).ok_or_else(|| no_signal(first))?, rest)
        }
        rest => (signal::TERM, rest),
    };
    let targets = if let ["--", rest @ ..] = targets { rest } else { targets };
    if targets.is_empty() {
        return Err(usage());
    }
    for word in targets {
        if word.starts_with('%') {
            let at = shell.jobs.find(Some(word));
            let job = at.and_then(|at| shell.jobs.0.get_mut(at));
            job.ok_or_else(|| Failure::Trouble(format!("{word}: no such job (see jobs)")))?.signal(number)?;
            continue;
        }
        let number_of = |digits: &str| {
            digits.parse::<Pid>().map_err(|_| Failure::Usage(format!("{word}: not a process id (see ps)")))
        };
        let target = match word.strip_prefix('-') {
            Some(group) => Target::Group(number_of(group)?),
            None => Target::Process(number_of(word)?),
        };
        process::kill(target, number).map_err(|error| match error {
            Error::NotFound => Failure::Trouble(format!("{word}: no such program (see ps)")),
            Error::NotPermitted => {
                Failure::Trouble(format!("{word}: it is a server (use service kill ROLE)"))
            }
            error => Failure::of(word, error),
        })?;
    }
    Ok(())
}

const JOBS: &[Column] = &[
    Column { key: "job", heading: "JOB" },
    Column { key: "pid", heading: "PID" },
    Column { key: "state", heading: "STATE" },
    Column { key: "command", heading: "COMMAND" },
];

pub fn jobs(shell: &mut Shell, args: &[String]) -> Result<(), Failure> {
    let json = flags(args, &["--json"])?.flag("--json");
    // What they say is in the table.
    shell.look_for_ends()?;
    let mut list = Listing::new(JOBS);
    for job in &shell.jobs.0 {
        let state = match job.state() {
            State::Running => Value::from("running"),
            State::Stopped => Value::from("stopped"),
            State::Ended(status) => format!("status {status}").into(),
        };
        list.row([job.number.into(), job.pid().into(), state, job.text.as_str().into()]);
    }
    show(&list, json);
    Ok(())
}

pub fn wait(shell: &mut Shell, args: &[String]) -> Result<(), Failure> {
    let mut status = if args.is_empty() { shell.wait_for_jobs() } else { 0 };
    for word in args {
        let number = shell.jobs.find(Some(word)).and_then(|at| shell.jobs.0.get(at)).map(|j| j.number);
        status = match number {
            Some(number) => shell.wait_for_job(number)?,
            None => NO_JOB,
        };
    }
    if status == 0 { Ok(()) } else { Err(Failure::Status(status)) }
}

fn job(shell: &mut Shell, args: &[String]) -> Result<usize, Failure> {
    let word = match args {
        [] => None,
        [word] => Some(word.as_str()),
        _ => return Err(Failure::Usage("one job, please".into())),
    };
    shell.look_for_ends()?;
    let none = || Failure::Trouble(format!("{}: no such job (see jobs)", word.unwrap_or("%%")));
    shell.jobs.find(word).ok_or_else(none)
}

pub fn fg(shell: &mut Shell, args: &[String]) -> Result<(), Failure> {
    let at = job(shell, args)?;
    match shell.foreground(at)? {
        0 => Ok(()),
        status => Err(Failure::Status(status)),
    }
}

pub fn bg(shell: &mut Shell, args: &[String]) -> Result<(), Failure> {
    let at = job(shell, args)?;
    shell.go_on(at)
}
