// SPDX-License-Identifier: BSD-2-Clause
//! SWP-W16, SWP-W21: once a device is in use, paging takes no memory at all, not even when disks fail or swap is full.

use core::cell::Cell;
use core::fmt::Arguments;
use core::sync::atomic::AtomicU64;
use ebb_proto::block::{self, Status};
use ebb_proto::pager::{Completion, Op, Outcome, Submission};
use ebb_swap::{DiskInfo, SwapPager, World, table};
use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::VecDeque;

struct Counting;

thread_local! {
    /// Allocations of this thread: others, the harness's, are no concern.
    static TAKEN: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: everything is passed on to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    // SAFETY: as the trait asks of callers.
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // A thread that ends has nowhere to count any more.
        let _ = TAKEN.try_with(|t| t.set(t.get() + 1));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }
    // SAFETY: as the trait asks of callers.
    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const SLOTS: u64 = 3000;

struct Rings {
    inbox: VecDeque<[u64; 4]>,
    ring: VecDeque<block::Submission>,
    finished: VecDeque<block::Completion>,
    cells: &'static [AtomicU64],
    outcomes: [u64; 6],
    /// Every so many-th request fails.
    failing: u64,
    served: u64,
    lines: usize,
}

impl World<'static> for Rings {
    fn next(&mut self) -> Option<[u64; 4]> {
        self.inbox.pop_front()
    }
    fn room(&mut self) -> usize {
        512
    }
    fn complete(&mut self, completion: Completion) {
        self.outcomes[completion.outcome as usize] += 1;
    }
    fn disk_room(&mut self) -> usize {
        256 - self.ring.len()
    }
    fn submit(&mut self, entry: block::Submission) {
        self.ring.push_back(entry);
    }
    fn finished(&mut self) -> Option<block::Completion> {
        self.finished.pop_front()
    }
    fn disk(&mut self, _: u8) -> Option<DiskInfo> {
        Some(DiskInfo { name: "swap0".into(), sectors: (SLOTS + 2) * 8, read_only: false })
    }
    fn segment(&mut self, _: u64, _: u64) -> Option<&'static [AtomicU64]> {
        Some(self.cells)
    }
    fn claim(&mut self, _: u64, _: u64) -> bool {
        true
    }
    fn log(&mut self, _: Arguments<'_>) {
        self.lines += 1;
    }
}

impl Rings {
    fn settle(&mut self, p: &mut SwapPager<'static>) {
        p.pump(self);
        while let Some(entry) = self.ring.pop_front() {
            if entry.more {
                continue;
            }
            self.served += 1;
            let status = if self.served.is_multiple_of(self.failing) { Status::Io } else { Status::Ok };
            self.finished.push_back(block::Completion { status, cookie: entry.cookie });
            p.pump(self);
        }
    }
}

#[test]
fn swp_w16_paging_takes_no_memory() {
    let words = table::pages(SLOTS as u32) * 512;
    let mut w = Rings {
        inbox: VecDeque::with_capacity(64),
        ring: VecDeque::with_capacity(256),
        finished: VecDeque::with_capacity(64),
        cells: (0..words).map(|_| AtomicU64::new(0)).collect::<Vec<_>>().leak(),
        outcomes: [0; 6],
        failing: 40,
        served: 0,
        lines: 0,
    };
    let mut p = SwapPager::new();
    let on = Submission { op: Op::SwapOn, run: 0, place: 0, slot: 0, cookie: 0, words: [1, 4096, 0] };
    w.inbox.push_back(on.pack());
    w.settle(&mut p);
    assert_eq!(w.outcomes[Outcome::Ok as usize], 1);

    let before = TAKEN.get();
    let mut x = 7u64;
    for _ in 0..20_000 {
        x = x.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let (object, first, run) = (x >> 20 & 3, x >> 33 & 1023, (x >> 50 & 15) + 1);
        let op = [Op::Put, Op::Put, Op::Get, Op::Free][(x >> 60 & 3) as usize];
        for place in 0..if op == Op::Free { 1 } else { run } {
            let words = if op == Op::Free { [object, first, run] } else { [object, first + place, 9] };
            let nth = if op == Op::Put { place as u8 } else { 0 };
            w.inbox
                .push_back(Submission { op, run: run as u8, place: nth, slot: 0, cookie: 0, words }.pack());
        }
        w.settle(&mut p);
    }
    assert_eq!(TAKEN.get() - before, 0);
    // All paths were taken: success, out of space or no such page, device errors.
    assert!(w.outcomes[Outcome::Ok as usize] > 10_000);
    assert!(w.outcomes[Outcome::Fail as usize] > 100 && w.outcomes[Outcome::Error as usize] > 10);
    assert!(w.lines > 100);
}
