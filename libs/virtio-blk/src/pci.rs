// SPDX-License-Identifier: BSD-2-Clause
//! PCI configuration space: finding virtio block devices, their register windows and their message-signalled interrupts.

use alloc::vec::Vec;

/// Place of a function.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Address {
    /// Bus.
    pub bus: u8,
    /// Device, 0..32.
    pub device: u8,
    /// Function, 0..8.
    pub function: u8,
}

/// Access to configuration space, a double word at a time; `offset` is a multiple of 4. What is not there reads as all ones.
pub trait Config {
    /// Reads.
    fn read(&mut self, at: Address, offset: u8) -> u32;
    /// Writes.
    fn write(&mut self, at: Address, offset: u8, value: u32);
}

const VIRTIO: u32 = 0x1af4;
const BLOCK_MODERN: u32 = 0x1042;
const BLOCK_TRANSITIONAL: u32 = 0x1001;

const CAPABILITY_VENDOR: u8 = 0x09;
const CAPABILITY_MSIX: u8 = 0x11;
const COMMAND_MEMORY: u32 = 1 << 1;
const COMMAND_MASTER: u32 = 1 << 2;
const COMMAND_NO_INTX: u32 = 1 << 10;
const MSIX_ENABLE: u32 = 1 << 31;
const MSIX_MASKED: u32 = 1 << 30;

/// All virtio block devices in the order of their buses, what lies behind bridges where the bridge stands.
pub fn virtio_blocks(config: &mut impl Config) -> Vec<Address> {
    let mut found = Vec::new();
    scan(config, 0, &mut found);
    found
}

fn scan(config: &mut impl Config, bus: u8, found: &mut Vec<Address>) {
    for device in 0..32 {
        for function in 0..8 {
            let at = Address { bus, device, function };
            let id = config.read(at, 0);
            if id == u32::MAX || id == 0 {
                if function == 0 {
                    break;
                }
                continue;
            }
            if id & 0xffff == VIRTIO && matches!(id >> 16, BLOCK_MODERN | BLOCK_TRANSITIONAL) {
                found.push(at);
            }
            let header = config.read(at, 0x0c) >> 16 & 0xff;
            if header & 0x7f == 1 {
                let behind = (config.read(at, 0x18) >> 8) as u8;
                // Numbers only grow downwards: a bridge that says otherwise was never set up, or lies.
                if behind > bus {
                    scan(config, behind, found);
                }
            }
            if function == 0 && header & 0x80 == 0 {
                break;
            }
        }
    }
}

/// A window of registers in physical memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Window {
    /// Physical address.
    pub address: u64,
    /// Bytes.
    pub bytes: u64,
}

/// The windows of a virtio device.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Windows {
    /// Common configuration.
    pub common: Window,
    /// Notification.
    pub notify: Window,
    /// Bytes between the notification registers of two queues.
    pub notify_multiplier: u32,
    /// The block device's own configuration.
    pub device: Window,
    /// The table of message-signalled interrupts, and its capability's offset.
    pub msix: Option<(Window, u8)>,
}

/// Finds the windows of a device and lets it be a bus master. `None`: it has no virtio 1.x interface, or a window has no address.
pub fn windows(config: &mut impl Config, at: Address) -> Option<Windows> {
    let mut w = Windows::default();
    let mut capability =
        if config.read(at, 0x04) >> 16 & 0x10 != 0 { config.read(at, 0x34) as u8 & !3 } else { 0 };
    // The list has at most 48 members; a longer one is a circle.
    for _ in 0..48 {
        if capability < 0x40 {
            break;
        }
        let head = config.read(at, capability);
        match head as u8 {
            // Offsets near the end of the space would wrap: such a capability is none.
            CAPABILITY_VENDOR if capability <= 0xec => virtio_window(config, at, capability, head, &mut w),
            CAPABILITY_MSIX if capability <= 0xf4 => {
                let place = config.read(at, capability + 4);
                let entries = (head >> 16 & 0x7ff) as u64 + 1;
                if let Some(bar) = bar(config, at, (place & 7) as u8) {
                    w.msix = Some((
                        Window { address: bar + (place & !7) as u64, bytes: entries * 16 },
                        capability,
                    ));
                }
            }
            _ => {}
        }
        capability = (head >> 8) as u8 & !3;
    }
    let whole = w.common.bytes >= 56 && w.notify.bytes >= 2 && w.device.bytes >= 8;
    if whole {
        let command = config.read(at, 0x04) & 0xffff;
        config.write(at, 0x04, command | COMMAND_MEMORY | COMMAND_MASTER | COMMAND_NO_INTX);
    }
    whole.then_some(w)
}

/// Lets the device signal with messages. The table's entries must be written before.
pub fn enable_msix(config: &mut impl Config, at: Address, capability: u8) {
    let control = config.read(at, capability);
    config.write(at, capability, control & !MSIX_MASKED | MSIX_ENABLE);
}

fn virtio_window(config: &mut impl Config, at: Address, capability: u8, head: u32, w: &mut Windows) {
    let number = config.read(at, capability + 4) as u8;
    let offset = config.read(at, capability + 8) as u64;
    let bytes = config.read(at, capability + 12) as u64;
    let Some(bar) = bar(config, at, number) else { return };
    let window = Window { address: bar + offset, bytes };
    // Of several of one kind the first that can be used counts.
    match head >> 24 {
        1 if w.common.bytes == 0 => w.common = window,
        2 if w.notify.bytes == 0 => {
            w.notify = window;
            w.notify_multiplier = config.read(at, capability + 16);
        }
        4 if w.device.bytes == 0 => w.device = window,
        _ => {}
    }
}

/// Address of a memory bar that was given one.
fn bar(config: &mut impl Config, at: Address, number: u8) -> Option<u64> {
    if number > 5 {
        return None;
    }
    let offset = 0x10 + 4 * number;
    let low = config.read(at, offset);
    if low & 1 != 0 {
        return None;
    }
    let high = if low >> 1 & 3 == 2 && number < 5 { config.read(at, offset + 4) } else { 0 };
    let address = (high as u64) << 32 | (low & !0xf) as u64;
    (address != 0).then_some(address)
}
