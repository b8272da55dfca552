// SPDX-License-Identifier: BSD-2-Clause
//! Disks in memory, as the command line describes them: `ramdisk=NAME:FIRST:SECTORS:KIND`, with `:ro` at its end where nothing may be written.
//!
//! FIRST is the number of the disk's first frame, SECTORS how many it has; KIND is a kind of [`crate::model`], or `memory` for a disk that takes no time.

use crate::model::Kind;
use alloc::vec::Vec;
use ebb_abi::boot::Range;
use ebb_proto::block::SECTORS_PER_PAGE;

/// A disk in memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Described<'l> {
    /// Its name.
    pub name: &'l str,
    /// First frame.
    pub first: u32,
    /// Sectors.
    pub sectors: u64,
    /// What it behaves like; `None`: it takes no time.
    pub kind: Option<Kind>,
    /// Whether nothing may be written.
    pub read_only: bool,
}

/// What is wrong with a description.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Problem {
    /// It is not of that form.
    Malformed,
    /// It is not inside the memory that is there for disks.
    Outside,
    /// It shares frames or its name with one before it.
    Twice,
}

/// The disks of a command line, each of them inside `spare`; or the first word that is wrong.
pub fn disks(cmdline: &str, spare: Range) -> Result<Vec<Described<'_>>, (&str, Problem)> {
    let mut disks: Vec<Described<'_>> = Vec::new();
    for word in cmdline.split_ascii_whitespace() {
        let Some(text) = word.strip_prefix("ramdisk=") else { continue };
        let disk = parse(text).ok_or((word, Problem::Malformed))?;
        let within = disk.first >= spare.first && end(&disk) <= spare.first as u64 + spare.count as u64;
        if !within {
            return Err((word, Problem::Outside));
        }
        let meets = |d: &Described<'_>| {
            d.name == disk.name || (d.first as u64) < end(&disk) && (disk.first as u64) < end(d)
        };
        if disks.iter().any(meets) {
            return Err((word, Problem::Twice));
        }
        disks.push(disk);
    }
    Ok(disks)
}

fn end(disk: &Described<'_>) -> u64 {
    (disk.first as u64).saturating_add(disk.sectors.div_ceil(SECTORS_PER_PAGE))
}

fn parse(text: &str) -> Option<Described<'_>> {
    let mut parts = text.split(':');
    let (name, first, sectors, kind) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let read_only = match parts.next() {
        None => false,
        Some("ro") => true,
        Some(_) => return None,
    };
    let kind = match kind {
        "memory" => None,
        kind => Some(Kind::by_name(kind)?),
    };
    let disk =
        Described { name, first: first.parse().ok()?, sectors: sectors.parse().ok()?, kind, read_only };
    (!name.is_empty() && disk.sectors > 0 && parts.next().is_none()).then_some(disk)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPARE: Range = Range { first: 1000, count: 500 };

    #[test]
    fn disks_are_read() {
        let line =
            "mem=1 ramdisk=root:1000:800:memory x ramdisk=input0:1100:1:hdd:ro ramdisk=swap0:1101:3192:nvme";
        let root = Described { name: "root", first: 1000, sectors: 800, kind: None, read_only: false };
        let input =
            Described { name: "input0", first: 1100, sectors: 1, kind: Some(Kind::Hdd), read_only: true };
        let swap =
            Described { name: "swap0", first: 1101, sectors: 3192, kind: Some(Kind::Nvme), read_only: false };
        assert_eq!(disks(line, SPARE), Ok(alloc::vec![root, input, swap]));
        assert_eq!(disks("mem=1 ramdisks=7", SPARE), Ok(Vec::new()));
    }

    #[test]
    fn what_is_wrong_is_named() {
        use Problem::{Malformed, Outside, Twice};
        for (text, problem) in [
            ("", Malformed),
            ("swap0:1000:10", Malformed),
            (":1000:10:ssd", Malformed),
            ("swap0:1000:0:ssd", Malformed),
            ("swap0:-1:10:ssd", Malformed),
            ("swap0:1000:10:tape", Malformed),
            ("swap0:1000:10:ssd:rw", Malformed),
            ("swap0:1000:10:ssd:ro:", Malformed),
            ("swap0:4294967296:10:ssd", Malformed),
            ("swap0:999:10:ssd", Outside),
            ("swap0:1000:4001:ssd", Outside),
            ("swap0:1500:1:ssd", Outside),
            ("swap0:4294967295:18446744073709551615:ssd", Outside),
            ("swap0:1001:10:ssd", Twice),
            ("root:1300:10:ssd", Twice),
        ] {
            let line = alloc::format!("ramdisk=root:1000:10:memory ramdisk={text}");
            let word = line.split_once(' ').map(|(_, word)| word).unwrap_or_default();
            assert_eq!(disks(&line, SPARE), Err((word, problem)));
        }
        assert_eq!(disks("ramdisk=a:0:1:ssd", Range::default()), Err(("ramdisk=a:0:1:ssd", Outside)));
    }
}
