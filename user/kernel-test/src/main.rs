// SPDX-License-Identifier: BSD-2-Clause
#![no_std]
#![no_main]
use core::fmt::Write;
core::arch::global_asm!(
    ".global _start",
    "_start:",
    "xor ebp, ebp",
    "and rsp, -16",
    "call kernel_test",
    "ud2"
);
struct W;
impl Write for W {
    fn write_str(&mut self, s: &str) -> core::fmt::Result {
        ebb_sys::log(s);
        Ok(())
    }
}
#[unsafe(no_mangle)]
extern "C" fn kernel_test(info: &'static ebb_abi::boot::BootInfo) -> ! {
    let _ = writeln!(W, "hello magic {:x} frames {} free {}", info.magic, info.total_frames, info.nr_free);
    let t = ebb_sys::time::tsc();
    ebb_sys::null();
    let u = ebb_sys::time::tsc();
    let _ = writeln!(W, "null {}", u - t);
    let _ = ebb_sys::device::power_off(ebb_abi::boot::handles::IO_PORT, 64);
    loop {}
}
#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    loop {}
}
