// SPDX-License-Identifier: BSD-2-Clause
//! The loader: becomes the program in a file.
//!
//! `proc` starts it in the new program's space, with the start information of the program, whose `exec` names the file. It maps the file's segments, which `vm` then
//! pages from the file, text shared by all who run it, and jumps to the entry: from there on the program finds everything as if `proc` had started it. A file that
//! begins with `#!` is a script, for which the shell is loaded. What goes wrong is told on the error stream, and is the program's end with status 127 or 126.
//!
//! | file | what |
//! |---|---|
//! | `file` | the file, through `vm` and the vnode pager |
//! | `map` | its segments, mapped |
//! | `complain` | the error stream |
#![no_std]
#![no_main]
#![deny(unsafe_code)]

extern crate alloc;

mod complain;
mod file;
mod map;

use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;
use ebb_rt::abi::layout::{IMAGE, MMAP};
use ebb_rt::proto::Error;
use ebb_rt::proto::proc::{NO_COMMAND, NOT_EXECUTABLE};
use ebb_rt::start::Given;
use ebb_rt::{StartInfo, exec};
use file::File;

ebb_rt::program!(main);

/// What runs scripts.
const SHELL: &str = "/bin/shell";
/// How a script begins.
const SCRIPT: &[u8] = b"#!";
/// Where programs may lie: the loader is below, what is mapped later above.
const PLACE: Range<u64> = IMAGE..MMAP;

fn main(info: &'static StartInfo) -> u8 {
    let (name, error) = match load(info, &info.exec) {
        Ok(Loaded::Program(entry)) => (info.exec.as_str(), exec::jump(entry)),
        Ok(Loaded::Script) => match become_shell(info) {
            Ok(entry) => (SHELL, exec::jump(entry)),
            Err(error) => (SHELL, error),
        },
        Err(error) => (info.exec.as_str(), error),
    };
    complain::tell(info, name, error);
    match error {
        Error::NotFound | Error::NotDirectory => NO_COMMAND,
        _ => NOT_EXECUTABLE,
    }
}

/// What a file was.
enum Loaded {
    /// A program, which is mapped now; its entry.
    Program(u64),
    /// A script; nothing was mapped.
    Script,
}

fn load(info: &StartInfo, path: &str) -> Result<Loaded, Error> {
    let file = File::open(info, path)?;
    let head = file.head()?;
    let loaded = if head.starts_with(SCRIPT) {
        Loaded::Script
    } else {
        let image = ebb_image::parse(&head, file.len(), &PLACE)?;
        map::segments(info.handle("vm")?, &file, &image)?;
        Loaded::Program(image.entry)
    };
    // What is mapped keeps the file.
    file.close()?;
    Ok(loaded)
}

/// Maps the shell, which is told to run the script with the arguments that it was given.
fn become_shell(info: &StartInfo) -> Result<u64, Error> {
    let Loaded::Program(entry) = load(info, SHELL)? else { return Err(Error::BadImage) };
    let mut shell = info.clone();
    shell.name = String::from("shell");
    shell.args = Vec::with_capacity(info.args.len() + 1);
    shell.args.push(info.exec.clone());
    shell.args.extend_from_slice(&info.args);
    exec::rewrite(&shell, info)?;
    Ok(entry)
}
