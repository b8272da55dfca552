// SPDX-License-Identifier: BSD-2-Clause
//! The end of a program that went astray: a line on standard error, or in the log for a server; then an exception, whose registers and backtrace the supervisor reports in the log. The status
//! is that of an illegal instruction ([`ebb_proto::init::ILLEGAL`]).

use core::panic::PanicInfo;
use core::sync::atomic::{AtomicBool, Ordering};

/// Somebody panics already: nothing that may have led to that is tried again.
static PANICKING: AtomicBool = AtomicBool::new(false);

#[panic_handler]
fn panic(panic: &PanicInfo) -> ! {
    if PANICKING.swap(true, Ordering::Relaxed) {
        // What came first was told, or could not be.
        crate::log::write(format_args!("{panic}"));
        crate::start::abort()
    }
    if crate::start::is_program() {
        crate::console::last_words(format_args!("{}: {panic}\n", crate::env::name()));
    } else {
        crate::log::write(format_args!("{panic}"));
    }
    crate::start::abort()
}
