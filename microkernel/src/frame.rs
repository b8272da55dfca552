// SPDX-License-Identifier: BSD-2-Clause
//! Frame records: what each frame of memory is used for, by whom it is mapped, and how often it was reused.

use crate::arch::x86_64::direct;
use crate::kernel::Kernel;
use core::cell::Cell;
use ebb_abi::Error;
use ebb_abi::frame::Use;

/// Record flag: a mapping that was removed had been used. Same bit as in results of `FrameOp`.
pub const REFERENCED: u8 = ebb_abi::frame::REFERENCED as u8;
/// Record flag: a mapping that was removed had been written through.
pub const MODIFIED: u8 = ebb_abi::frame::MODIFIED as u8;
/// Record flag: the kernel's own memory, or memory that `mem=` left out: never a device's.
pub const KERNEL: u8 = 1 << 7;

/// A frame.
#[repr(C)]
pub struct Record {
    /// By use. `User`, `MessageBuffer`: first place of the reverse map ([`ebb_kernel_pure::place::Place`]). Leaf page table: task and
    /// reverse map; its reverse map: the table and its base ([`ebb_kernel_pure::place::pair`]). `Pool`: the next in the pool.
    pub link: Cell<u64>,
    /// Changes whenever the frame comes back from being an object: stale handles are known by it.
    pub generation: Cell<u32>,
    /// [`Use`].
    used: Cell<u8>,
    /// [`REFERENCED`], [`MODIFIED`], [`KERNEL`].
    pub flags: Cell<u8>,
    /// Mappings of the frame; valid entries if it is a page table.
    pub mapcount: Cell<u16>,
}

/// The record of a frame. The window of the records is as wide as frame numbers are: a number without a record faults.
#[inline(always)]
pub fn record(frame: u32) -> &'static Record {
    // SAFETY: see above; the array was zeroed by the boot code, is never moved, and consists of cells.
    unsafe { &*((direct::RECORDS + ((frame as u64) << 4)) as *const Record) }
}

impl Record {
    /// What the frame is used for.
    #[inline(always)]
    pub fn is(&self, used: Use) -> bool {
        self.used.get() == used as u8
    }

    /// Number of the use.
    pub fn used(&self) -> u8 {
        self.used.get()
    }

    /// Sets what it is used for. Objects: only [`claim`], [`release`] and the boot code.
    pub fn set_use(&self, used: Use) {
        self.used.set(used as u8);
    }

    /// Adds sticky bits.
    #[inline(always)]
    pub fn keep(&self, bits: u8) {
        self.flags.set(self.flags.get() | bits);
    }

    /// Takes sticky bits, and returns those that were set.
    #[inline(always)]
    pub fn take(&self, bits: u8) -> u8 {
        let flags = self.flags.get();
        self.flags.set(flags & !bits);
        flags & bits
    }
}

/// A frame number from user space that has a record.
#[inline(always)]
pub fn check(k: &Kernel, claim: u64) -> Option<u32> {
    (claim < k.machine.nr_frames.get() as u64).then_some(claim as u32)
}

/// A frame number from user space that may be donated: user memory that nothing maps.
pub fn donatable(k: &Kernel, claim: u64) -> Result<u32, Error> {
    let frame = check(k, claim).ok_or(Error::BadFrame)?;
    let r = record(frame);
    if r.is(Use::User) && r.mapcount.get() == 0 { Ok(frame) } else { Err(Error::BadFrame) }
}

/// Takes a donatable frame for the kernel. What the hardware said about it as user memory is forgotten.
pub fn claim(frame: u32, used: Use) {
    let r = record(frame);
    assert!(r.is(Use::User) && r.mapcount.get() == 0, "a frame in use was claimed");
    r.set_use(used);
    r.take(REFERENCED | MODIFIED);
    r.link.set(0);
}

/// Gives a donated frame back. Handles to what was in it are stale from now on.
pub fn release(frame: u32) {
    let r = record(frame);
    assert!(r.mapcount.get() == 0, "a mapped frame was released");
    r.set_use(Use::User);
    r.generation.set(r.generation.get().wrapping_add(1));
    r.link.set(0);
    r.take(REFERENCED | MODIFIED);
}
