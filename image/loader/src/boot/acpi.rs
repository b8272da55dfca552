// SPDX-License-Identifier: BSD-2-Clause
//! Masks the I/O APICs, which only ACPI knows: root pointer, root table, MADT, one entry for each.
//! Runs on the firmware's identity mapping, after boot services are exited.

/// Bytes of a table that are believed at most; a guess far above any real one.
const MAX_TABLE: u64 = 1 << 20;
/// Bytes before the entries of the root table, and of the MADT.
const HEADER: u64 = 36;
const MADT_HEADER: u64 = 44;
const MADT_IO_APIC: u8 = 1;

/// Masks every entry with delivery mode fixed or lowest priority of every I/O APIC.
pub fn mask_io_apics(rsdp: u64) {
    let Some(madt) = madt(rsdp) else {
        return;
    };
    let end = madt + length(madt);
    let mut at = madt + MADT_HEADER;
    while at + 2 <= end {
        let (kind, size) = (u8_at(at), u64::from(u8_at(at + 1)));
        if size < 2 || at + size > end {
            return;
        }
        if kind == MADT_IO_APIC && size >= 12 {
            mask(u64::from(u32_at(at + 4)));
        }
        at += size;
    }
}

/// Physical address of the MADT.
fn madt(rsdp: u64) -> Option<u64> {
    let xsdt = if u8_at(rsdp + 15) >= 2 { u64_at(rsdp + 24) } else { 0 };
    let (root, width) = if xsdt != 0 { (xsdt, 8) } else { (u64::from(u32_at(rsdp + 16)), 4) };
    if root == 0 {
        return None;
    }
    (root + HEADER..root + length(root))
        .step_by(width)
        .map(|at| if width == 8 { u64_at(at) } else { u64::from(u32_at(at)) })
        .find(|&table| table != 0 && u32_at(table) == u32::from_le_bytes(*b"APIC"))
}

fn length(table: u64) -> u64 {
    u64::from(u32_at(table + 4)).min(MAX_TABLE)
}

fn mask(io_apic: u64) {
    let (select, window) = (io_apic as *mut u32, (io_apic + 0x10) as *mut u32);
    // SAFETY: ACPI says that an I/O APIC is here; select and window are its two registers, and the firmware maps
    // them at their physical address. Masking an entry stops interrupts that nobody serves any more.
    unsafe {
        select.write_volatile(1);
        let last = window.read_volatile() >> 16 & 0xff;
        for entry in 0..=last {
            select.write_volatile(0x10 + 2 * entry);
            let low = window.read_volatile();
            if low >> 8 & 7 <= 1 {
                window.write_volatile(low | 1 << 16);
            }
        }
    }
}

fn u8_at(address: u64) -> u8 {
    // SAFETY: the address lies in a table that ACPI points to, which the firmware maps at its physical address.
    unsafe { (address as *const u8).read_unaligned() }
}

fn u32_at(address: u64) -> u32 {
    // SAFETY: as in `u8_at`.
    unsafe { (address as *const u32).read_unaligned() }
}

fn u64_at(address: u64) -> u64 {
    // SAFETY: as in `u8_at`.
    unsafe { (address as *const u64).read_unaligned() }
}
