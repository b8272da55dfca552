// SPDX-License-Identifier: BSD-2-Clause
//! What the shell does itself: one table, one function a command.

mod counters;
mod jobs;
mod limit;
mod machine;
mod policy;
mod process;
mod service;
mod swap;
mod sysctl;
mod top;

use crate::shell::Shell;
use alloc::string::String;
use ebb_args::{Args, Failure, Spec};
use ebb_report::{Listing, Value};
use ebb_rt::println;

/// A command of the shell.
pub struct Builtin {
    /// Its name.
    pub name: &'static str,
    /// Its arguments, as help shows them.
    usage: &'static str,
    /// What it does, in a few words.
    what: &'static str,
    /// Does it.
    pub run: fn(&mut Shell, &[String]) -> Result<(), Failure>,
}

macro_rules! builtins {
    ($($name:literal $usage:literal $what:literal $run:path;)+) => {
        /// All commands, in the order in which help shows them.
        pub const BUILTINS: &[Builtin] = &[$(Builtin { name: $name, usage: $usage, what: $what, run: $run },)+];
    };
}

builtins! {
    "help" "" "what there is" machine::help;
    "ps" "[-l]" "programs and servers, and their memory; -l: processes" process::ps;
    "top" "[-n TIMES] [-d SEC]" "the busiest of them, until a key" top::top;
    "vmstat" "[-n SEC] [-c COUNT] [-s]" "paging rates; -s or --json: all counters" counters::vmstat;
    "swapinfo" "" "swap devices" swap::swapinfo;
    "swapon" "DISK | -a" "use a disk for swap" swap::swapon;
    "swapoff" "DISK" "stop using it; what is on it is brought in" swap::swapoff;
    "disks" "" "disks" swap::disks;
    "inputs" "" "input disks (xtask run --input FILE)" swap::inputs;
    "sysctl" "[NAME[=VALUE]]..." "tunables and counters; vm.audit=1 checks everything" sysctl::sysctl;
    "audit" "" "check that all records of memory agree" machine::audit;
    "policy" "[--knobs] [NAME=VALUE]..." "counters of the pageout policy, from its own start; its options" policy::policy;
    "services" "" "servers" service::services;
    "service" "replace ROLE IMAGE | restart|stop|kill ROLE" "change a server, under load" service::service;
    "kill" "[-SIGNAL] PID | -GROUP | %JOB ... | -l" "send a signal (TERM: end)" jobs::kill;
    "jobs" "" "commands in the background, and stopped ones" jobs::jobs;
    "wait" "[PID | %JOB]..." "wait for them; status of the first that failed" jobs::wait;
    "fg" "[%JOB | PID]" "go on with it in the foreground" jobs::fg;
    "bg" "[%JOB | PID]" "go on with it in the background" jobs::bg;
    "hold" "PID..." "keep a program in memory: it is not swapped out whole" process::hold;
    "release" "PID..." "keep it no longer" process::release;
    "swapout" "PID..." "swap a program out whole; it comes back by itself" process::swap_out;
    "renice" "NICE PID..." "how nice a program is to others (-20 to 19)" process::renice;
    "limit" "[--status] [PID|group=N] [RESOURCE=SIZE[:HARD]|group=N|spare=on|off]..." "what programs and groups may have" limit::limit;
    "sleep" "SEC" "wait (fractions allowed)" process::sleep;
    "uptime" "" "time since the start" machine::uptime;
    "shutdown" "[STATUS]" "end the machine" machine::shutdown;
}

/// The command of that name.
pub fn find(name: &str) -> Option<&'static Builtin> {
    BUILTINS.iter().find(|b| b.name == name)
}

/// Arguments of a command that takes flags only.
fn flags(args: &[String], flags: &'static [&'static str]) -> Result<Args, Failure> {
    Ok(Args::parse(args, &Spec { values: &[], flags, operands: 0 })?)
}

/// Prints a listing, as a table or as JSON.
fn show(listing: &Listing, json: bool) {
    if json {
        println!("{}", listing.json());
    } else {
        ebb_rt::print!("{listing}");
    }
}

/// Prints a value as JSON.
fn show_json(value: &Value) {
    println!("{value}");
}
