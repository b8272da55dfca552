// SPDX-License-Identifier: BSD-2-Clause
//! System calls, calls between programs, notifications.

use crate::Row;
use crate::partner::Partner;
use crate::samples::Samples;
use alloc::vec;
use alloc::vec::Vec;
use ebb_args::Failure;
use ebb_rt::StartInfo;
use ebb_rt::abi::Handle;
use ebb_rt::start::Given;
use ebb_rt::sys::ipc::{self, Received};

/// Rounds of each.
const ROUNDS: usize = 4000;

pub fn null_syscall() -> Vec<Row> {
    vec![Row { name: "null_syscall", samples: Samples::measure(ROUNDS, ebb_rt::sys::null) }]
}

/// Call and reply between two address spaces.
pub fn ipc(info: &StartInfo) -> Result<Vec<Row>, Failure> {
    let partner = Partner::start(info)?;
    let mut rows = Vec::new();
    for (name, words) in [("ipc_call_reply_0", [0; 6]), ("ipc_call_reply_4", [1, 2, 3, 4, 0, 0])] {
        // The first call finds everything cold.
        let answer = partner.echo(words)?;
        if answer != words {
            return Err(Failure::Trouble("the answer is not what was sent".into()));
        }
        let mut error = None;
        let samples = Samples::measure(ROUNDS, || {
            if let Err(e) = partner.echo(words) {
                error = Some(e);
            }
        });
        if let Some(error) = error {
            return Err(error);
        }
        rows.push(Row { name, samples });
    }
    partner.stop()?;
    Ok(rows)
}

/// A signal to another program and one back: two signals, two switches.
pub fn notification(info: &StartInfo) -> Result<Vec<Row>, Failure> {
    let own = info.handle("notification").map_err(|e| Failure::of("notification", e))?;
    let partner = Partner::start(info)?;
    let theirs = partner.exchange(own)?;
    let mut wrong = 0u64;
    let mut round = || match ipc::signal(theirs, 1).and_then(|()| ipc::receive(Handle::NONE)) {
        Ok(Received::Bits(1)) => {}
        _ => wrong += 1,
    };
    round();
    let samples = Samples::measure(ROUNDS, round);
    partner.stop()?;
    match wrong {
        0 => Ok(vec![Row { name: "notification_round_trip", samples }]),
        n => Err(Failure::Trouble(alloc::format!("{n} rounds brought something else than the bit sent"))),
    }
}
