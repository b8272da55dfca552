// SPDX-License-Identifier: BSD-2-Clause
//! The main flow: configuration, files, firmware facts, then [`handoff`].

mod acpi;
mod firmware;
mod handoff;
mod ports;

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};

use ebb_loader::answer::{Facts, File};
use ebb_loader::config::{self, Entry};
use ebb_loader::{kernel, request};
use firmware::{Pages, Use, Volume};
use uefi::{Status, entry};

/// Bytes of stack that every kernel gets at least; the protocol's number.
const MIN_STACK: u64 = 64 << 10;
/// Bytes of stack that a request gets at most; a guess that leaves memory for the machine.
const MAX_STACK: u64 = 16 << 20;

/// Whether the command line says `exit=qemu`: a failure then ends the machine instead of waiting for a key.
static IN_QEMU: AtomicBool = AtomicBool::new(false);

#[entry]
fn main() -> Status {
    // The firmware's watchdog would restart the machine while a message is being read. Having none is as good.
    let _ = uefi::boot::set_watchdog_timer(0, 0, None);
    let error = match start() {
        Ok(never) => match never {},
        Err(error) => error,
    };
    uefi::println!("\r\nebb-loader: {error}");
    if IN_QEMU.load(Ordering::Relaxed) {
        ports::exit(ports::EXIT_FAILURE);
    }
    uefi::println!("Press a key to go back to the firmware.");
    firmware::wait_for_key();
    Status::LOAD_ERROR
}

/// Does everything; comes back only with a failure.
fn start() -> Result<core::convert::Infallible, String> {
    let mut volume = Volume::open()?;
    let config = volume.read("/limine.conf", Use::Scratch)?;
    let text = core::str::from_utf8(config.bytes()).map_err(|_| "limine.conf is not UTF-8".to_string())?;
    let entry = config::parse(text)?;
    if entry.has("exit=qemu") {
        IN_QEMU.store(true, Ordering::Relaxed);
        if entry.has("probe") {
            ports::exit(ports::EXIT_PROBED);
        }
    }
    handoff::check_processor()?;
    if entry.path.is_empty() {
        return Err(format!("limine.conf: entry '{}' has no 'path'", entry.name));
    }

    let file = volume.read(&entry.path, Use::Scratch)?;
    let bad = |e: String| format!("{}: {e}", entry.path);
    let kernel = kernel::parse(file.bytes()).map_err(bad)?;
    let mut image = Pages::allocate(kernel.size as usize, Use::Kernel)?;
    kernel::lay_out(&kernel, file.bytes(), image.bytes_mut());
    let requests = request::find(image.bytes()).map_err(bad)?;
    let stack = requests.word(image.bytes(), request::Kind::StackSize, 6).unwrap_or(0);
    let stack = Pages::allocate(stack.clamp(MIN_STACK, MAX_STACK) as usize, Use::Loader)?;
    let modules = load_modules(&mut volume, &entry)?;
    let modules: Vec<File<'_>> = entry
        .modules
        .iter()
        .zip(&modules)
        .map(|(m, pages)| File {
            base: pages.base(),
            size: pages.len() as u64,
            path: &m.path,
            string: &m.string,
        })
        .collect();
    let facts = Facts {
        map: &[],
        framebuffer: firmware::framebuffer(),
        rsdp: firmware::rsdp(),
        kernel: (image.base(), kernel.base),
        file: File { base: file.base(), size: file.len() as u64, path: &entry.path, string: &entry.cmdline },
        modules: &modules,
    };
    let mark = IN_QEMU.load(Ordering::Relaxed);
    drop(volume);
    if let Some(unit) = entry.number("align") {
        firmware::rest_until_multiple(unit);
    }
    handoff::enter(handoff::Plan {
        kernel: &kernel,
        image: &mut image,
        requests: &requests,
        facts,
        stack: &stack,
        mark,
    })
}

fn load_modules(volume: &mut Volume, entry: &Entry) -> Result<Vec<Pages>, String> {
    entry.modules.iter().map(|m| volume.read(&m.path, Use::Kernel)).collect()
}

/// There is nobody to return to: says where, and ends the machine.
#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    ports::say(format_args!("\r\nebb-loader: {info}\r\n"));
    ports::exit(ports::EXIT_FAILURE)
}
