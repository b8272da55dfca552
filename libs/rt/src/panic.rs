// SPDX-License-Identifier: BSD-2-Clause
//! The end of a program that went astray: a line in the log, then an exception, whose registers and backtrace the supervisor reports.

use core::panic::PanicInfo;

#[panic_handler]
fn panic(panic: &PanicInfo) -> ! {
    crate::console::flush();
    crate::log::write(format_args!("{panic}"));
    crate::start::abort()
}
