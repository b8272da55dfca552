// SPDX-License-Identifier: BSD-2-Clause
//! `swapinfo`, `swapon`, `swapoff`, `disks`, `inputs`.

use super::{flags, show, show_json};
use crate::shell::Shell;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use ebb_args::{Args, Failure, Spec};
use ebb_report::{Column, Listing, Value};
use ebb_rt::client::call;
use ebb_rt::println;
use ebb_rt::proto::Error;
use ebb_rt::proto::block::{Disk, Disks};
use ebb_rt::proto::pager::{PoolStatus, Status, Summary};
use ebb_rt::proto::vm::{SwapOff, SwapOn};

/// Bytes of a page.
const PAGE: u64 = 4096;

const DEVICES: &[Column] = &[
    Column { key: "device", heading: "Device" },
    Column { key: "slots", heading: "4K-blocks" },
    Column { key: "used", heading: "Used" },
    Column { key: "avail", heading: "Avail" },
    Column { key: "bad", heading: "Bad" },
    Column { key: "capacity", heading: "Capacity" },
    Column { key: "closing", heading: "" },
];

fn status(shell: &Shell) -> Result<Summary, Failure> {
    if !shell.runs("swap-pager")? {
        return Err(Failure::Trouble("swap-pager does not run".into()));
    }
    call(shell.swap_pager, &Status {}).map_err(|e| Failure::of("swap-pager", e))
}

pub fn swapinfo(shell: &mut Shell, args: &[String]) -> Result<(), Failure> {
    let json = flags(args, &["--json"])?.flag("--json");
    let s = status(shell)?;
    let mut list = Listing::new(DEVICES);
    let mut add = |name: &str, slots: u64, used: u64, bad: u64, closing: bool| {
        let avail = slots.saturating_sub(used).saturating_sub(bad);
        let percent = (used * 100).checked_div(slots).unwrap_or(0);
        let capacity = if json { Value::from(percent) } else { format!("{percent}%").into() };
        list.row([
            name.into(),
            slots.into(),
            used.into(),
            avail.into(),
            bad.into(),
            capacity,
            closing.into(),
        ]);
    };
    for d in &s.devices {
        add(&d.name, d.slots, d.used, d.bad, d.closing);
    }
    let sum = |of: fn(&ebb_rt::proto::pager::Device) -> u64| s.devices.iter().map(of).sum::<u64>();
    let (total, used, bad) = (sum(|d| d.slots), sum(|d| d.used), sum(|d| d.bad));
    if !json {
        if s.devices.len() > 1 {
            add("Total", total, used, bad, false);
        }
        show(&list, false);
        if let Some(p) = &s.pool {
            show_pool(p);
        }
        return Ok(());
    }
    let mut all = Value::object([
        ("devices", list.json()),
        ("total", total.into()),
        ("used", used.into()),
        ("bad", bad.into()),
        ("reads", s.reads.into()),
        ("writes", s.writes.into()),
        ("pages_in", s.pages_in.into()),
        ("pages_out", s.pages_out.into()),
        ("errors", s.errors.into()),
        ("adopted_slots", s.adopted.0.into()),
        ("dropped_writes", s.adopted.1.into()),
        ("full", s.full.0.into()),
        ("almost_full", s.full.1.into()),
    ]);
    if let (Value::Object(members), Some(pool)) = (&mut all, &s.pool) {
        members.push(("pool".into(), pool_json(pool)));
    }
    show_json(&all);
    Ok(())
}

/// Bytes of pages for each byte that they take compressed, in hundredths; those filled with one word take none and are left out. 0: there are none.
fn ratio(p: &PoolStatus) -> u64 {
    ((p.pages - p.same_filled) * PAGE * 100).checked_div(p.compressed).unwrap_or(0)
}

fn show_pool(p: &PoolStatus) {
    let (kib, ratio) = (|bytes: u64| bytes / 1024, ratio(p));
    println!(
        "pool: {} KiB of {} KiB in use, {} pages, of them {} filled with one word, the others in {} KiB, {}.{:02} to 1",
        kib(p.bytes.1),
        kib(p.room),
        p.pages,
        p.same_filled,
        kib(p.compressed),
        ratio / 100,
        ratio % 100
    );
    println!(
        "pool: {} pages stored, {} brought in, {} written out; written through: {} poor, {} without room",
        p.stored, p.loaded, p.written_out, p.poor, p.full
    );
}

fn pool_json(p: &PoolStatus) -> Value {
    Value::object([
        ("bytes", p.bytes.0.into()),
        ("used", p.bytes.1.into()),
        ("room", p.room.into()),
        ("pages", p.pages.into()),
        ("same_filled", p.same_filled.into()),
        ("compressed", p.compressed.into()),
        ("ratio_percent", ratio(p).into()),
        ("stored", p.stored.into()),
        ("loaded", p.loaded.into()),
        ("poor", p.poor.into()),
        ("full", p.full.into()),
        ("written_through", (p.poor + p.full).into()),
        ("written_out", p.written_out.into()),
    ])
}

