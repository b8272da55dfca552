// SPDX-License-Identifier: BSD-2-Clause
//! I/O ports on behalf of user-space drivers, and QEMU's exit device.

use x86_64::instructions::port::Port;

/// QEMU's isa-debug-exit.
const DEBUG_EXIT: u16 = 0xf4;

/// Reads a port; `None` for a width that does not exist.
pub fn read(port: u16, width: u64) -> Option<u32> {
    // SAFETY: the holder of the right to the ports answers for what its devices do; the kernel's own memory cannot be
    // reached but by a device's DMA, which that right includes.
    unsafe {
        match width {
            1 => Some(Port::<u8>::new(port).read() as u32),
            2 => Some(Port::<u16>::new(port).read() as u32),
            4 => Some(Port::<u32>::new(port).read()),
            _ => None,
        }
    }
}

/// Writes a port; `None` for a width that does not exist.
pub fn write(port: u16, width: u64, value: u32) -> Option<()> {
    // SAFETY: as for `read`.
    unsafe {
        match width {
            1 => Port::new(port).write(value as u8),
            2 => Port::new(port).write(value as u16),
            4 => Port::new(port).write(value),
            _ => return None,
        }
    }
    Some(())
}

/// Ends QEMU with this value, if it has the device.
pub fn debug_exit(value: u8) {
    // SAFETY: the command line says that the device is there; where it is not, nothing listens.
    unsafe { Port::new(DEBUG_EXIT).write(value as u32) };
}
