// SPDX-License-Identifier: BSD-2-Clause
//! The UEFI boot loader of Ebb's image: reads `/limine.conf` from the volume that it was started from, loads the
//! kernel and its modules, and enters the kernel as the Limine boot protocol says.

#![cfg_attr(target_os = "uefi", no_main, no_std)]

#[cfg(target_os = "uefi")]
extern crate alloc;

#[cfg(target_os = "uefi")]
mod boot;

#[cfg(not(target_os = "uefi"))]
fn main() -> std::process::ExitCode {
    eprintln!("ebb-loader runs on UEFI: build it with --target x86_64-unknown-uefi");
    std::process::ExitCode::FAILURE
}
