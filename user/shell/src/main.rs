// SPDX-License-Identifier: BSD-2-Clause
//! The shell: where a person, or a script, talks to the machine.
//!
//! It is one thread that waits for several things at once (keys, ends of programs, time) through the bits of its notification: [`wait`].
//! What it understands is in the crate `ebb-sh`, which stands on [`ground`]; what it can do itself is in [`commands`] and [`language`]; every other name is a program.
//!
//! Four ways in: a person at the console; the text given with `--exec`, after which the machine is shut down with the status of the first command that
//! failed; `sh` (`shell` in `/bin`), what is on its standard input; `sh FILE`, a script; and `sh -c TEXT`, a part of one in a process of its own.
#![no_std]
#![no_main]
#![deny(unsafe_code)]

extern crate alloc;

mod boot;
mod commands;
mod feed;
mod ground;
mod jobs;
mod language;
mod person;
mod run;
mod shell;
mod wait;

use alloc::string::String;
use ebb_args::Failure;
use ebb_rt::client::call;
use ebb_rt::proto::Error;
use ebb_rt::proto::init::{Script, Shutdown};
use ebb_rt::{StartInfo, eprintln, log, println};
use shell::Shell;

ebb_rt::program!(main);

/// Largest status that the machine can end with; larger ones (a program that was killed: 137) become this one.
const MAX_SHUTDOWN: u8 = 63;

fn main(info: &'static StartInfo) -> u8 {
    let mut shell = match Shell::new(info) {
        Ok(shell) => shell,
        Err(error) => {
            println!("shell: cannot start: {error}");
            return 1;
        }
    };
    match info.args.as_slice() {
        [flag, text, rest @ ..] if flag == "-c" => {
            if let Some((name, args)) = rest.split_first() {
                shell.variables.name = name.clone();
                shell.variables.args = args.to_vec();
            }
            shell.variables.mistakes_end = true;
            shell.part(text)
        }
        // From `/bin`, and not the machine's first program.
        [] if !info.exec.is_empty() => shell.input().unwrap_or_else(|failure| {
            eprintln!("shell: {failure}");
            failure.status()
        }),
        [] => match prepared_script(&shell) {
            Ok(Some(text)) => {
                let status = shell.script(&text);
                shutdown(&shell, status)
            }
            Ok(None) => shell.serve_person(),
            Err(error) => {
                println!("shell: cannot read the script: {error}");
                shutdown(&shell, 1)
            }
        },
        [path, args @ ..] if !path.starts_with('-') => match language::script(path) {
            Ok(text) => {
                shell.variables.name = path.clone();
                shell.variables.args = args.to_vec();
                shell.variables.mistakes_end = true;
                shell.part(&text)
            }
            Err(error) => {
                eprintln!("shell: {path}: {}", error.posix().1);
                if error == Error::NotFound { 127 } else { 126 }
            }
        },
        _ => {
            println!("usage: shell [-c TEXT [NAME [ARGUMENT...]] | FILE [ARGUMENT...]]");
            if info.args.first().is_some_and(|a| a == "--help") { 0 } else { ebb_args::USAGE }
        }
    }
}

/// Makes the machine ready and looks for the text given with `--exec`.
fn prepared_script(shell: &Shell) -> Result<Option<String>, Error> {
    boot::swap_disks(shell);
    script(shell)
}

/// The text given with `--exec`, if there is one.
fn script(shell: &Shell) -> Result<Option<String>, Error> {
    let mut text = String::new();
    loop {
        match call(shell.init, &Script { from: text.len() as u64 }) {
            Ok(piece) if piece.is_empty() => return Ok(Some(text)),
            Ok(piece) => text.push_str(&piece),
            Err(Error::NotFound) if text.is_empty() => return Ok(None),
            Err(error) => return Err(error),
        }
    }
}

/// Ends the machine. Comes back only if that failed.
fn shutdown(shell: &Shell, status: u8) -> u8 {
    ebb_rt::console::flush();
    if status > MAX_SHUTDOWN {
        log!("status {status} becomes {MAX_SHUTDOWN}: the machine can report no larger one");
    }
    if let Err(error) = call(shell.init, &Shutdown { status: status.min(MAX_SHUTDOWN) }) {
        println!("shell: {}", Failure::of("shutdown", error));
        return 1;
    }
    status
}
