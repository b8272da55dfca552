// SPDX-License-Identifier: BSD-2-Clause
//! The heap: memory that was mapped for it before. A server's never becomes larger: whoever starts a server on the paging path sets aside what it needs. A program's grows as
//! it is used, by pageable memory that it maps for itself, up to what memory and swap together hold; what was freed is used again, and goes back to the system with the program.
//!
//! An allocation that cannot be had is a null pointer for those who ask (`try_reserve`); for the others it ends the program as a panic does: a line on standard error, the place in the log.
//! Where memory is short but not refused, it is the system that ends a program ("out of memory").

#[cfg(target_os = "none")]
mod machine {
    use super::{growth, map};
    use crate::thread::{Mutex, yield_now};
    use core::alloc::{GlobalAlloc, Layout};
    use core::ptr::NonNull;
    use core::sync::atomic::{AtomicBool, Ordering};
    use ebb_abi::PAGE_SIZE;
    use talc::TalcLock;
    use talc::source::Manual;

    #[global_allocator]
    static HEAP: Heap = Heap(TalcLock::new(Manual));
    static EXTENT: Mutex<Extent> = Mutex::new(Extent { more: None, top: 0, end: 0 });

    /// How far it goes.
    struct Extent {
        /// What makes it larger by so many bytes; `None`: it stays as it is. A program sets it, so that servers do not even have the code.
        more: Option<fn(&mut Extent, usize) -> bool>,
        /// First address beyond what is mapped for it.
        top: u64,
        /// First address beyond what the allocator took of that.
        end: u64,
    }

    struct Heap(TalcLock<Lock, Manual>);

    // SAFETY: everything is the allocator's; what is done here is to ask it once more.
    unsafe impl GlobalAlloc for Heap {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            loop {
                // SAFETY: as the caller promises.
                let place = unsafe { self.0.alloc(layout) };
                if !place.is_null() || !more(layout.size(), layout.align()) {
                    return place;
                }
            }
        }
        unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
            // SAFETY: as the caller promises.
            unsafe { self.0.dealloc(place, layout) }
        }
        unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
            loop {
                // SAFETY: as the caller promises; where it fails nothing has changed.
                let moved = unsafe { self.0.realloc(place, layout, size) };
                if !moved.is_null() || !more(size, layout.align()) {
                    return moved;
                }
            }
        }
    }

    #[cold]
    fn more(size: usize, align: usize) -> bool {
        let mut extent = EXTENT.lock();
        // A page for what the allocator itself needs.
        let needed = size.checked_add(align).and_then(|n| n.checked_add(PAGE_SIZE));
        match (extent.more, needed) {
            (Some(more), Some(needed)) => more(&mut extent, needed),
            _ => false,
        }
    }

    /// Makes it larger by so many bytes at least.
    fn enlarge(extent: &mut Extent, needed: usize) -> bool {
        let Some(bytes) = growth(extent.top, needed as u64, map) else { return false };
        let Some(end) = NonNull::new(extent.end as *mut u8) else { return false };
        let top = extent.top + bytes;
        // SAFETY: `end` is where the allocator's memory ended, and from there to the new top everything is mapped, writable and for the heap alone.
        let end = unsafe { HEAP.0.lock().extend(end, top as *mut u8) };
        (extent.top, extent.end) = (top, end.as_ptr() as u64);
        true
    }

    pub fn claim(address: u64, len: u64) -> bool {
        if address == 0 || len < PAGE_SIZE as u64 {
            return false;
        }
        // SAFETY: callers hand in memory that is mapped, writable and theirs alone (see `super::claim`).
        let Some(end) = (unsafe { HEAP.0.lock().claim(address as *mut u8, len as usize) }) else {
            return false;
        };
        let mut extent = EXTENT.lock();
        (extent.top, extent.end) = (address + len, end.as_ptr() as u64);
        true
    }

    pub fn grow() {
        EXTENT.lock().more = Some(enlarge);
    }

    /// Whose waiters let others run: whoever has it may wait for a page.
    pub struct Lock(AtomicBool);

    // SAFETY: the flag is set by one at a time, with the order of a lock.
    unsafe impl lock_api::RawMutex for Lock {
        #[allow(clippy::declare_interior_mutable_const)]
        const INIT: Lock = Lock(AtomicBool::new(false));
        type GuardMarker = lock_api::GuardSend;

        #[inline]
        fn lock(&self) {
            while !self.try_lock() {
                yield_now();
            }
        }
        #[inline]
        fn try_lock(&self) -> bool {
            self.0.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).is_ok()
        }
        #[inline]
        unsafe fn unlock(&self) {
            self.0.store(false, Ordering::Release);
        }
    }
}

