// SPDX-License-Identifier: BSD-2-Clause
//! The one ACPI table that the kernel reads: the MADT, for the I/O APICs and how the ISA interrupts are wired.

use super::direct::Mapped;
use super::mmio::MAX_IO_APICS;

/// An I/O APIC.
#[derive(Clone, Copy, Debug, Default)]
pub struct IoApic {
    /// Physical address of its registers.
    pub address: u64,
    /// Number of its first input.
    pub gsi_base: u32,
}

/// An ISA interrupt that is wired otherwise.
#[derive(Clone, Copy, Debug, Default)]
pub struct Override {
    /// Input.
    pub gsi: u32,
    /// Polarity in bits 0..2, trigger in bits 2..4: 3 is active low, and level.
    pub flags: u16,
}

/// What the kernel takes from the MADT.
#[derive(Clone, Copy, Debug, Default)]
pub struct Madt {
    io_apics: [IoApic; MAX_IO_APICS],
    nr_io_apics: usize,
    overrides: [Override; 16],
    nr_overrides: usize,
}

impl Madt {
    /// The I/O APICs.
    pub fn io_apics(&self) -> &[IoApic] {
        &self.io_apics[..self.nr_io_apics]
    }

    /// The overrides.
    pub fn overrides(&self) -> &[Override] {
        &self.overrides[..self.nr_overrides]
    }

    /// Finds and reads the table; `None` where there is none, or none that can be believed.
    pub fn find(mapped: &Mapped, rsdp: u64) -> Option<Madt> {
        let revision = mapped.read::<1>(rsdp + 15)?[0];
        let xsdt = if revision >= 2 { u64::from_le_bytes(mapped.read::<8>(rsdp + 24)?) } else { 0 };
        let rsdt = u32::from_le_bytes(mapped.read::<4>(rsdp + 16)?) as u64;
        let (root, width) = if xsdt != 0 { (xsdt, 8) } else { (rsdt, 4) };
        let len = u32::from_le_bytes(mapped.read::<4>(root + 4)?) as u64;
        let mut at = 36;
        while at + width <= len {
            let table = if width == 8 {
                u64::from_le_bytes(mapped.read::<8>(root + at)?)
            } else {
                u32::from_le_bytes(mapped.read::<4>(root + at)?) as u64
            };
            if mapped.read::<4>(table) == Some(*b"APIC") {
                return Madt::parse(mapped, table);
            }
            at += width;
        }
        None
    }

    fn parse(mapped: &Mapped, table: u64) -> Option<Madt> {
        let mut madt = Madt::default();
        let len = u32::from_le_bytes(mapped.read::<4>(table + 4)?) as u64;
        let mut at = 44;
        while at + 2 <= len {
            let [kind, size] = mapped.read::<2>(table + at)?;
            let entry = table + at;
            match kind {
                1 if size >= 12 && madt.nr_io_apics < MAX_IO_APICS => {
                    madt.io_apics[madt.nr_io_apics] = IoApic {
                        address: u32::from_le_bytes(mapped.read::<4>(entry + 4)?) as u64,
                        gsi_base: u32::from_le_bytes(mapped.read::<4>(entry + 8)?),
                    };
                    madt.nr_io_apics += 1;
                }
                2 if size >= 10 && madt.nr_overrides < madt.overrides.len() => {
                    madt.overrides[madt.nr_overrides] = Override {
                        gsi: u32::from_le_bytes(mapped.read::<4>(entry + 4)?),
                        flags: u16::from_le_bytes(mapped.read::<2>(entry + 8)?),
                    };
                    madt.nr_overrides += 1;
                }
                _ => {}
            }
            if size < 2 {
                return None;
            }
            at += size as u64;
        }
        Some(madt)
    }
}
