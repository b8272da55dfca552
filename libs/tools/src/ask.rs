// SPDX-License-Identifier: BSD-2-Clause
//! A question for a person (`-i`).

use crate::context::Context;
use crate::output::write_all;
use alloc::format;

/// Whether the answer on standard input begins with `y`.
pub fn ask(context: &Context<'_>, question: &str) -> bool {
    let prompt = format!("{}: {question}? ", context.name());
    // If the question cannot be put, the answer is no.
    if write_all(context.system.stderr().as_mut(), prompt.as_bytes()).is_err() {
        return false;
    }
    let mut stdin = context.system.stdin();
    let mut byte = [0];
    let mut first = None;
    // One byte at a time: the rest of the input belongs to further questions.
    while let Ok(1) = stdin.read(&mut byte) {
        if byte[0] == b'\n' {
            break;
        }
        first.get_or_insert(byte[0]);
    }
    matches!(first, Some(b'y' | b'Y'))
}
