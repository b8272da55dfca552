// SPDX-License-Identifier: BSD-2-Clause
//! The end of a program that went astray: a line in the log, and of what is no server on standard error too; then an exception, whose registers and backtrace the supervisor reports in the
//! log. The status is that of an illegal instruction ([`ebb_proto::proc::ILLEGAL`]).

use crate::thread::Mutex;
use core::fmt::Arguments;
use core::panic::PanicInfo;

/// Who else is told. Taken at the first panic: the next may be because of what that one wants to say.
static TOLD: Mutex<Option<fn(Arguments<'_>)>> = Mutex::new(None);

/// Tells this one of a panic.
pub(crate) fn tell(whom: fn(Arguments<'_>)) {
    *TOLD.lock() = Some(whom);
}

#[panic_handler]
fn panic(panic: &PanicInfo) -> ! {
    crate::log::write(format_args!("{panic}"));
    let told = TOLD.lock().take();
    if let Some(tell) = told {
        tell(format_args!("{}: {panic}\n", crate::env::name()));
    }
    crate::start::abort()
}
