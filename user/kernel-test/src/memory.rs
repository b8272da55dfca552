// SPDX-License-Identifier: BSD-2-Clause
//! Memory at places that the tests map themselves.

use core::sync::atomic::{AtomicU64, Ordering};

/// Where tests map things.
pub const SCRATCH: u64 = ebb_abi::layout::MMAP;
/// A page that all tasks of the test share.
pub const SHARED: u64 = ebb_abi::layout::SEGMENTS;

/// A word of the shared page.
pub fn shared(index: usize) -> &'static AtomicU64 {
    assert!(index < 512);
    // SAFETY: mapped in every task of the test before it runs, and never unmapped; atomics may be shared.
    unsafe { &*((SHARED + 8 * index as u64) as *const AtomicU64) }
}

/// The value of a shared word.
pub fn get(index: usize) -> u64 {
    shared(index).load(Ordering::SeqCst)
}

/// Sets a shared word.
pub fn set(index: usize, value: u64) {
    shared(index).store(value, Ordering::SeqCst);
}

/// Adds to a shared word.
pub fn add(index: usize) {
    shared(index).fetch_add(1, Ordering::SeqCst);
}

/// Reads a word at an address that the test mapped, or that is meant to fault.
pub fn peek(address: u64) -> u64 {
    // SAFETY: no object of the program is there: scratch memory of the tests. It may fault, and that is what it is for.
    unsafe { (address as *const u64).read_volatile() }
}

/// Writes a word there.
pub fn poke(address: u64, value: u64) {
    // SAFETY: as for `peek`.
    unsafe { (address as *mut u64).write_volatile(value) }
}

/// Jumps to an address, which returns at once if it can be executed and holds a `ret`.
pub fn jump(address: u64) {
    // SAFETY: scratch memory that holds zeroes or `ret`; it may fault.
    unsafe {
        let f: extern "C" fn() = core::mem::transmute(address);
        f();
    }
}
