// SPDX-License-Identifier: BSD-2-Clause
//! The programs that the tests launch.

use crate::{crowd, swapping};
use alloc::string::String;
use alloc::vec::Vec;
use ebb_rt::StartInfo;
use ebb_rt::abi::Handle;
use ebb_rt::client::call;
use ebb_rt::log;
use ebb_rt::process::Command;
use ebb_rt::proto::pipe::{MAX_IO, Read, Write};
use ebb_rt::proto::{Error, start::Stream};
use ebb_rt::start::Given;

/// Status of a child whose reader is gone.
pub const BROKEN: u8 = 9;

/// A byte of the pattern that [`run`]'s `count` writes.
pub fn pattern(at: usize) -> u8 {
    (at as u32).wrapping_mul(2_654_435_761).to_be_bytes()[0]
}

/// What a child knows of its start, as text: what `tell` writes.
pub fn told(args: &[String], env: &[(String, String)], cwd: &str) -> String {
    // FNV-1a, 64 bits; a zero behind each string.
    let strings =
        args.iter().map(String::as_str).chain(env.iter().flat_map(|(n, v)| [n.as_str(), v.as_str()]));
    let bytes = strings.flat_map(|s| s.bytes().chain([0]));
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ b as u64).wrapping_mul(0x100_0000_01b3));
    alloc::format!("{} {} {cwd} {hash:016x}", args.len(), env.len())
}

/// `count N`: writes so many bytes of the pattern. `relay`: copies its input to its output. `tell`: writes what it was told. `wait`: reads once.
/// `sleep`: does nothing for an hour; `nothing`: not even that. `leave`: leaves three sleepers behind. `at-once N KIB`, `in-a-row N`: see [`crowd`]; `sleep-on THREADS MS`, `out-and-in CHILDREN ROUNDS`: see [`swapping`].
pub fn run(info: &StartInfo, mode: &str, args: &[String]) -> u8 {
    let number = |n: usize| args.get(n).and_then(|n| n.parse().ok()).unwrap_or(0);
    let result = match mode {
        "count" => {
            let bytes: Vec<u8> = (0..number(0)).map(pattern).collect();
            write(info, &bytes)
        }
        "relay" => relay(info),
        "tell" => write(info, told(args, &info.env, &info.cwd).as_bytes()),
        "wait" => read(info).map(|_| ()),
        "at-once" => return crowd::at_once(number(0), number(1)),
        "in-a-row" => return crowd::in_a_row(number(0)),
        "sleep-on" => return swapping::sleeper(number(0), number(1)),
        "nothing" => Ok(()),
        "leave" => (0..3).try_for_each(|_| Command::new("launch-test").arg("sleep").spawn().map(drop)),
        "sleep" => ebb_rt::clock::sleep_us(3_600_000_000),
        _ => return 2,
    };
    match result {
        Ok(()) => 0,
        Err(Error::BrokenPipe) => BROKEN,
        Err(error) => {
            log!("{mode}: {error}");
            1
        }
    }
}

fn relay(info: &StartInfo) -> Result<(), Error> {
    loop {
        let bytes = read(info)?;
        if bytes.is_empty() {
            return Ok(());
        }
        write(info, &bytes)?;
    }
}

fn read(info: &StartInfo) -> Result<Vec<u8>, Error> {
    match info.streams.first() {
        Some(Stream::PipeRead(pipe)) => call(info.handle("pipe")?, &Read { pipe: *pipe, most: u32::MAX }),
        _ => Err(Error::BadFile),
    }
}

fn write(info: &StartInfo, bytes: &[u8]) -> Result<(), Error> {
    let Some(Stream::PipeWrite(pipe)) = info.streams.get(1) else { return Err(Error::BadFile) };
    write_all(info.handle("pipe")?, *pipe, bytes)
}

/// Writes all bytes, in as many messages as it takes.
pub fn write_all(server: Handle, pipe: u32, mut bytes: &[u8]) -> Result<(), Error> {
    while !bytes.is_empty() {
        let piece = bytes.get(..MAX_IO).unwrap_or(bytes).to_vec();
        let taken = call(server, &Write { pipe, bytes: piece })? as usize;
        bytes = bytes.get(taken..).unwrap_or_default();
    }
    Ok(())
}
