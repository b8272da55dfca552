// SPDX-License-Identifier: BSD-2-Clause
//! The policy: what a scan costs, and what its replacement costs.

use crate::Row;
use crate::paging::{Load, region_pages};
use crate::samples::Samples;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use ebb_args::{Args, Failure};
use ebb_rt::StartInfo;
use ebb_rt::abi::Handle;
use ebb_rt::client::call;
use ebb_rt::process::Command;
use ebb_rt::proto::init::{Images, Replace, Services};
use ebb_rt::proto::policy::Stats;
use ebb_rt::start::Given;

/// Rounds of the scan row.
const ROUNDS: usize = 1000;
/// Accesses between two looks at the policy's counters.
const STEPS: u32 = 64;
/// Looks without one scanned page after which the row is given up.
const PATIENCE: u32 = 10_000;
/// How often the policy is replaced, if nothing else is said.
const REPLACEMENTS: u64 = 1000;

fn handle(info: &StartInfo, name: &str) -> Result<Handle, Failure> {
    info.handle(name).map_err(|e| Failure::of(name, e))
}

/// Cycles and pages of scans so far.
fn scanned(pageout: Handle) -> Result<(u64, u64), Failure> {
    let stats = call(pageout, &Stats {}).map_err(|e| Failure::of("pageout", e))?;
    let get = |name: &str| stats.iter().find(|(n, _)| n == name).map(|(_, v)| *v);
    match (get("scan_cycles"), get("scan_pages")) {
        (Some(cycles), Some(pages)) => Ok((cycles, pages)),
        _ => Err(Failure::Trouble("the policy does not say what its scans cost".into())),
    }
}

/// The policy's own work per page that it examines.
pub fn scan(info: &StartInfo) -> Result<Vec<Row>, Failure> {
    let pageout = handle(info, "pageout")?;
    let mut load = Load::new(info, region_pages()?)?;
    let mut samples = Samples::default();
    let mut before = scanned(pageout)?;
    let mut quiet = 0;
    while samples.len() < ROUNDS {
        (0..STEPS).for_each(|_| load.step());
        let now = scanned(pageout)?;
        let pages = now.1.saturating_sub(before.1);
        match now.0.saturating_sub(before.0).checked_div(pages) {
            Some(each) => {
                samples.add(each);
                (before, quiet) = (now, 0);
            }
            None => quiet += 1,
        }
        if quiet > PATIENCE {
            return Err(Failure::Trouble("the policy examines nothing".into()));
        }
    }
    load.end(info)?;
    Ok(vec![Row { name: "policy_scan", samples }])
}

/// How long reclaim is held when the policy is replaced while another program pages.
pub fn replace(info: &StartInfo, args: &Args) -> Result<Vec<Row>, Failure> {
    let rounds = args.read("--replacements", ebb_args::number)?.unwrap_or(REPLACEMENTS);
    let init = handle(info, "init")?;
    let said = |e| Failure::of("init", e);
    let services = call(init, &Services {}).map_err(said)?;
    let current = services.iter().find(|s| s.role == "pageout").map(|s| s.image.clone());
    let current = current.ok_or_else(|| Failure::Trouble("there is no policy".into()))?;
    let images = call(init, &Images {}).map_err(said)?;
    let other = images.iter().filter_map(|i| i.strip_prefix("pageout/")).find(|i| *i != current);
    let other = String::from(other.ok_or_else(|| Failure::Trouble("there is no other policy".into()))?);

    let load = format!("{}", region_pages()?);
    let child = Command::new(&info.name).arg("--load").arg(&load).spawn();
    let child = child.map_err(|e| Failure::of(&info.name, e))?;
    let result = replace_rounds(init, rounds, &current, &other);
    child.kill().map_err(|e| Failure::of("the load ended by itself", e))?;
    child.wait().map_err(|e| Failure::of("the load", e))?;
    Ok(vec![Row { name: "policy_replace", samples: result? }])
}

fn replace_rounds(init: Handle, rounds: u64, current: &str, other: &str) -> Result<Samples, Failure> {
    let pause = |ms: u64| ebb_rt::clock::sleep_us(ms * 1000).map_err(|e| Failure::of("sleep", e));
    let mut samples = Samples::default();
    // Long enough for the load to have filled memory.
    pause(2000)?;
    // An even number, so that the machine is left as it was found.
    for round in 0..rounds.next_multiple_of(2) {
        let image = if round % 2 == 0 { other } else { current };
        let replaced = call(init, &Replace { role: "pageout".into(), image: image.into() })
            .map_err(|e| Failure::of(image, e))?;
        samples.add(replaced.held_cycles);
        pause(20)?;
    }
    Ok(samples)
}

/// Pages at random until it is killed.
pub fn load(info: &StartInfo, pages: u64) -> Result<(), Failure> {
    let mut load = Load::new(info, pages)?;
    loop {
        load.step();
    }
}
