// SPDX-License-Identifier: BSD-2-Clause
//! A disk with heads: seeks, rotation, transfer; a queue out of which the drive takes what it reaches first; look-ahead for reads.
//!
//! Left out: the write cache (a drive whose writes must last has it off), zones (all tracks are as long as the outermost, where a swap partition is put),
//! and heads: the tracks of a cylinder count as neighbours.

use super::{QUEUE, Work};
use alloc::vec::Vec;
use ebb_proto::block::Transfer;

/// A revolution at 7200 rpm.
const REVOLUTION: u64 = 8_333_333;
/// Bytes of a track: 210 MB/s (Seagate BarraCuda ST1000DM010, sustained, outer diameter) for a revolution.
const TRACK: u64 = 1_750_000;
/// Tracks of the whole drive, of which this disk is a part at the outer edge: 1 TB.
const TRACKS: u64 = 1_000_000_000_000 / TRACK;
/// To the next track and settled (Hitachi Travelstar 5K320 specification, 4.4.2.3).
const TRACK_TO_TRACK: u64 = 1_000_000;
/// Across all tracks: twice the average seek of 8.5 ms (Hitachi Deskstar 7K1000.C specification, table 9), about what the manuals give that name both.
const FULL_STROKE: u64 = 17_000_000;
/// A write settles longer: 9.5 ms on the average there.
const WRITE_SETTLE: u64 = 1_000_000;
/// From a request's arrival until the heads may move. Guessed.
const COMMAND: u64 = 200_000;
/// What the drive reads on after a read, at most: a segment of its buffer. Guessed.
const LOOK_AHEAD: u64 = 2 << 20;
/// Bytes in a microsecond from the buffer: SATA at 6 Gb/s.
const INTERFACE: u64 = 550;
/// What has waited so long goes first. Guessed.
const PATIENCE: u64 = 200_000_000;

#[derive(Clone, Copy, Debug)]
struct Waiting {
    work: Work,
    arrived: u64,
}

/// The drive.
#[derive(Debug, Default)]
pub struct Hdd {
    /// Where the heads are: the byte after the last one that was transferred, and when they were there.
    head: u64,
    since: u64,
    /// Whether they have read on since.
    reading: bool,
    /// What is being done, and when it is.
    active: Option<(u64, Waiting)>,
    /// What waits, in the order of arrival.
    waiting: Vec<Waiting>,
}

/// How a request would be served: when its last byte has passed the heads, and when it is finished.
#[derive(Clone, Copy)]
struct Service {
    passed: u64,
    done: u64,
}

impl Hdd {
    /// See [`super::Model::submit`].
    pub fn submit(&mut self, now: u64, work: Work) -> bool {
        if self.waiting.len() + usize::from(self.active.is_some()) >= QUEUE {
            return false;
        }
        self.waiting.push(Waiting { work, arrived: now });
        if self.active.is_none() {
            self.begin(now);
        }
        true
    }

    /// See [`super::Model::finished`].
    pub fn finished(&mut self, now: u64) -> Option<u32> {
        let (done, served) = self.active.filter(|(done, _)| *done <= now)?;
        self.active = None;
        self.begin(done);
        Some(served.work.id)
    }

    /// See [`super::Model::due`].
    pub fn due(&self) -> Option<u64> {
        self.active.map(|(done, _)| done)
    }

    /// Chooses what is done next: the heads are free since `free`.
    fn begin(&mut self, free: u64) {
        let Some(oldest) = self.waiting.first() else { return };
        // The heads do not know what is going to arrive.
        let start = free.max(oldest.arrived);
        let here = self.waiting.iter().take_while(|w| w.arrived <= start).count();
        // A flush, which only waits for what came before it, keeps its place in the queue.
        let ahead =
            self.waiting[..here].iter().position(|w| w.work.transfer == Transfer::Flush).unwrap_or(here);
        let chosen = if ahead == 0 || start - oldest.arrived > PATIENCE {
            0
        } else {
            let done = |at: &usize| self.serve(start, &self.waiting[*at]).done;
            (0..ahead).min_by_key(done).unwrap_or(0)
        };
        let next = self.waiting.remove(chosen);
        let service = self.serve(start, &next);
        if next.work.transfer != Transfer::Flush {
            self.head = next.work.byte + next.work.bytes;
            self.since = service.passed;
            self.reading = next.work.transfer == Transfer::Read;
        }
        self.active = Some((service.done, next));
    }

    fn serve(&self, start: u64, w: &Waiting) -> Service {
        let Work { transfer, byte, bytes, .. } = w.work;
        let ready = start.max(w.arrived + COMMAND);
        if transfer == Transfer::Flush {
            return Service { passed: ready, done: ready };
        }
        let seek = self.seek(byte);
        let settle = if seek > 0 && transfer == Transfer::Write { WRITE_SETTLE } else { 0 };
        let there = ready.max(self.since) + seek + settle;
        let wait = (angle(byte) + REVOLUTION - there % REVOLUTION) % REVOLUTION;
        let passed = there + wait + passing(byte, byte + bytes);
        let sought = Service { passed, done: passed };
        match self.read_on(ready, &w.work) {
            Some(buffered) if buffered.done <= sought.done => buffered,
            _ => sought,
        }
    }

    /// How a read is served by going on from where the heads are, or from what they have read since.
    fn read_on(&self, ready: u64, work: &Work) -> Option<Service> {
        let end = work.byte + work.bytes;
        let near = work.byte >= self.head && end - self.head <= LOOK_AHEAD;
        if !self.reading || work.transfer != Transfer::Read || !near {
            return None;
        }
        let passed = self.since + passing(self.head, end);
        Some(Service { passed, done: ready.max(passed) + work.bytes * 1000 / INTERFACE })
    }

