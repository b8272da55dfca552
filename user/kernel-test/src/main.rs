// SPDX-License-Identifier: BSD-2-Clause
//! Tests the kernel from user space: booted as the module `init`, with nothing between it and the kernel. Assistants are
//! tasks made of this program's own image. Every case gives back what it took, to the last frame and handle; the kernel's
//! own check runs at the end.
//!
//! The last line is `kernel-test: N passed, M failed`; the machine ends with exit value 64, or 65 if something failed.
#![no_std]
#![no_main]

mod assistant;
mod cases;
mod frames;
mod measure;
mod memory;
mod raw;
mod report;

use ebb_abi::boot::{BootInfo, MAGIC, handles};

core::arch::global_asm!(
    ".global _start",
    "_start:",
    "xor ebp, ebp",
    "and rsp, -16",
    "call kernel_test",
    "ud2"
);

/// Exit value of a run without failures; 1 more with.
const EXIT: u8 = 64;

#[unsafe(no_mangle)]
extern "C" fn kernel_test(info: &'static BootInfo) -> ! {
    let mut rig = assistant::Rig::new(info);
    check!(info.magic == MAGIC && info.tsc_hz > 1_000_000);
    let cmdline = &info.cmdline[..info.cmdline_len as usize];
    // `test=measure`: the measurements alone.
    let only_measure = cmdline.split(|b| *b == b' ').any(|word| word == b"test=measure");
    for (name, case) in cases::ALL.iter().filter(|_| !only_measure) {
        report::begin(name);
        let frames = rig.frames.out();
        let slots = rig.free_slots();
        case(&mut rig);
        check!(rig.frames.out() == frames);
        check!(rig.free_slots() == slots);
    }
    report::begin("audit");
    let wrong = ebb_sys::memory::audit(handles::PHYS_MEM, ebb_abi::Frame(0), info.nr_frames);
    check!(wrong == Ok(0));
    report::begin("measure");
    measure::all(&mut rig);
    let failed = report::verdict();
    // Nothing is left to do about an error: the machine's time limit ends it.
    let _ = ebb_sys::device::power_off(handles::IO_PORT, EXIT | (failed > 0) as u8);
    loop {
        ebb_sys::yield_now();
    }
}

#[panic_handler]
fn panic(panic: &core::panic::PanicInfo) -> ! {
    report::say(format_args!("kernel-test: {panic}\n"));
    // An error would leave the machine running into its time limit.
    let _ = ebb_sys::device::power_off(handles::IO_PORT, EXIT | 1);
    raw::undefined()
}
