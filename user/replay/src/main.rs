// SPDX-License-Identifier: BSD-2-Clause
//! `replay`: touches memory in the order in which a real program did, and checks what it reads.
//!
//! The recording is an input disk (`xtask run --input FILE`): little-endian page numbers of four bytes, in the order of first touch. A file is padded with zeroes
//! to whole sectors; those are read as up to 127 further touches of page 0, which change no result worth having.
#![no_std]
#![no_main]
#![deny(unsafe_code)]

extern crate alloc;

mod disk;
mod frames;

use alloc::format;
use disk::Input;
use ebb_args::{Args, Ratio, Spec};
use ebb_report::Value;
use ebb_rig::{Failure, Machine, finish, grow_to, report};
use ebb_rt::StartInfo;
use ebb_rt::abi::PAGE_SIZE;
use ebb_rt::sys::time::tsc;
use ebb_workload::Workload;
use ebb_workload::trace::{Bits, Bytes, Follower, Reference};
use frames::{Frames, LEAST};

ebb_rt::program!(main);

const HELP: &str = "\
usage: replay INPUT [--dirty INPUT] [--write-ratio R] [--seed S] [--limit N] [--verify] [--json]
Touches pages in the order of a recording: an input disk (see `inputs`) of 4-byte little-endian page numbers, 0, 1, 2, ... in order of first touch.
The first touch of a page writes it.
  --dirty INPUT    which later touches write: a disk with one bit a touch, lowest bit of a byte first
  --write-ratio R  without --dirty: share of the later touches that write (default: 0.2)
  --seed S         default: 1
  --limit N        stop after so many touches
  --frames N       leave N page frames to the recording and lock what is more; nothing is read ahead. Sets vm.max_wired and vm.pageout_wakeup_thresh
  --pages U        with --frames: how many pages the recording has
  --verify         check each page at each touch, and all at the end; status 1 at the first wrong byte";

const SPEC: Spec = Spec {
    values: &["--dirty", "--write-ratio", "--seed", "--limit", "--frames", "--pages"],
    flags: &["--verify", "--json", "--help"],
    operands: 1,
};

fn main(info: &'static StartInfo) -> u8 {
    finish("replay", run(info))
}

fn run(info: &StartInfo) -> Result<(), Failure> {
    let args = Args::parse(&info.args, &SPEC)?;
    if args.flag("--help") {
        return Err(Failure::Help(HELP));
    }
    let name = args
        .operands()
        .first()
        .ok_or_else(|| Failure::Usage("which input? replay input0 (try replay --help)".into()))?;
    if args.value("--dirty").is_some() && args.value("--write-ratio").is_some() {
        return Err(Failure::Usage("--dirty and --write-ratio exclude each other".into()));
    }
    let write = args.read("--write-ratio", ebb_args::ratio)?.unwrap_or(Ratio(13_107));
    let seed = args.read("--seed", ebb_args::number)?.unwrap_or(1);
    let limit = args.read("--limit", ebb_args::number)?.unwrap_or(u64::MAX);
    let verify = args.flag("--verify");
    let frames = args.read("--frames", ebb_args::number)?;
    let pages = args.read("--pages", ebb_args::number)?;
    let frames = match (frames, pages) {
        (None, None) => None,
        (Some(frames), Some(pages)) if frames >= LEAST => Some((frames, pages)),
        (Some(_), Some(_)) => return Err(Failure::Usage(format!("--frames: at least {LEAST}"))),
        _ => return Err(Failure::Usage("--frames N and --pages U go together".into())),
    };

    let mut input = Input::open(info, name)?;
    let dirty = args.value("--dirty").map(|n| Input::open(info, n)).transpose()?;
    let mut workload = Workload::new(Machine, seed, write.0, verify);
    let mut frames = frames.map(|(n, pages)| Frames::leave(info, &mut workload, n, pages)).transpose()?;
    let start = tsc();
    let follower = follow(info, &mut workload, &mut input, dirty, limit, frames.as_mut())?;
    if verify {
        workload.verify_all(follower.pages()).map_err(|w| report::wrong(&workload, w))?;
    }
    let mut head = alloc::vec![
        ("program", Value::from("replay")),
        ("workload", "replay".into()),
        ("bytes", (follower.pages() * PAGE_SIZE as u64).into()),
        ("input", name.as_str().into()),
        ("references", follower.references().into()),
        ("pages", follower.pages().into()),
        ("seed", seed.into()),
        ("verified", verify.into()),
    ];
    if let Some(frames) = &frames {
        head.extend(frames.values());
        // What a simulator counts: a page that was not there, be it new or on a disk.
        head.push(("misses", (follower.pages() + workload.stats().major.count()).into()));
    }
    report::print(info, args.flag("--json"), head, workload.stats(), tsc() - start);
    Ok(())
}

fn follow(
    info: &StartInfo,
    workload: &mut Workload<'static, Machine>,
    input: &mut Input,
    mut dirty: Option<Input>,
    limit: u64,
    mut frames: Option<&mut Frames>,
) -> Result<Follower, Failure> {
    let name = input.name().clone();
    let mut references = Bytes::new(|| input.piece());
    let mut bits = dirty.as_mut().map(|input| Bits::new(|| input.piece()));
    let mut follower = Follower::default();
    while follower.references() < limit
        && let Some(page) = references.next_u32()?
    {
        let reference = follower.take(page).map_err(|o| {
            Failure::Trouble(format!(
                "{name}: reference {} is to page {}, but only {} pages came before it: not a recording in order of first touch",
                o.reference, o.page, o.seen
            ))
        })?;
        let wrote = match &mut bits {
            Some(bits) => Some(bits.next_bit()?.ok_or_else(|| {
                Failure::Trouble(format!("the dirty bits end before reference {}", follower.references()))
            })?),
            None => None,
        };
        match (reference, wrote) {
            (Reference::First(page), _) => {
                // Has no effect where `--pages` was told rightly.
                grow_to(workload, info, page + 1)?;
                workload.touch_as(page, true)
            }
            (Reference::Again(page), Some(write)) => workload.touch_as(page, write),
            (Reference::Again(page), None) => workload.touch(page),
        }
        .map_err(|w| report::wrong(workload, w))?;
        if let Some(frames) = &mut frames {
            frames.tend(follower.references(), follower.pages())?;
        }
    }
    if follower.references() == 0 {
        return Err(Failure::Trouble(format!("{name}: it is empty")));
    }
    Ok(follower)
}
