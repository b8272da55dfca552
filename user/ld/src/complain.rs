// SPDX-License-Identifier: BSD-2-Clause
//! The error stream. The runtime's own is not used: it would be much of the loader, and the loader lies in every program's space.

use alloc::format;
use ebb_rt::StartInfo;
use ebb_rt::client::call;
use ebb_rt::log;
use ebb_rt::proto::start::Stream;
use ebb_rt::proto::vm::OWN_OFFSET;
use ebb_rt::proto::{Error, console, pipe, vm};
use ebb_rt::start::Given;

/// Place of the error stream.
const ERRORS: usize = 2;

/// Says why a file cannot be run.
pub fn tell(info: &StartInfo, path: &str, error: Error) {
    let mut line = format!("{path}: {}\n", error.posix().1).into_bytes();
    line.truncate(console::MAX_IO.min(pipe::MAX_IO));
    let told = match info.streams.get(ERRORS).copied().unwrap_or_default() {
        Stream::Null | Stream::PipeRead(_) => Ok(()),
        Stream::Console => {
            info.handle("console").and_then(|h| call(h, &console::Write { bytes: line, more: false }))
        }
        Stream::File(file) => info.handle("vm").and_then(|vm| {
            let (address, bytes) = (line.as_ptr() as u64, line.len() as u32);
            call(vm, &vm::Write { file, offset: OWN_OFFSET, address, bytes }).map(|_| ())
        }),
        Stream::PipeWrite(pipe) => {
            info.handle("pipe").and_then(|h| call(h, &pipe::Write { pipe, bytes: line })).map(|_| ())
        }
    };
    if let Err(why) = told {
        log!("{path}: {error}, and nobody can be told: {why}");
    }
}
