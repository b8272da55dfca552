// SPDX-License-Identifier: BSD-2-Clause
//! Policies that misbehave on purpose: `service replace pageout saboteur:WAY`, on an image that has this module. Tests show with them that `vm` and `init` contain what a
//! policy can do wrong, and tell why.
#![no_std]
#![no_main]
#![deny(unsafe_code)]

extern crate alloc;

mod raw;
mod spoiled;

use crate::spoiled::{Spoiled, Way};
use alloc::boxed::Box;
use ebb_rt::StartInfo;

ebb_rt::entry!(main);

fn main(info: &'static StartInfo) -> ! {
    let way = info.args.first().map_or("", |way| way.as_str());
    match way {
        "never-attaches" => raw::for_ever(),
        "never-ready" => raw::never_ready(info),
        "breaks-ring" => raw::breaks_ring(info),
        _ => {}
    }
    ebb_pageout::run(info, way, |nr_frames| {
        let way = Way::named(way)?;
        Some(Box::new(Spoiled::new(way, nr_frames)?))
    })
}
