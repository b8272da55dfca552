// SPDX-License-Identifier: BSD-2-Clause
//! Names for backtraces.

use elf::ElfBytes;
use elf::endian::LittleEndian;

/// The function that an address lies in, and how far: for backtraces. `file`: the whole file.
pub fn symbol(file: &[u8], address: u64) -> Option<(&str, u64)> {
    let elf = ElfBytes::<LittleEndian>::minimal_parse(file).ok()?;
    let (symbols, names) = elf.symbol_table().ok()??;
    let best = symbols
        .iter()
        .filter(|s| s.st_symtype() == elf::abi::STT_FUNC && !s.is_undefined())
        .filter(|s| address.checked_sub(s.st_value).is_some_and(|offset| offset < s.st_size.max(1)))
        .max_by_key(|s| s.st_value)?;
    Some((names.get(best.st_name as usize).ok()?, address - best.st_value))
}
