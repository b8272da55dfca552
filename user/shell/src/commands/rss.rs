// SPDX-License-Identifier: BSD-2-Clause
//! `rss`, `limit`: what programs and groups of them have resident, and may, and who is spared when memory is exhausted.

use super::{show, show_json};
use crate::shell::Shell;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use ebb_args::{Args, Failure, Spec};
use ebb_report::{Column, Listing, Value};
use ebb_rt::abi::PAGE_SIZE;
use ebb_rt::abi::meter::Counter;
use ebb_rt::client::call;
use ebb_rt::println;
use ebb_rt::proto::Error;
use ebb_rt::proto::daemon::{Groups, Join, Limits, SetLimit, Spare, Status, Whom};
use ebb_rt::proto::vm::{Limited, LimitedGroup, NO_LIMIT, Space};
use ebb_rt::shared::meter;

const SPEC: Spec = Spec { values: &[], flags: &["--json", "--status"], operands: 4 };

const COLUMNS: &[Column] = &[
    Column { key: "pid", heading: "PID" },
    Column { key: "name", heading: "NAME" },
    Column { key: "rss_pages", heading: "RSS" },
    Column { key: "limit_pages", heading: "LIMIT" },
    Column { key: "group", heading: "GROUP" },
    Column { key: "spared", heading: "SPARED" },
];

pub fn rss(shell: &mut Shell, args: &[String]) -> Result<(), Failure> {
    let args = Args::parse(args, &SPEC)?;
    if args.flag("--status") {
        return status(shell, args.flag("--json"));
    }
    let words = args.operands();
    let Some((first, settings)) = words.split_first() else {
        return list(shell, None, args.flag("--json"));
    };
    let whom = match first.strip_prefix("group=") {
        Some(number) => Whom::Group(group(number)?),
        None => Whom::Space(
            first.parse().map_err(|_| Failure::Usage(format!("{first}: not a process id (see ps)")))?,
        ),
    };
    if settings.is_empty() {
        return list(shell, Some(whom), args.flag("--json"));
    }
    settings.iter().try_for_each(|word| set(shell, whom, first, word))
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

fn group(text: &str) -> Result<u32, Failure> {
    text.parse().map_err(|_| Failure::Usage(format!("group={text}: not a number")))
}

fn set(shell: &Shell, whom: Whom, name: &str, word: &str) -> Result<(), Failure> {
    let usage = || Failure::Usage(format!("{word}: rss=SIZE, rss=none, group=N, spare=on or spare=off"));
    let (what, value) = word.split_once('=').ok_or_else(usage)?;
    let done = match (what, whom) {
        ("rss", _) => {
            let pages = if value == "none" { NO_LIMIT } else { pages(value)? };
            call(shell.vm_daemon, &SetLimit { whom, pages })
        }
        ("group", Whom::Space(space)) => call(shell.vm_daemon, &Join { space, group: group(value)? }),
        ("spare", Whom::Space(space)) if matches!(value, "on" | "off") => {
            call(shell.vm_daemon, &Spare { space, spare: value == "on" })
        }
        _ => return Err(usage()),
    };
    done.map_err(|error| match error {
        Error::NotFound => Failure::Trouble(format!("{name}: no such program or group (see rss)")),
        Error::NotPermitted => Failure::Trouble(format!("{name}: a server has no limit")),
        error => Failure::of(name, error),
    })
}

fn pages(value: &str) -> Result<u64, Failure> {
    let size = ebb_args::size(value).map_err(|p| Failure::Usage(format!("rss: {}", p.0)))?;
    size.pages(PAGE_SIZE as u64, meter(Counter::v_page_count))
        .ok_or_else(|| Failure::Usage(format!("rss={value}: too much")))
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
    if pages == NO_LIMIT { "none".into() } else { pages.into() }
}

fn list(shell: &Shell, whom: Option<Whom>, json: bool) -> Result<(), Failure> {
    let mut list = Listing::new(COLUMNS);
    let mut any = whom.is_none();
    for p in all_programs(shell)? {
        let shown = match whom {
            None => true,
            Some(Whom::Space(space)) => p.space == space,
            Some(Whom::Group(group)) => p.group == group,
        };
        if shown {
            any = true;
            list.row([
                p.space.into(),
                p.name.as_str().into(),
                p.resident.into(),
                limit_text(p.limit),
                p.group.into(),
                if p.spared { "yes" } else { "no" }.into(),
            ]);
        }
    }
    for g in all_groups(shell)? {
        if whom.is_none_or(|w| w == Whom::Group(g.group)) {
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
    }
    if !any {
        return Err(Failure::Trouble("no such program or group (see rss)".into()));
    }
    show(&list, json);
    Ok(())
}
