// SPDX-License-Identifier: BSD-2-Clause
//! `limit`: shows and sets what programs and groups of them may have, and who is spared when memory is exhausted.

use super::{show, show_json};
use crate::shell::Shell;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use ebb_args::Failure;
use ebb_report::{Column, Listing, Value};
use ebb_rt::abi::PAGE_SIZE;
use ebb_rt::abi::meter::Counter;
use ebb_rt::client::call;
use ebb_rt::println;
use ebb_rt::process::{self, Limit, Pid, Resource};
use ebb_rt::proto::Error;
use ebb_rt::proto::daemon::{Groups, Join, Limits, SetGroupLimit, Spare, Status};
use ebb_rt::proto::proc::{State, UNLIMITED};
use ebb_rt::proto::vm::{Limited, LimitedGroup, NO_LIMIT, Space, Usage};
use ebb_rt::shared::meter;

const LIMITS: &[Column] = &[
    Column { key: "resource", heading: "RESOURCE" },
    Column { key: "used", heading: "USED" },
    Column { key: "soft", heading: "SOFT" },
    Column { key: "hard", heading: "HARD" },
];

fn name(resource: Resource) -> &'static str {
    match resource {
        Resource::Rss => "rss",
        Resource::AddressSpace => "as",
        Resource::Data => "data",
        Resource::Stack => "stack",
        Resource::Swap => "swap",
        Resource::Processes => "processes",
    }
}

fn value(limit: u64) -> Value {
    if limit == UNLIMITED { "unlimited".into() } else { limit.into() }
}

fn size(word: &str) -> Result<u64, Failure> {
    match word {
        "unlimited" => Ok(UNLIMITED),
        word => {
            // A page of one byte: bytes, also of what is given as a share of memory.
            let memory = meter(Counter::v_page_count) * PAGE_SIZE as u64;
            let too_much = || Failure::Usage(format!("{word}: too much"));
            ebb_args::size(word)?.pages(1, memory).ok_or_else(too_much)
        }
    }
}

const PROGRAMS: &[Column] = &[
    Column { key: "pid", heading: "PID" },
    Column { key: "name", heading: "NAME" },
    Column { key: "rss_pages", heading: "RSS" },
    Column { key: "limit_pages", heading: "LIMIT" },
    Column { key: "group", heading: "GROUP" },
    Column { key: "spared", heading: "SPARED" },
];

/// `RESOURCE=SIZE[:HARD]`, or what `vm-daemon` knows: `group=N`, `spare=on`.
fn set(shell: &Shell, pid: Pid, word: &str) -> Result<(), Failure> {
    let usage =
        || Failure::Usage(format!("{word}: not RESOURCE=SIZE[:HARD], group=N, spare=on or spare=off"));
    let (what, sizes) = word.split_once('=').ok_or_else(usage)?;
    let done = match (what, sizes) {
        ("group", number) => call(shell.vm_daemon, &Join { space: space_of(pid)?, group: group(number)? }),
        ("spare", "on" | "off") => {
            call(shell.vm_daemon, &Spare { space: space_of(pid)?, spare: sizes == "on" })
        }
        _ => {
            let resource = Resource::ALL.into_iter().find(|r| name(*r) == what).ok_or_else(usage)?;
            return set_resource(pid, resource, sizes, word);
        }
    };
    done.map_err(|error| match error {
        Error::NotFound => Failure::Trouble(format!("{word}: no such group (see limit)")),
        error => Failure::of(word, error),
    })
}

fn set_resource(pid: Pid, resource: Resource, sizes: &str, word: &str) -> Result<(), Failure> {
    let said = |e: Error| match e {
        Error::NotFound => nobody(pid),
        Error::Invalid => Failure::Trouble(format!("{word}: above the hard limit")),
        Error::NotPermitted => Failure::Trouble(format!("{word}: a hard limit never rises")),
        error => Failure::of(word, error),
    };
    let now = process::limits(pid).map_err(said)?;
    let (soft, hard) = match sizes.split_once(':') {
        Some((soft, hard)) => (size(soft)?, size(hard)?),
        None => (size(sizes)?, now[resource as usize].hard),
    };
    process::set_limit(pid, resource, Limit { soft, hard }).map_err(said)
}

fn nobody(pid: Pid) -> Failure {
    Failure::Trouble(format!("{pid}: no such program (see ps)"))
}

/// Where a process is; 0: the shell itself.
fn space_of(pid: Pid) -> Result<Space, Failure> {
    let pid = if pid == 0 { process::id().map_err(|e| Failure::of("proc", e))? } else { pid };
    let all = process::list().map_err(|e| Failure::of("proc", e))?;
    all.iter().find(|p| p.pid == pid && p.space != 0).map(|p| p.space).ok_or_else(|| nobody(pid))
}

fn group(text: &str) -> Result<u32, Failure> {
    text.parse().map_err(|_| Failure::Usage(format!("group={text}: not a number")))
}

/// Limits a group, which is made by that.
fn set_group(shell: &Shell, number: u32, word: &str) -> Result<(), Failure> {
    let usage = || Failure::Usage(format!("{word}: a group has rss=SIZE or rss=unlimited"));
    let pages = match word.strip_prefix("rss=").ok_or_else(usage)? {
        "unlimited" => NO_LIMIT,
        bytes => size(bytes)? / PAGE_SIZE as u64,
    };
    call(shell.vm_daemon, &SetGroupLimit { group: number, pages })
        .map_err(|e| Failure::of(&format!("group={number}"), e))
}

