// SPDX-License-Identifier: BSD-2-Clause
//! x86_64: boot, traps, paging, interrupt controllers, serial port.

pub mod acpi;
pub mod apic;
pub mod boot;
pub mod cpu;
pub mod direct;
pub mod ioapic;
pub mod mmio;
pub mod paging;
pub mod pit;
pub mod port;
pub mod serial;
pub mod space;
pub mod trap;
