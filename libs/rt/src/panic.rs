// SPDX-License-Identifier: BSD-2-Clause
//! The end of a program that went astray: a line in the log, and of what is no server on standard error too; then an exception, whose registers and backtrace the supervisor reports in the
//! log. The status is that of an illegal instruction ([`ebb_proto::init::ILLEGAL`]).

use core::panic::PanicInfo;
use core::sync::atomic::{AtomicBool, Ordering};

/// Somebody panics already: perhaps because of what it wants to say.
static PANICKING: AtomicBool = AtomicBool::new(false);

#[panic_handler]
fn panic(panic: &PanicInfo) -> ! {
    crate::log::write(format_args!("{panic}"));
    if crate::start::is_program() && !PANICKING.swap(true, Ordering::Relaxed) {
        crate::console::last_words(format_args!("{}: {panic}\n", crate::env::name()));
    }
    crate::start::abort()
}
