// SPDX-License-Identifier: BSD-2-Clause
//! Reverse maps, page tables and records, checked against each other.

use super::walk;
use crate::arch::x86_64::paging::{self, DEVICE, PRESENT};
use crate::frame::record;
use crate::kernel::Kernel;
use crate::log;
use ebb_abi::frame::Use;
use ebb_kernel_pure::place::{Place, unpair};

/// Checks frames, which have records. Returns the number of inconsistencies; each is in the log.
pub fn audit(k: &Kernel, first: u32, count: u32) -> u64 {
    (first..first + count).map(|frame| audit_frame(k, frame)).sum()
}

fn audit_frame(k: &Kernel, frame: u32) -> u64 {
    let r = record(frame);
    let mut wrong = 0;
    let mut check = |holds: bool, what: &str| {
        if !holds {
            log!("audit: frame {frame:#x}: {what}");
            wrong += 1;
        }
    };
    if r.is(Use::User) || r.is(Use::MessageBuffer) {
        let mut count = 0u64;
        let mut link = r.link.get();
        while let Some(place) = Place::unpack(link) {
            count += 1;
            let known = place.table < k.machine.nr_frames.get() && record(place.table).is(Use::Table);
            check(known, "its chain leads to a frame that is no page table");
            if !known || count > r.mapcount.get() as u64 {
                break;
            }
            let entry = walk::table(place.table).at(place.index as u64).get();
            check(entry & (PRESENT | DEVICE) == PRESENT, "its chain leads to an entry without memory");
            check(paging::frame(entry) == frame, "its chain leads to an entry of another frame");
            let (_, companion) = unpair(record(place.table).link.get());
            link = walk::table(companion).at(place.index as u64).get();
        }
        check(count == r.mapcount.get() as u64, "its chain and its count differ");
    } else if r.is(Use::Table) {
        let (_, companion) = unpair(r.link.get());
        // A leaf: its companion's record leads back to it. The companion itself and inner tables are seen through others.
        let is_leaf = companion < k.machine.nr_frames.get()
            && companion != 0
            && record(companion).is(Use::Table)
            && unpair(record(companion).link.get()).0 == frame;
        if is_leaf {
            let mut valid = 0;
            for index in 0..512 {
                let entry = walk::table(frame).at(index).get();
                if entry & PRESENT == 0 {
                    continue;
                }
                valid += 1;
                if entry & DEVICE == 0 {
                    let place = Place { table: frame, index: index as u32 };
                    let target = paging::frame(entry);
                    check(chain_has(k, target, place), "an entry is not in the chain of its frame");
                }
            }
            check(valid == r.mapcount.get(), "its valid entries and its count differ");
        }
    } else {
        check(r.mapcount.get() == 0 || r.is(Use::Reserved), "a frame of the kernel has mappings");
    }
    wrong
}

fn chain_has(k: &Kernel, frame: u32, place: Place) -> bool {
    if frame >= k.machine.nr_frames.get() {
        return false;
    }
    let r = record(frame);
    if !(r.is(Use::User) || r.is(Use::MessageBuffer)) {
        return false;
    }
    let mut link = r.link.get();
    for _ in 0..r.mapcount.get() {
        match Place::unpack(link) {
            None => return false,
            Some(p) if p == place => return true,
            Some(p) => {
                let (_, companion) = unpair(record(p.table).link.get());
                link = walk::table(companion).at(p.index as u64).get();
            }
        }
    }
    false
}
