// SPDX-License-Identifier: BSD-2-Clause
//! Programs from files. Where there are no files (no handle to the vnode pager) there is nothing to test.

use crate::Failure;
use crate::child::told;
use crate::parent::{Parent, because, same};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use ebb_rt::abi::Handle;
use ebb_rt::client::call;
use ebb_rt::proto::fs::{Open, OpenFlags, Remove};
use ebb_rt::proto::pipe::End;
use ebb_rt::proto::proc::{NO_COMMAND, NOT_EXECUTABLE, Status};
use ebb_rt::proto::start::Stream::{self, File, Null, PipeWrite};
use ebb_rt::proto::vm::{self, OWN_OFFSET};
use ebb_rt::start::Given;

/// This program, as a file.
const SELF: &str = "/bin/launch-test";
/// A file that the tests make.
const MADE: &str = "/tmp/launch-test.made";
/// The permissions of a program.
const PROGRAM: u16 = 0o755;

fn pager(p: &Parent) -> Option<Handle> {
    p.info.handle("vnode-pager").ok()
}

fn open(p: &Parent, pager: Handle, path: &str, flags: OpenFlags, mode: u16) -> Result<u32, Failure> {
    let opened = because(path, call(pager, &Open { path: path.to_string(), flags: flags.bits(), mode }))?;
    let (file, _) = because(path, call(p.vm, &vm::FileOpen { grant: opened.grant, append: false }))?;
    Ok(file)
}

/// Makes a file that has these bytes.
fn make(p: &Parent, pager: Handle, bytes: &[u8], mode: u16) -> Result<(), Failure> {
    let file = open(p, pager, MADE, OpenFlags::WRITE | OpenFlags::CREATE, mode)?;
    let (address, len) = (bytes.as_ptr() as u64, bytes.len() as u32);
    let written = because("write", call(p.vm, &vm::Write { file, offset: OWN_OFFSET, address, bytes: len }))?;
    because("close", call(p.vm, &vm::FileClose { file }))?;
    same("written", written, len)
}

/// Launches a program; what it says on a stream, and its status.
fn said(p: &Parent, program: &str, args: &[&str], stream: usize) -> Result<(String, Status), Failure> {
    let pipe = p.new_pipe()?;
    let mut streams = [Null; 3];
    if let Some(s) = streams.get_mut(stream) {
        *s = PipeWrite(pipe);
    }
    let child = because("launch", p.try_launch(program, args, &streams))?;
    p.close(pipe, End::Write)?;
    let text = String::from_utf8(p.read_all(pipe)?).unwrap_or_default();
    p.close(pipe, End::Read)?;
    Ok((text, p.wait(child)?))
}

/// Loaded, and told everything, by its path and from a folder.
pub fn program(p: &Parent) -> Result<(), Failure> {
    if pager(p).is_none() {
        return Ok(());
    }
    let args: Vec<String> = Vec::from(["a".to_string(), "b".to_string()]);
    for path in [SELF, "./bin/../bin/launch-test"] {
        same(path, said(p, path, &["tell", "a", "b"], 1)?, (told(&args, &[], "/"), 0))?;
    }
    Ok(())
}

/// A text that begins with `#!` is the shell's; its output is its stream's.
pub fn script(p: &Parent) -> Result<(), Failure> {
    let Some(pager) = pager(p) else { return Ok(()) };
    make(p, pager, b"#!/bin/shell\n/bin/launch-test tell $1 $2\nexit 7\n", PROGRAM)?;
    let result = said(p, MADE, &["x", "y"], 1)?;
    because("remove", call(pager, &Remove { path: MADE.to_string() }))?;
    let args: Vec<String> = Vec::from(["x".to_string(), "y".to_string()]);
    same("script", result, (told(&args, &[], "/"), 7))
}

/// What cannot be executed says why.
pub fn broken(p: &Parent) -> Result<(), Failure> {
    let Some(pager) = pager(p) else { return Ok(()) };
    let mut elf = Vec::from(*b"\x7fELF\x02\x01\x01");
    elf.resize(300, 0xee);
    for (bytes, mode, why) in [
        (&b""[..], PROGRAM, "Exec format error"),
        (b"text", PROGRAM, "Exec format error"),
        (&elf, PROGRAM, "Exec format error"),
        (b"#!/bin/shell\n", 0o644, "Permission denied"),
    ] {
        make(p, pager, bytes, mode)?;
        let result = said(p, MADE, &[], 2);
        because("remove", call(pager, &Remove { path: MADE.to_string() }))?;
        same(why, result?, (alloc::format!("{MADE}: {why}\n"), NOT_EXECUTABLE))?;
    }
    same("a folder", said(p, "/bin", &[], 2)?, ("/bin: Is a directory\n".to_string(), NOT_EXECUTABLE))?;
    same("no folder", said(p, "/bin/launch-test/x", &[], 2)?.1, NO_COMMAND)
}

/// A file of the parent's is the child's error stream, with the offset that both share.
pub fn stream(p: &Parent) -> Result<(), Failure> {
    let Some(pager) = pager(p) else { return Ok(()) };
    let flags = OpenFlags::READ | OpenFlags::WRITE | OpenFlags::CREATE;
    let file = open(p, pager, MADE, flags, 0o644)?;
    for path in ["/no/1", "/no/2"] {
        let streams: [Stream; 3] = [Null, Null, File(file)];
        let child = because("launch", p.try_launch(path, &[], &streams))?;
        p.ends_with(child, NO_COMMAND)?;
    }
    let mut bytes = [0u8; 200];
    let address = bytes.as_mut_ptr() as u64;
    let count =
        because("read", call(p.vm, &vm::Read { file, offset: 0, address, bytes: bytes.len() as u32 }))?;
    because("close", call(p.vm, &vm::FileClose { file }))?;
    because("remove", call(pager, &Remove { path: MADE.to_string() }))?;
    let text = String::from_utf8_lossy(bytes.get(..count as usize).unwrap_or_default());
    same("text", &*text, "/no/1: No such file or directory\n/no/2: No such file or directory\n")
}
