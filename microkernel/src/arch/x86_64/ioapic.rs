// SPDX-License-Identifier: BSD-2-Clause
//! I/O APICs: inputs to vectors.

use super::acpi::Madt;
use super::{apic, mmio};
use core::cell::Cell;

const VERSION: u32 = 1;
const TABLE: u32 = 0x10;
const MASKED: u32 = 1 << 16;
const LEVEL: u32 = 1 << 15;
const ACTIVE_LOW: u32 = 1 << 13;

/// The I/O APICs of the machine.
pub struct IoApics {
    /// First input and number of inputs of each.
    apics: [Cell<(u32, u32)>; mmio::MAX_IO_APICS],
    /// Trigger and polarity bits of the first 24 inputs.
    modes: [Cell<u32>; 24],
}

impl IoApics {
    /// None yet.
    pub const fn new() -> IoApics {
        IoApics {
            apics: [const { Cell::new((0, 0)) }; mmio::MAX_IO_APICS],
            modes: [const { Cell::new(0) }; 24],
        }
    }

    /// Masks every input and learns how each is triggered: the first 16 as on the ISA bus unless the firmware says otherwise,
    /// the others as on PCI.
    pub fn set_up(&self, madt: &Madt) {
        for (index, io) in madt.io_apics().iter().enumerate() {
            let inputs = (self.read(index, VERSION) >> 16 & 0xff) + 1;
            self.apics[index].set((io.gsi_base, inputs));
            for input in 0..inputs {
                self.write(index, TABLE + 2 * input, MASKED);
            }
        }
        for (gsi, mode) in self.modes.iter().enumerate() {
            mode.set(if gsi < 16 { 0 } else { LEVEL | ACTIVE_LOW });
        }
        for o in madt.overrides() {
            let Some(mode) = self.modes.get(o.gsi as usize) else { continue };
            let low = if o.flags & 3 == 3 { ACTIVE_LOW } else { 0 };
            let level = if o.flags >> 2 & 3 == 3 { LEVEL } else { 0 };
            mode.set(low | level);
        }
    }

    /// Whether there is such an input.
    pub fn has(&self, gsi: u32) -> bool {
        self.find(gsi).is_some()
    }

    /// Whether the input is level-triggered, so that it must be masked while its interrupt is being served.
    pub fn is_level(&self, gsi: u32) -> bool {
        self.modes.get(gsi as usize).is_some_and(|m| m.get() & LEVEL != 0)
    }

    /// Directs an input to a vector of this processor, and unmasks it.
    pub fn route(&self, gsi: u32, vector: u8) {
        let Some((index, input)) = self.find(gsi) else { return };
        let mode = self.modes.get(gsi as usize).map_or(0, Cell::get);
        self.write(index, TABLE + 2 * input, MASKED);
        self.write(index, TABLE + 2 * input + 1, apic::id() << 24);
        self.write(index, TABLE + 2 * input, mode | vector as u32);
    }

    /// Holds an input back.
    pub fn mask(&self, gsi: u32) {
        if let Some((index, input)) = self.find(gsi) {
            let entry = self.read(index, TABLE + 2 * input);
            self.write(index, TABLE + 2 * input, entry | MASKED);
        }
    }

    /// Lets it through again.
    pub fn unmask(&self, gsi: u32) {
        if let Some((index, input)) = self.find(gsi) {
            let entry = self.read(index, TABLE + 2 * input);
            self.write(index, TABLE + 2 * input, entry & !MASKED);
        }
    }

    #[inline(never)]
    fn find(&self, gsi: u32) -> Option<(usize, u32)> {
        self.apics.iter().enumerate().find_map(|(index, apic)| {
            let (base, inputs) = apic.get();
            let input = gsi.checked_sub(base)?;
            (input < inputs).then_some((index, input))
        })
    }

    #[inline(never)]
    fn read(&self, index: usize, register: u32) -> u32 {
        mmio::write32(mmio::IO_APIC + index, 0, register);
        mmio::read32(mmio::IO_APIC + index, 0x10)
    }

    #[inline(never)]
    fn write(&self, index: usize, register: u32, value: u32) {
        mmio::write32(mmio::IO_APIC + index, 0, register);
        mmio::write32(mmio::IO_APIC + index, 0x10, value);
    }
}
