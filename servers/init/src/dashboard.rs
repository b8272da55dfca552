// SPDX-License-Identifier: BSD-2-Clause
//! What a dashboard on the host shows (`dashboard=MS` on the command line): every so often one record in the kernel's log, as in a JSON text
//! sequence (RFC 7464): the byte 0x1e, an object on one line, a line feed. Other lines of the log have no such byte. Without the word nothing is done.
//!
//! It is here because `init` knows who plays which role, is resident, and may ask `vm`, which never waits for anybody.

use crate::serve::Init;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::cmp::Reverse;
use ebb_abi::meter::{ALL, NAMES};
use ebb_proto::Error;
use ebb_proto::vm::{Space, SpaceInfo, Spaces};
use ebb_report::Value;
use ebb_rt::client::{call, in_pieces};
use ebb_rt::clock;
use ebb_rt::shared::meter;

/// Milliseconds between two records that can be asked for.
const INTERVALS_MS: core::ops::RangeInclusive<u64> = 50..=60_000;
/// Programs in a record at most: those with the most faults since the last.
const PROGRAMS: usize = 24;
/// Characters of a program's name.
const NAME: usize = 20;
/// Bytes of a record at most, so that it is written in one go and no other line gets into it.
const RECORD: usize = ebb_abi::message::MAX_BYTES - 64;
/// Roles whose images are told.
const ROLES: [&str; 3] = ["pageout", "swap-pager", "vnode-pager"];

/// The sender of records.
pub struct Dashboard {
    every_us: u64,
    due_us: u64,
    /// Faults of each program at the last record.
    faults: Vec<(Space, (u64, u64))>,
    idle: (u64, u64),
}

impl Dashboard {
    /// What the command line asks for.
    pub fn asked_for(cmdline: &str) -> Option<Dashboard> {
        let text = crate::boot::option(cmdline, "dashboard")?;
        match text.parse() {
            Ok(ms) if INTERVALS_MS.contains(&ms) => {
                Some(Dashboard { every_us: ms * 1000, due_us: 0, faults: Vec::new(), idle: (0, 0) })
            }
            _ => {
                let (least, most) = INTERVALS_MS.into_inner();
                ebb_rt::log!("dashboard={text}: milliseconds, {least} to {most}");
                None
            }
        }
    }

    /// Per cent of the time since the last record in which nobody had anything to do.
    fn idle(&mut self) -> u64 {
        let (now, idle) = (ebb_sys::time::tsc(), ebb_sys::kernel_stats().idle_cycles);
        let (then, before) = core::mem::replace(&mut self.idle, (now, idle));
        (idle.saturating_sub(before) as u128 * 100 / now.saturating_sub(then).max(1) as u128) as u64
    }

    /// The programs, busiest first, with their faults since the last record, and how many there are.
    fn programs(&mut self, spaces: Vec<SpaceInfo>) -> (Vec<Value>, usize) {
        let faults = spaces.iter().map(|s| (s.space, s.faults)).collect();
        let before = core::mem::replace(&mut self.faults, faults);
        let since = |s: &SpaceInfo| {
            let at = before.binary_search_by_key(&s.space, |(space, _)| *space);
            let then = at.ok().and_then(|at| before.get(at)).map_or((0, 0), |(_, faults)| *faults);
            (s.faults.0.saturating_sub(then.0), s.faults.1.saturating_sub(then.1))
        };
        let count = spaces.len();
        let mut spaces: Vec<_> = spaces.into_iter().map(|s| (since(&s), s)).collect();
        spaces.sort_by_key(|(since, s)| (Reverse(*since), Reverse(s.resident), s.space));
        let programs = spaces.iter().take(PROGRAMS).map(|((faults, io), s)| {
            Value::object([
                ("space", s.space.into()),
                ("name", s.name.chars().take(NAME).collect::<String>().into()),
                ("resident", s.resident.into()),
                ("swapped", s.swapped.into()),
                ("faults", (*faults).into()),
                ("io", (*io).into()),
                ("waiting", s.waiting.as_str().into()),
                ("server", s.protected.into()),
            ])
        });
        (programs.collect(), count)
    }
}

impl Init {
    /// Writes a record if one is due. Returns in how many microseconds the next is.
    pub fn tend_dashboard(&mut self) -> Option<u64> {
        let mut dashboard = self.dashboard.take()?;
        let now = clock::now_us();
        if now >= dashboard.due_us {
            dashboard.due_us = now + dashboard.every_us;
            if let Err(error) = self.write_record(&mut dashboard, now) {
                ebb_rt::log!("dashboard: {error}; no more records");
                return None;
            }
        }
        let left = dashboard.due_us.saturating_sub(now);
        self.dashboard = Some(dashboard);
        Some(left)
    }

    fn write_record(&self, dashboard: &mut Dashboard, now: u64) -> Result<(), Error> {
        let spaces = in_pieces(|from| call(self.vm, &Spaces { from }), |s: &SpaceInfo| s.space)?;
        let (mut programs, count) = dashboard.programs(spaces);
        let counters = NAMES.iter().zip(ALL).map(|(name, c)| (String::from(*name), meter(*c).into()));
        let services =
            self.service_list().into_iter().filter(|s| ROLES.contains(&s.role.as_str())).map(|s| {
                let deaths = s.starts.1.into();
                let about = [("image", s.image.into()), ("state", s.state.into()), ("deaths", deaths)];
                (s.role, Value::object(about))
            });
        let head = format!(
            "\x1e{{\"us\":{now},\"idle\":{},\"spaces\":{count},\"counters\":{},\"services\":{},\"programs\":",
            dashboard.idle(),
            Value::Object(counters.collect()),
            Value::Object(services.collect()),
        );
        // Fewer programs, rather than half a record.
        loop {
            let list = format!("{}}}\n", Value::List(programs.clone()));
            if head.len() + list.len() <= RECORD || programs.pop().is_none() {
                ebb_sys::log(&(head + &list));
                return Ok(());
            }
        }
    }
}
