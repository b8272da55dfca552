// SPDX-License-Identifier: BSD-2-Clause
//! What only `init` sees: the boot information and the boot modules, which the kernel maps read-only before it starts.

use ebb_abi::boot::{BootInfo, MAGIC};
use ebb_abi::layout::{BOOT_INFO, HEAP, MODULES};

/// The boot information at the address that the kernel passed; `None` if that is not where it belongs or it is none.
pub fn info(address: u64) -> Option<&'static BootInfo> {
    if address != BOOT_INFO {
        return None;
    }
    // SAFETY: the kernel maps this page read-only in `init` before it starts it, and nobody writes it afterwards. `BootInfo` is plain data, valid for any
    // bits, and fits a page.
    let info = unsafe { &*(BOOT_INFO as *const BootInfo) };
    (info.magic == MAGIC).then_some(info)
}

/// The bytes of a module; `None` for a number that is none, or a module not mapped where modules are.
pub fn module(info: &BootInfo, number: usize) -> Option<&'static [u8]> {
    let module = info.modules.get(..info.nr_modules as usize)?.get(number)?;
    let end = module.address.checked_add(module.len)?;
    if module.address < MODULES || end > HEAP || module.len > module.nr_frames as u64 * 4096 {
        return None;
    }
    // SAFETY: as above: the kernel maps every module whole and read-only, and it stays.
    Some(unsafe { core::slice::from_raw_parts(module.address as *const u8, module.len as usize) })
}
