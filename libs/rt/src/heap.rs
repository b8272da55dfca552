// SPDX-License-Identifier: BSD-2-Clause
//! The heap: memory that was mapped for it before. It never asks anybody for more: whoever starts a server on the paging path sets
//! aside what it needs. A program's heap is a large pageable range.

#[cfg(target_os = "none")]
mod machine {
    use talc::TalcLock;
    use talc::source::Manual;

    #[global_allocator]
    static HEAP: TalcLock<spinning_top::RawSpinlock, Manual> = TalcLock::new(Manual);

    pub fn claim(address: u64, len: u64) -> bool {
        if address == 0 || len < 4096 {
            return false;
        }
        // SAFETY: callers hand in memory that is mapped, writable and theirs alone (see `super::claim`).
        unsafe { HEAP.lock().claim(address as *mut u8, len as usize).is_some() }
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