    /// Nanoseconds to the track of a byte: the root of the distance, as heads first gain speed and then lose it.
    fn seek(&self, byte: u64) -> u64 {
        match (self.head / TRACK).abs_diff(byte / TRACK) {
            0 => 0,
            distance => {
                let share = (distance.min(TRACKS) * 1_000_000_000_000 / TRACKS).isqrt();
                TRACK_TO_TRACK + (FULL_STROKE - TRACK_TO_TRACK) * share / 1_000_000
            }
        }
    }
}

/// When in a revolution a byte passes under the heads. Each track begins so much later that the heads come from the one before in time.
fn angle(byte: u64) -> u64 {
    let (track, offset) = (byte / TRACK, byte % TRACK);
    (offset * REVOLUTION / TRACK + track % REVOLUTION * TRACK_TO_TRACK) % REVOLUTION
}

/// Nanoseconds in which the bytes `from..to` pass, with the changes of track between them.
fn passing(from: u64, to: u64) -> u64 {
    let changes = (to.saturating_sub(1) / TRACK).saturating_sub(from / TRACK);
    (to - from) * REVOLUTION / TRACK + changes * TRACK_TO_TRACK
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: u64 = 4096;

    fn work(id: u32, transfer: Transfer, byte: u64, bytes: u64) -> Work {
        Work { id, transfer, byte, bytes }
    }

    /// Does requests one after the other, each when the one before is finished; the time of each.
    fn each(transfer: Transfer, places: impl Iterator<Item = u64>, bytes: u64) -> Vec<u64> {
        let (mut disk, mut now) = (Hdd::default(), 0);
        places
            .map(|byte| {
                assert!(disk.submit(now, work(0, transfer, byte, bytes)));
                let done = disk.due().unwrap();
                assert_eq!(disk.finished(done), Some(0));
                done - core::mem::replace(&mut now, done)
            })
            .collect()
    }

    fn scattered(range: u64) -> impl Iterator<Item = u64> {
        (1..2000u64).map(move |n| {
            let x = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            ((x ^ (x >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 20) % (range / PAGE) * PAGE
        })
    }

    fn mean(all: &[u64]) -> u64 {
        all.iter().sum::<u64>() / all.len() as u64
    }

    #[test]
    fn over_the_whole_drive_a_read_takes_seek_and_half_a_revolution() {
        // 8.5 ms, 4.2 ms, and the command. The root's average over random distances is 0.53, not one half.
        let all = each(Transfer::Read, scattered(TRACKS * TRACK), PAGE);
        assert!((12_500_000..15_000_000).contains(&mean(&all)), "{}", mean(&all));
        // A swap disk of 256 MB is a narrow ring.
        let all = each(Transfer::Read, scattered(256_000_000), PAGE);
        assert!((5_000_000..7_000_000).contains(&mean(&all)), "{}", mean(&all));
        assert!(all.iter().all(|t| *t < 12_000_000));
    }

    #[test]
    fn reads_in_a_row_go_at_the_speed_of_the_track() {
        let all = each(Transfer::Read, (0..4000).map(|n| n * 32 * PAGE), 32 * PAGE);
        let rate = 32 * PAGE * 1000 / mean(&all);
        // Changes of track cost an eighth, and one at a time a little is lost on the interface.
        assert!((140..=210).contains(&rate), "{rate} MB/s");
    }

    #[test]
    fn writes_in_a_row_lose_a_revolution_each_unless_they_are_queued() {
        let all = each(Transfer::Write, (0..200).map(|n| n * 8 * PAGE), 8 * PAGE);
        assert!(mean(&all) > 8_000_000, "{}", mean(&all));
        let mut disk = Hdd::default();
        for n in 0..QUEUE as u32 {
            assert!(disk.submit(0, work(n, Transfer::Write, n as u64 * 8 * PAGE, 8 * PAGE)));
        }
        assert!(!disk.submit(0, work(99, Transfer::Write, 0, PAGE)));
        let mut last = 0;
        for _ in 0..QUEUE {
            last = disk.due().unwrap();
            assert!(disk.finished(last).is_some());
        }
        assert!(last < 6 * REVOLUTION, "{last}");
    }

    #[test]
    fn the_nearest_goes_first_but_nobody_waits_for_ever() {
        let mut disk = Hdd::default();
        let far = TRACK * 300_000;
        assert!(
            disk.submit(0, work(0, Transfer::Read, 0, PAGE))
                && disk.submit(0, work(1, Transfer::Read, far, PAGE))
        );
        // As each near one finishes, the next arrives.
        let mut order = Vec::new();
        for n in 2..200 {
            let now = disk.due().unwrap();
            assert!(disk.submit(now, work(n, Transfer::Read, (n as u64 % 7) * 100 * PAGE, PAGE)));
            order.extend(disk.finished(now));
        }
        let place = order.iter().position(|id| *id == 1).unwrap();
        assert!((20..150).contains(&place), "{place}");
    }

    #[test]
    fn a_flush_is_not_overtaken_and_overtakes_nothing() {
        let mut disk = Hdd::default();
        let flush = |id| work(id, Transfer::Flush, 0, 0);
        assert!(
            disk.submit(0, work(0, Transfer::Write, TRACK * 1000, PAGE))
                && disk.submit(0, work(1, Transfer::Write, 0, PAGE))
        );
        assert!(disk.submit(0, flush(2)) && disk.submit(0, work(3, Transfer::Write, TRACK * 1000, PAGE)));
        let order: Vec<u32> = core::iter::from_fn(|| disk.finished(u64::MAX)).collect();
        assert_eq!(order, [0, 1, 2, 3]);
    }
}
