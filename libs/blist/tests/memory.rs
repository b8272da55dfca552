// SPDX-License-Identifier: BSD-2-Clause
//! Memory is taken once and given back: counted by the allocator of this test program.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use ebb_blist::{Blist, Error, Growth, Placement, bytes_needed, words_needed};

thread_local! {
    /// Allocations made, and bytes standing, by this thread.
    static TAKEN: Cell<(u64, i64)> = const { Cell::new((0, 0)) };
}

struct Counting;

fn note(allocations: u64, bytes: i64) {
    // A thread at its end has no count to keep.
    let _ = TAKEN.try_with(|t| t.set((t.get().0 + allocations, t.get().1 + bytes)));
}

// SAFETY: every call is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(1, layout.size() as i64);
        // SAFETY: the caller's promise is the one that is needed.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        note(0, -(layout.size() as i64));
        // SAFETY: the caller's promise is the one that is needed.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// SWP-244: one allocation, of the size told beforehand, and none after it. SWP-248: all comes back.
#[test]
fn swp_244_memory_is_taken_once() {
    let (before, standing) = TAKEN.get();
    let mut list = Blist::new(100_000).unwrap();
    let (taken, bytes) = TAKEN.get();
    assert_eq!(taken, before + 1);
    assert_eq!(bytes - standing, 8 * words_needed(100_000).unwrap() as i64);
    assert_eq!(list.memory_bytes(), bytes_needed(100_000).unwrap());

    for placement in [Placement::FirstFit, Placement::NextFit, Placement::BestFit] {
        list.set_placement(placement);
        list.free(0, 100_000).unwrap();
        while let Some((block, count)) = list.alloc_range(1, 50) {
            if block % 7 == 0 {
                list.free(block, u64::from(count)).unwrap();
                list.fill(block, 1).unwrap();
            }
        }
        assert!(list.free(0, 100_001).is_err() && list.free(0, 99_999).is_ok());
        list.fill(0, 100_000).unwrap();
    }
    assert_eq!(TAKEN.get(), (taken, bytes));

    // SWP-272: resizing takes the new list and releases the old one.
    list.resize(200_000, Growth::Free).unwrap();
    assert_eq!(TAKEN.get(), (taken + 1, standing + 8 * words_needed(200_000).unwrap() as i64));
    drop(list);
    assert_eq!(TAKEN.get().1, standing);
}

/// SWP-W46, SWP-W44: what cannot be had is an error, and a list that cannot be resized stays as it was.
#[test]
fn swp_w46_no_memory_is_an_error() {
    // 2^46 blocks want 10 TB.
    assert_eq!(Blist::new(ebb_blist::MAX_BLOCKS).err(), Some(Error::NoMemory));
    let mut list = Blist::new(100).unwrap();
    list.free(3, 50).unwrap();
    assert_eq!(list.resize(ebb_blist::MAX_BLOCKS, Growth::Free), Err(Error::NoMemory));
    assert_eq!((list.len(), list.free_count()), (100, 50));
}

/// SWP-278: at most 0.26 bytes a block, all included.
#[test]
fn swp_278_bytes_a_block() {
    for log2n in 16..=28 {
        let bytes = bytes_needed(1 << log2n).unwrap();
        assert!(bytes as f64 <= 0.155 * f64::from(1 << log2n), "{log2n}: {bytes}");
    }
    assert_eq!(bytes_needed(0), Err(Error::NoBlocks));
}