/// The heap grows by at least so much.
const LEAST: u64 = 1 << 20;

/// Maps what the heap grows by at `top`: half as much again as there is, so that a large heap is of few regions; if that cannot be had, no more than is needed.
/// Returns how many bytes.
#[cfg_attr(not(any(target_os = "none", test)), allow(dead_code))]
fn growth(top: u64, needed: u64, more: impl Fn(u64, u64) -> bool) -> Option<u64> {
    let page = ebb_abi::PAGE_SIZE as u64;
    let needed = needed.checked_next_multiple_of(page)?;
    let room = ebb_abi::layout::REGIONS.checked_sub(top)?;
    let half = (top.checked_sub(ebb_abi::layout::HEAP)? / 2).next_multiple_of(page);
    let wished = needed.max(half).max(LEAST).min(room);
    [wished, needed].into_iter().find(|bytes| *bytes >= needed && *bytes <= room && more(top, *bytes))
}

/// Maps memory for the heap, which has none: nothing here may allocate. A call whose arguments and answer fit the words of a message does not.
#[cfg(target_os = "none")]
fn map(address: u64, bytes: u64) -> bool {
    use crate::start::Given;
    use ebb_proto::vm::{Map, Protection, Source};
    let Some(Ok(vm)) = crate::start::info().map(|i| i.handle("vm")) else { return false };
    let protection = (Protection::READ | Protection::WRITE).bits();
    let pages = bytes / ebb_abi::PAGE_SIZE as u64;
    crate::client::call(vm, &Map { space: 0, address, pages, protection, source: Source::Anonymous }).is_ok()
}

/// From now on the heap grows. For programs; the loader's stays as it is, because the next program finds its place empty.
pub fn grow() {
    #[cfg(target_os = "none")]
    if !crate::exec::is_loader() {
        machine::grow();
    }
}

/// Gives a range of the heap's part of the address space to the heap. Ranges outside it, or too small to be of use, are refused with `false`.
/// The caller has had the range mapped for this purpose, and hands in each range once.
pub fn claim(address: u64, len: u64) -> bool {
    let end = address.saturating_add(len);
    if address < ebb_abi::layout::HEAP || end > ebb_abi::layout::REGIONS {
        return false;
    }
    #[cfg(target_os = "none")]
    return machine::claim(address, len);
    #[cfg(not(target_os = "none"))]
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::cell::RefCell;
    use ebb_abi::layout::{HEAP, REGIONS};

    #[test]
    fn a_heap_grows_by_half_and_by_what_is_needed_at_least() {
        let any = |_: u64, _: u64| true;
        assert_eq!(growth(HEAP + (1 << 20), 100, any), Some(1 << 20));
        assert_eq!(growth(HEAP + (1 << 30), 100, any), Some(1 << 29));
        assert_eq!(growth(HEAP + (1 << 20), (5 << 20) + 1, any), Some((5 << 20) + 4096));
        assert_eq!(growth(HEAP + (1 << 20), u64::MAX, any), None);
        assert_eq!(growth(HEAP + (1 << 20), REGIONS, any), None);
        assert_eq!(growth(REGIONS - 8192, 5000, any), Some(8192));
        assert_eq!(growth(REGIONS - 8192, 8193, any), None);
    }

    #[test]
    fn what_cannot_be_had_in_full_is_asked_for_once_more_and_exactly() {
        let asked = RefCell::new(alloc::vec![]);
        let little = |at: u64, bytes: u64| {
            asked.borrow_mut().push((at, bytes));
            bytes <= 2 << 20
        };
        let top = HEAP + (64 << 20);
        assert_eq!(growth(top, 1 << 20, little), Some(1 << 20));
        assert_eq!(growth(top, 3 << 20, little), None);
        let (all, three) = ((top, 32 << 20), (top, 3 << 20));
        assert_eq!(asked.into_inner(), [all, (top, 1 << 20), all, three]);
    }
}
