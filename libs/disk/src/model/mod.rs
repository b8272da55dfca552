// SPDX-License-Identifier: BSD-2-Clause
//! How long a disk of a certain kind would have taken: virtual disks that hold no data.
//!
//! A model is told of requests when they arrive and says which are finished. Time is whatever its caller counts in nanoseconds; the same requests at the same
//! times finish at the same times, on every machine. What the figures are of, and what was left out, is said where they stand ([`hdd`], [`flash`]).

pub mod flash;
pub mod hdd;

use ebb_proto::block::Transfer;
use flash::Flash;
use hdd::Hdd;

/// Requests that a model takes at a time. SATA drives queue 32; NVMe drives more, but they are not the bottleneck then.
pub const QUEUE: usize = 32;

/// A request, without its data.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Work {
    /// Comes back when it is finished.
    pub id: u32,
    /// What to do.
    pub transfer: Transfer,
    /// First byte.
    pub byte: u64,
    /// Bytes; 0 for a flush.
    pub bytes: u64,
}

/// A kind of disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A disk that turns 7200 times a minute.
    Hdd,
    /// Flash behind SATA.
    Ssd,
    /// Flash behind PCIe.
    Nvme,
}

impl Kind {
    /// All, with their names.
    pub const ALL: [(&str, Kind); 3] = [("hdd", Kind::Hdd), ("ssd", Kind::Ssd), ("nvme", Kind::Nvme)];

    /// The kind with this name.
    pub fn by_name(name: &str) -> Option<Kind> {
        Kind::ALL.iter().find(|(n, _)| *n == name).map(|(_, k)| *k)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        Kind::ALL.iter().find(|(_, k)| *k == self).map_or("", |(n, _)| n)
    }
}

/// A disk of some kind.
#[derive(Debug)]
pub enum Model {
    /// With heads.
    Hdd(Hdd),
    /// Without.
    Flash(Flash),
}

impl Model {
    /// A disk that has nothing to do.
    pub fn new(kind: Kind) -> Model {
        match kind {
            Kind::Hdd => Model::Hdd(Hdd::default()),
            Kind::Ssd => Model::Flash(Flash::new(&flash::SSD)),
            Kind::Nvme => Model::Flash(Flash::new(&flash::NVME)),
        }
    }

    /// Takes a request that arrives now; `false`: [`QUEUE`] are under way already. `now` never goes back.
    pub fn submit(&mut self, now: u64, work: Work) -> bool {
        match self {
            Model::Hdd(disk) => disk.submit(now, work),
            Model::Flash(disk) => disk.submit(now, work),
        }
    }

    /// Takes a request that is finished by now, in the order in which they finish.
    pub fn finished(&mut self, now: u64) -> Option<u32> {
        match self {
            Model::Hdd(disk) => disk.finished(now),
            Model::Flash(disk) => disk.finished(now),
        }
    }

    /// When the next request finishes, if one is under way and none arrives before.
    pub fn due(&self) -> Option<u64> {
        match self {
            Model::Hdd(disk) => disk.due(),
            Model::Flash(disk) => disk.due(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    #[test]
    fn kinds_have_names() {
        for (name, kind) in Kind::ALL {
            assert_eq!((Kind::by_name(name), kind.name()), (Some(kind), name));
        }
        assert_eq!(Kind::by_name("tape"), None);
    }

    fn transfer() -> impl Strategy<Value = Transfer> {
        prop_oneof![4 => Just(Transfer::Read), 4 => Just(Transfer::Write), 1 => Just(Transfer::Flush)]
    }

    proptest! {
        /// Whatever is asked: everything finishes once, never before it arrived, not before `due` said, and within a bound; and the same again.
        #[test]
        fn every_request_finishes_once_and_when_it_was_said(
            kind in prop::sample::select(Kind::ALL.map(|(_, k)| k).to_vec()),
            steps in prop::collection::vec((0..3_000_000u64, transfer(), 0..50_000u64, 1..33u64), 1..120),
        ) {
            let run = || {
                let mut disk = Model::new(kind);
                let (mut now, mut under_way, mut out) = (0, Vec::new(), Vec::new());
                let take = |disk: &mut Model, now: u64, under_way: &mut Vec<(u32, u64)>, out: &mut Vec<(u32, u64)>| {
                    while let Some(due) = disk.due().filter(|due| *due <= now) {
                        assert_eq!(due.checked_sub(1).and_then(|early| disk.finished(early)), None);
                        let id = disk.finished(due).expect("it was due");
                        let at = under_way.iter().position(|(n, _)| *n == id).expect("it was under way");
                        let (_, arrived) = under_way.swap_remove(at);
                        assert!(due >= arrived && due - arrived < 2_000_000_000, "{arrived} {due}");
                        assert!(out.last().is_none_or(|(_, last)| *last <= due));
                        out.push((id, due));
                    }
                    assert_eq!(disk.finished(now), None);
                    assert_eq!(disk.due().is_some(), !under_way.is_empty());
                };
                for (id, (pause, transfer, page, pages)) in (0u32..).zip(&steps) {
                    now += pause;
                    take(&mut disk, now, &mut under_way, &mut out);
                    let bytes = if *transfer == Transfer::Flush { 0 } else { pages * 4096 };
                    let taken = disk.submit(now, Work { id, transfer: *transfer, byte: page * 4096, bytes });
                    assert_eq!(taken, under_way.len() < QUEUE);
                    if taken {
                        under_way.push((id, now));
                    }
                }
                take(&mut disk, u64::MAX, &mut under_way, &mut out);
                assert!(under_way.is_empty());
                out
            };
            prop_assert_eq!(run(), run());
        }
    }
}