/// Whose limits.
enum Subject {
    /// A process; 0: the shell.
    Program(Pid),
    /// A group.
    Group(u32),
}

pub fn limit(shell: &mut Shell, args: &[String]) -> Result<(), Failure> {
    let json = args.iter().any(|a| a == "--json");
    if args.iter().any(|a| a == "--status") {
        return status(shell, json);
    }
    let words: Vec<&String> = args.iter().filter(|a| *a != "--json").collect();
    let (whom, settings) = match words.split_first() {
        None => return list(shell, None, json),
        Some((first, settings)) => match (first.parse::<Pid>(), first.strip_prefix("group=")) {
            (Ok(pid), _) => (Subject::Program(pid), settings),
            (_, Some(number)) if settings.is_empty() || settings[0].starts_with("rss=") => {
                (Subject::Group(group(number)?), settings)
            }
            // About the shell itself, and what it starts.
            _ => (Subject::Program(0), &words[..]),
        },
    };
    match whom {
        Subject::Group(number) if settings.is_empty() => list(shell, Some(number), json),
        Subject::Group(number) => settings.iter().try_for_each(|word| set_group(shell, number, word)),
        Subject::Program(pid) if settings.is_empty() => resources(shell, pid, json),
        Subject::Program(pid) => settings.iter().try_for_each(|word| set(shell, pid, word)),
    }
}

/// The daemon's counters.
fn status(shell: &Shell, json: bool) -> Result<(), Failure> {
    let counters = call(shell.vm_daemon, &Status {}).map_err(|e| Failure::of("vm-daemon", e))?;
    if json {
        show_json(&Value::Object(counters.into_iter().map(|(n, v)| (n, v.into())).collect()));
        return Ok(());
    }
    for (name, value) in counters {
        println!("{name:<20}{value}");
    }
    Ok(())
}

/// What a process has, and may have.
fn resources(shell: &Shell, pid: Pid, json: bool) -> Result<(), Failure> {
    let limits = process::limits(pid).map_err(|error| match error {
        Error::NotFound => nobody(pid),
        error => Failure::of("proc", error),
    })?;
    let space = space_of(pid)?;
    let has = call(shell.vm, &Usage { space }).map_err(|e| Failure::of("vm", e))?;
    let processes = process::list().map_err(|e| Failure::of("proc", e))?;
    let living = processes.iter().filter(|p| p.state != State::Ended).count() as u64;
    let mut list = Listing::new(LIMITS);
    for (resource, limit) in Resource::ALL.into_iter().zip(limits) {
        let bytes = |pages: u64| Some(pages * PAGE_SIZE as u64);
        let used = match resource {
            Resource::Rss => bytes(has.resident),
            Resource::AddressSpace => bytes(has.mapped),
            Resource::Data => bytes(has.data),
            Resource::Swap => bytes(has.swap),
            // It is what the next program gets.
            Resource::Stack => None,
            Resource::Processes => Some(living),
        };
        list.row([
            name(resource).into(),
            used.map_or("-".into(), Value::from),
            value(limit.soft),
            value(limit.hard),
        ]);
    }
    show(&list, json);
    Ok(())
}

fn all_programs(shell: &Shell) -> Result<Vec<Limited>, Failure> {
    let mut all: Vec<Limited> = Vec::new();
    loop {
        let from: Space = all.last().map_or(0, |l| l.space.saturating_add(1));
        let some = call(shell.vm_daemon, &Limits { from }).map_err(|e| Failure::of("vm-daemon", e))?;
        if some.is_empty() || some.iter().any(|l| l.space < from) {
            return Ok(all);
        }
        all.extend(some);
    }
}

fn all_groups(shell: &Shell) -> Result<Vec<LimitedGroup>, Failure> {
    let mut all: Vec<LimitedGroup> = Vec::new();
    loop {
        let from = all.last().map_or(0, |g| g.group.saturating_add(1));
        let some = call(shell.vm_daemon, &Groups { from }).map_err(|e| Failure::of("vm-daemon", e))?;
        if some.is_empty() || some.iter().any(|g| g.group < from) {
            return Ok(all);
        }
        all.extend(some);
    }
}

fn limit_text(pages: u64) -> Value {
    if pages == NO_LIMIT { "unlimited".into() } else { pages.into() }
}

/// What programs and groups have, and may have, in pages; `None`: all of them.
fn list(shell: &Shell, only: Option<u32>, json: bool) -> Result<(), Failure> {
    let mut list = Listing::new(PROGRAMS);
    let mut any = only.is_none();
    let processes = process::list().map_err(|e| Failure::of("proc", e))?;
    for p in all_programs(shell)?.iter().filter(|p| only.is_none_or(|group| p.group == group)) {
        any = true;
        // One that is just being made or ended has no process.
        let pid = processes.iter().find(|process| process.space == p.space).map_or(0, |process| process.pid);
        list.row([
            pid.into(),
            p.name.as_str().into(),
            p.resident.into(),
            limit_text(p.limit),
            p.group.into(),
            if p.spared { "yes" } else { "no" }.into(),
        ]);
    }
    for g in all_groups(shell)?.iter().filter(|g| only.is_none_or(|group| g.group == group)) {
        any = true;
        let name = format!("({} programs)", g.members);
        list.row([
            "-".into(),
            name.as_str().into(),
            g.resident.into(),
            limit_text(g.limit),
            g.group.into(),
            "-".into(),
        ]);
    }
    if !any {
        return Err(Failure::Trouble("no such group (see limit)".into()));
    }
    show(&list, json);
    Ok(())
}
