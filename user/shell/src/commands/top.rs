// SPDX-License-Identifier: BSD-2-Clause
//! `top`: who faults most.

use super::counters::{Rates, Sample};
use super::process::{COLUMNS, row};
use super::show_json;
use crate::shell::Shell;
use alloc::string::String;
use alloc::vec::Vec;
use ebb_args::{Args, Failure, Spec};
use ebb_report::{Listing, Value};
use ebb_rt::abi::meter::Counter;
use ebb_rt::proto::vm::{Space, SpaceInfo};
use ebb_rt::{print, println};

const SPEC: Spec = Spec { values: &["-n", "-d"], flags: &["--json"], operands: 0 };

/// Rows that fit a terminal.
const ROWS: usize = 16;

pub fn top(shell: &mut Shell, args: &[String]) -> Result<(), Failure> {
    let args = Args::parse(args, &SPEC)?;
    let times = args.read("-n", ebb_args::number)?;
    let every = args.read("-d", ebb_args::milliseconds)?.unwrap_or(1000);
    let json = args.flag("--json");
    // Somebody watches: the screen is redrawn until a key is typed.
    let watched = shell.person && times.is_none() && !json;
    let times = times.unwrap_or(if watched { u64::MAX } else { 1 });
    let mut before = (Sample::boot(), Vec::new());
    for round in 0..times {
        if round > 0 && shell.sleep_or_key(every)? && watched {
            break;
        }
        let sample = Sample::take();
        let mut spaces = shell.all_spaces()?;
        let recent = |s: &SpaceInfo, old: &[(Space, u64)]| {
            let then = old.iter().find(|(space, _)| *space == s.space).map_or(0, |(_, faults)| *faults);
            s.faults.0.saturating_sub(then)
        };
        spaces.sort_by_key(|s| (core::cmp::Reverse(recent(s, &before.1)), s.space));
        let mut list = Listing::new(COLUMNS);
        spaces.iter().take(ROWS).for_each(|s| row(&mut list, s));
        let rates = Rates { old: &before.0, new: &sample, hz: shell.hz };
        if json {
            show_json(&Value::object([("idle", rates.idle().into()), ("programs", list.json())]));
        } else {
            if watched {
                print!("\x1b[H\x1b[2J");
            }
            head(shell, &rates);
            print!("{list}");
            if watched {
                println!("(any key ends)");
            }
        }
        before = (sample, spaces.iter().map(|s| (s.space, s.faults.0)).collect());
    }
    Ok(())
}

fn head(shell: &Shell, r: &Rates<'_>) {
    use Counter::*;
    let up = shell.uptime_us() / 1_000_000;
    println!("up {}:{:02}:{:02}, {}% idle", up / 3600, up / 60 % 60, up % 60, r.idle());
    println!(
        "pages: {} in all, {} free, {} active, {} inactive, {} wired, {} being written",
        r.new.get(v_page_count),
        r.new.get(v_free_count),
        r.new.get(v_active_count),
        r.new.get(v_inactive_count),
        r.new.get(v_wire_count),
        r.new.get(v_laundry_count)
    );
    println!(
        "swap: {} of {} blocks used; a second: {} faults, {} with i/o, {} pages in, {} out",
        r.new.get(swap_used),
        r.new.get(swap_total),
        r.of(v_vm_faults),
        r.of(v_io_faults),
        r.of(v_swappgsin),
        r.of(v_swappgsout)
    );
}