fn all_disks(shell: &Shell) -> Result<Vec<Disk>, Failure> {
    call(shell.block, &Disks {}).map_err(|e| Failure::of("block", e))
}

/// A disk's number and itself.
fn disk(shell: &Shell, name: &str) -> Result<(u8, Disk), Failure> {
    let disks = all_disks(shell)?;
    let found = disks.into_iter().enumerate().find(|(_, d)| d.name == name);
    let (number, disk) = found.ok_or_else(|| Failure::Usage(format!("{name}: no such disk (see disks)")))?;
    let number = u8::try_from(number).map_err(|_| Failure::Trouble(format!("{name}: too many disks")))?;
    Ok((number, disk))
}

fn swap_on(shell: &Shell, name: &str) -> Result<(), Failure> {
    let (number, disk) = disk(shell, name)?;
    if disk.read_only {
        return Err(Failure::Usage(format!("{name}: it is read-only")));
    }
    let slots = call(shell.vm, &SwapOn { disk: number }).map_err(|error| match error {
        Error::Busy => Failure::Trouble(format!("{name}: in use already")),
        Error::Invalid => Failure::Trouble(format!("{name}: too small, or not a disk for swap")),
        error => Failure::of(name, error),
    })?;
    println!("{name}: {slots} blocks");
    Ok(())
}

pub fn swapon(shell: &mut Shell, args: &[String]) -> Result<(), Failure> {
    let args = Args::parse(args, &Spec { values: &[], flags: &["-a"], operands: 1 })?;
    match (args.flag("-a"), args.operands()) {
        (false, [name]) => swap_on(shell, name),
        (true, []) => {
            let used = status(shell)?.devices;
            let disks = all_disks(shell)?;
            let free =
                disks.iter().filter(|d| d.name.starts_with("swap") && !used.iter().any(|u| u.name == d.name));
            for disk in free {
                swap_on(shell, &disk.name)?;
            }
            Ok(())
        }
        _ => Err(Failure::Usage("usage: swapon DISK | swapon -a".into())),
    }
}

pub fn swapoff(shell: &mut Shell, args: &[String]) -> Result<(), Failure> {
    let args = Args::parse(args, &Spec { values: &[], flags: &[], operands: 1 })?;
    let [name] = args.operands() else { return Err(Failure::Usage("usage: swapoff DISK".into())) };
    let (number, _) = disk(shell, name)?;
    let pages = call(shell.vm, &SwapOff { disk: number }).map_err(|error| match error {
        Error::NotFound => Failure::Trouble(format!("{name}: not in use for swap")),
        Error::NoMemory => {
            Failure::Trouble(format!("{name}: what is on it has no room elsewhere; it stays in use"))
        }
        error => Failure::of(name, error),
    })?;
    println!("{name}: {pages} pages brought in");
    Ok(())
}

const DISKS: &[Column] = &[
    Column { key: "disk", heading: "DISK" },
    Column { key: "sectors", heading: "SECTORS" },
    Column { key: "bytes", heading: "" },
    Column { key: "mode", heading: "MODE" },
    Column { key: "driver", heading: "DRIVER" },
    Column { key: "reads", heading: "READS" },
    Column { key: "writes", heading: "WRITES" },
    Column { key: "errors", heading: "ERRORS" },
    Column { key: "sectors_read", heading: "SECT-READ" },
    Column { key: "sectors_written", heading: "SECT-WRITTEN" },
];

fn list_disks(shell: &Shell, json: bool, wanted: impl Fn(&Disk) -> bool) -> Result<(), Failure> {
    let mut list = Listing::new(DISKS);
    for d in all_disks(shell)?.iter().filter(|d| wanted(d)) {
        list.row([
            d.name.as_str().into(),
            d.sectors.into(),
            (d.sectors * 512).into(),
            if d.read_only { "ro" } else { "rw" }.into(),
            d.driver.as_str().into(),
            d.requests[0].into(),
            d.requests[1].into(),
            d.requests[2].into(),
            d.moved[0].into(),
            d.moved[1].into(),
        ]);
    }
    show(&list, json);
    Ok(())
}

pub fn disks(shell: &mut Shell, args: &[String]) -> Result<(), Failure> {
    let json = flags(args, &["--json"])?.flag("--json");
    list_disks(shell, json, |_| true)
}

pub fn inputs(shell: &mut Shell, args: &[String]) -> Result<(), Failure> {
    let json = flags(args, &["--json"])?.flag("--json");
    list_disks(shell, json, |d| d.name.starts_with("input"))
}
