// SPDX-License-Identifier: BSD-2-Clause
//! What the kernel tells `init`, the only program that it starts: a page at [`crate::layout::BOOT_INFO`].

/// Value of [`BootInfo::magic`].
pub const MAGIC: u64 = 0x3142_4245; // "EBB1"
/// Modules that fit.
pub const MAX_MODULES: usize = 32;
/// Ranges that fit.
pub const MAX_RANGES: usize = 32;

/// Handles that `init` starts with.
pub mod handles {
    use crate::Handle;
    /// Its own task (`MANAGE`).
    pub const TASK: Handle = Handle(1);
    /// All frames (`FULL_MEMORY | HARVEST | DEVICE | GRANT`).
    pub const PHYS_MEM: Handle = Handle(2);
    /// All interrupts.
    pub const IRQ: Handle = Handle(3);
    /// All ports, and the right to end the machine.
    pub const IO_PORT: Handle = Handle(4);
    /// Its own first thread (`MANAGE`).
    pub const THREAD: Handle = Handle(5);
}

/// A module of the boot image.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Module {
    /// Name, padded with zeroes.
    pub name: [u8; 24],
    /// First frame; the module begins at its first byte.
    pub frame: u32,
    /// Frames.
    pub nr_frames: u32,
    /// Bytes.
    pub len: u64,
    /// Where it is mapped, read-only, in `init`.
    pub address: u64,
}

/// A range of frames.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Range {
    /// First frame.
    pub first: u32,
    /// Frames in the range.
    pub count: u32,
}

/// The boot information.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct BootInfo {
    /// [`MAGIC`].
    pub magic: u64,
    /// Cycles of the time-stamp counter per second.
    pub tsc_hz: u64,
    /// Physical address of the ACPI RSDP, or 0.
    pub rsdp: u64,
    /// Number of frames that have a record: every frame number of memory is below it.
    pub nr_frames: u32,
    /// Frames of memory counted as the machine's: kernel, modules, everything (`mem=` limits it).
    pub total_frames: u32,
    /// Valid entries of `free`.
    pub nr_free: u32,
    /// Valid entries of `modules`.
    pub nr_modules: u32,
    /// Free frames (use [`crate::frame::Use::User`]), ascending, not overlapping.
    pub free: [Range; MAX_RANGES],
    /// The longest run of memory that `mem=` leaves out. Of the calls on frames only `CopyBytes` takes it: there are no records of it.
    pub spare: Range,
    /// Modules.
    pub modules: [Module; MAX_MODULES],
    /// Bytes of `cmdline` in use.
    pub cmdline_len: u64,
    /// The kernel's command line, UTF-8.
    pub cmdline: [u8; 512],
}

const _: () = assert!(core::mem::size_of::<BootInfo>() <= crate::PAGE_SIZE);
