// SPDX-License-Identifier: BSD-2-Clause
//! Page tables of tasks and the reverse maps of frames: the only memory management in the kernel.
//!
//! Each leaf page table has a companion frame with one link for each entry: all mappings of a frame form a chain through the
//! companions of the tables they are in, headed by the frame's record. From a leaf table's record one gets to its task and to
//! its companion, from the companion's record to its base address. So the number of mappings of a frame has no bound but its
//! counter, and nothing is allocated.
//!
//! | file      | what                                                                          |
//! |-----------|-------------------------------------------------------------------------------|
//! | `walk`    | from addresses to entries; makes and collects tables                          |
//! | `enter`   | enters mappings                                                               |
//! | `remove`  | removes and protects mappings of a range of addresses; extract                |
//! | `rmap`    | chains: all mappings of one frame                                             |
//! | `frameop` | the vectored operations on frames                                             |
//! | `audit`   | checks all of it against itself                                               |

mod audit;
mod enter;
mod frameop;
mod remove;
mod rmap;
mod walk;

pub use audit::audit;
pub use enter::{enter, enter_buffer};
pub use frameop::frame_op;
pub use remove::{extract, protect, remove, tear_down};
pub use rmap::remove_all;
pub use walk::{collect, resident_frame};

use crate::arch::x86_64::paging;
use crate::kernel::Kernel;
use crate::object::Ref;
use crate::task::Task;
use ebb_abi::Error;
use ebb_abi::fault::Access;
use ebb_abi::layout::{USER_END, USER_MIN};

/// Pages of user space.
const USER_PAGES: u64 = (USER_END - USER_MIN) >> 12;

/// A page-aligned address of user space.
#[inline(always)]
pub fn check_address(address: u64) -> Result<(), Error> {
    if address & 0xfff != 0 || !(USER_MIN..USER_END).contains(&address) {
        return Err(Error::BadAddress);
    }
    Ok(())
}

/// A range of pages in user space.
pub fn check_range(address: u64, pages: u64) -> Result<(), Error> {
    check_address(address)?;
    if pages > USER_PAGES || pages > (USER_END - address) >> 12 {
        return Err(Error::BadAddress);
    }
    Ok(())
}

/// Forgets the translation of a page, if the task's address space is the loaded one; others are forgotten when they are left.
#[inline(always)]
pub fn flush(k: &Kernel, task: Ref<Task>, address: u64) {
    if k.cpu.space() == Some(task) {
        paging::flush_page(address);
    }
}

/// Whether a page is mapped in a way that allows the access.
pub fn permits(task: Ref<Task>, address: u64, access: Access) -> bool {
    let Some(entry) = walk::entry(task, address).map(|e| e.get()) else { return false };
    entry & (paging::PRESENT | paging::USER) == paging::PRESENT | paging::USER
        && (!access.contains(Access::WRITE) || entry & paging::WRITE != 0)
        && (!access.contains(Access::EXECUTE) || entry & paging::NO_EXECUTE == 0)
}
