// SPDX-License-Identifier: BSD-2-Clause
//! What only `init` sees: the boot information and the boot modules, which the kernel maps read-only before it starts. And boot modules for others who start programs.

use crate::client::call;
use ebb_abi::boot::{BootInfo, MAGIC};
use ebb_abi::layout::{BOOT_INFO, HEAP, MODULES};
use ebb_abi::{Handle, PAGE_SIZE};
use ebb_proto::Error;
use ebb_proto::vm::{Map, Protection, Source};

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

/// Logarithm of the bytes from one module to the next, where [`map_module`] puts them.
const MODULE_SHIFT: u32 = 28;

/// Maps a module of so many bytes and gives its bytes. For who may map modules, and is not `init`. `Invalid`: it is too large, or there can be no such number.
pub fn map_module(vm: Handle, index: u32, len: u64) -> Result<&'static [u8], Error> {
    let address = MODULES + ((index as u64) << MODULE_SHIFT);
    if len == 0 || len > 1 << MODULE_SHIFT || address + (1 << MODULE_SHIFT) > HEAP {
        return Err(Error::Invalid);
    }
    let source = Source::Module { index, offset: 0, bytes: len, wired: true };
    let (pages, protection) = (len.div_ceil(PAGE_SIZE as u64), Protection::READ.bits());
    call(vm, &Map { space: 0, address, pages, protection, source })?;
    // SAFETY: so many pages were mapped there just now, read-only; nothing in this program takes them away, and nobody writes to a module. `vm` refuses a range beyond the module's end.
    Ok(unsafe { core::slice::from_raw_parts(address as *const u8, len as usize) })
}
