// SPDX-License-Identifier: BSD-2-Clause
//! `ulimit`: shows and sets what a program may have.

use super::show;
use crate::shell::Shell;
use alloc::format;
use alloc::string::String;
use ebb_args::Failure;
use ebb_report::{Column, Listing, Value};
use ebb_rt::abi::PAGE_SIZE;
use ebb_rt::abi::meter::Counter;
use ebb_rt::process::{self, Limit, Pid, Resource};
use ebb_rt::proto::Error;
use ebb_rt::proto::proc::UNLIMITED;
use ebb_rt::shared::meter;

const LIMITS: &[Column] = &[
    Column { key: "resource", heading: "RESOURCE" },
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

/// `RESOURCE=SIZE[:HARD]`.
fn set(pid: Pid, word: &str) -> Result<(), Failure> {
    let usage = || Failure::Usage(format!("{word}: not RESOURCE=SIZE[:HARD]"));
    let (resource, sizes) = word.split_once('=').ok_or_else(usage)?;
    let resource = Resource::ALL.into_iter().find(|r| name(*r) == resource).ok_or_else(usage)?;
    let said = |e: Error| match e {
        Error::NotFound => Failure::Trouble(format!("{pid}: no such program (see ps)")),
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

pub fn ulimit(_shell: &mut Shell, args: &[String]) -> Result<(), Failure> {
    let json = args.iter().any(|a| a == "--json");
    let mut pid = 0;
    let mut show_them = true;
    for word in args.iter().filter(|a| *a != "--json") {
        match word.parse() {
            Ok(number) => pid = number,
            Err(_) => {
                set(pid, word)?;
                show_them = false;
            }
        }
    }
    if !show_them {
        return Ok(());
    }
    let limits = process::limits(pid).map_err(|error| match error {
        Error::NotFound => Failure::Trouble(format!("{pid}: no such program (see ps)")),
        error => Failure::of("proc", error),
    })?;
    let mut list = Listing::new(LIMITS);
    for (resource, limit) in Resource::ALL.into_iter().zip(limits) {
        list.row([name(resource).into(), value(limit.soft), value(limit.hard)]);
    }
    show(&list, json);
    Ok(())
}
