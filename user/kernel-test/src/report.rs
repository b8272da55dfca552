// SPDX-License-Identifier: BSD-2-Clause
//! Counting checks, and the log.

use core::fmt::{self, Write};
use core::sync::atomic::{AtomicU32, Ordering};

static PASSED: AtomicU32 = AtomicU32::new(0);
static FAILED: AtomicU32 = AtomicU32::new(0);

struct Out;

impl Write for Out {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // Byte by byte into the buffer would be lost in a call: `log` copies at once and calls at once.
        ebb_sys::log(text);
        Ok(())
    }
}

/// Writes to the kernel's log. The message buffer's bytes are lost.
pub fn say(text: fmt::Arguments) {
    // The log takes everything.
    let _ = Out.write_fmt(text);
}

/// Begins a case.
pub fn begin(name: &str) {
    say(format_args!("case {name}\n"));
}

/// Counts a check.
pub fn count(holds: bool, what: &str, file: &str, line: u32) {
    if holds {
        PASSED.fetch_add(1, Ordering::Relaxed);
    } else {
        FAILED.fetch_add(1, Ordering::Relaxed);
        say(format_args!("FAILED {file}:{line}: {what}\n"));
    }
}

/// The last line. Returns the number of failures.
pub fn verdict() -> u32 {
    let failed = FAILED.load(Ordering::Relaxed);
    say(format_args!("kernel-test: {} passed, {failed} failed\n", PASSED.load(Ordering::Relaxed)));
    failed
}

/// Checks a condition, and goes on either way.
#[macro_export]
macro_rules! check {
    ($holds:expr) => {
        $crate::report::count($holds, stringify!($holds), file!(), line!())
    };
}

/// Checks that two values are equal, and shows them if not.
#[macro_export]
macro_rules! check_eq {
    ($left:expr, $right:expr) => {{
        let (left, right) = ($left, $right);
        if left != right {
            $crate::report::say(format_args!("is {left:x?}, should be {right:x?}\n"));
        }
        $crate::report::count(
            left == right,
            concat!(stringify!($left), " == ", stringify!($right)),
            file!(),
            line!(),
        )
    }};
}
