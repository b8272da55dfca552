// SPDX-License-Identifier: BSD-2-Clause
//! Open files.

use super::names::ask;
use super::{Error, TRIES, handle};
use crate::client::call;
use crate::io::{self, Read, Write};
use crate::path::absolute;
use alloc::vec;
use alloc::vec::Vec;
use ebb_proto::fs::{Open, OpenFlags};
use ebb_proto::vm::{self, FileStatus, MAX_TRANSFER, OWN_OFFSET};

/// How a file is to be opened.
#[derive(Clone, Copy, Debug)]
pub struct OpenOptions {
    flags: OpenFlags,
    append: bool,
    truncate: bool,
    mode: u16,
}

impl Default for OpenOptions {
    fn default() -> Self {
        OpenOptions::new()
    }
}

impl OpenOptions {
    /// For nothing yet.
    pub fn new() -> OpenOptions {
        OpenOptions { flags: OpenFlags::empty(), append: false, truncate: false, mode: 0o644 }
    }

    /// For reading.
    pub fn read(mut self, yes: bool) -> Self {
        self.flags.set(OpenFlags::READ, yes);
        self
    }

    /// For writing.
    pub fn write(mut self, yes: bool) -> Self {
        self.flags.set(OpenFlags::WRITE, yes);
        self
    }

    /// For writing, always at the end.
    pub fn append(mut self, yes: bool) -> Self {
        self.append = yes;
        self.write(yes)
    }

    /// Made if it does not exist.
    pub fn create(mut self, yes: bool) -> Self {
        self.flags.set(OpenFlags::CREATE, yes);
        self
    }

    /// Made; an error if it exists.
    pub fn create_new(mut self, yes: bool) -> Self {
        self.flags.set(OpenFlags::CREATE | OpenFlags::EXCLUSIVE, yes);
        self
    }

    /// Emptied when it is opened.
    pub fn truncate(mut self, yes: bool) -> Self {
        self.truncate = yes;
        self
    }

    /// For mapping with execute permission.
    pub fn execute(mut self, yes: bool) -> Self {
        self.flags.set(OpenFlags::EXECUTE, yes);
        self
    }

    /// Permissions of a file that is made; `0o644` otherwise.
    pub fn mode(mut self, mode: u16) -> Self {
        self.mode = mode;
        self
    }

    /// Opens it.
    pub fn open(&self, path: &str) -> Result<File, Error> {
        let vm = handle("vm")?;
        let mut flags = self.flags;
        for _ in 0..TRIES {
            let open = Open { path: absolute(path), flags: flags.bits(), mode: self.mode };
            let opened = match ask(&open) {
                (Err(Error::Exists), true) => {
                    // Made just before the pager died.
                    flags -= OpenFlags::EXCLUSIVE;
                    continue;
                }
                (result, _) => result?,
            };
            match call(vm, &vm::FileOpen { grant: opened.grant, append: self.append }) {
                // The grant was lost with the pager that gave it; the file is there.
                Err(Error::NotFound) => flags -= OpenFlags::EXCLUSIVE,
                result => {
                    let file = File { number: result?.0 };
                    if self.truncate {
                        file.set_len(0)?;
                    }
                    return Ok(file);
                }
            }
        }
        Err(Error::Io)
    }
}

/// An open file. It is closed when this goes; that it could be closed is nothing to rely on: whether what was written is on the disk says [`File::sync`].
#[derive(Debug)]
pub struct File {
    number: u32,
}

impl File {
    /// Opens a file for reading.
    pub fn open(path: &str) -> Result<File, Error> {
        OpenOptions::new().read(true).open(path)
    }

    /// Opens a file for writing; it is made, or emptied.
    pub fn create(path: &str) -> Result<File, Error> {
        OpenOptions::new().write(true).create(true).truncate(true).open(path)
    }

    /// Takes over an open file by its number in `vm`.
    pub fn from_raw(number: u32) -> File {
        File { number }
    }

    /// Its number in `vm`.
    pub fn raw(&self) -> u32 {
        self.number
    }

    /// Reads at an offset; 0: its end.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize, Error> {
        let bytes = buffer.len().min(MAX_TRANSFER as usize) as u32;
        if bytes == 0 {
            return Ok(0);
        }
        let read = vm::Read { file: self.number, offset, address: buffer.as_mut_ptr() as u64, bytes };
        Ok((call(handle("vm")?, &read)? as usize).min(buffer.len()))
    }

    /// Writes at an offset; how much was taken.
    pub fn write_at(&self, buffer: &[u8], offset: u64) -> Result<usize, Error> {
        let bytes = buffer.len().min(MAX_TRANSFER as usize) as u32;
        if bytes == 0 {
            return Ok(0);
        }
        let write = vm::Write { file: self.number, offset, address: buffer.as_ptr() as u64, bytes };
        Ok((call(handle("vm")?, &write)? as usize).min(buffer.len()))
    }

    /// Moves the offset: to `to` from the beginning (0), from where it is (1), from the end (2).
    pub fn seek(&self, to: i64, whence: u8) -> Result<u64, Error> {
        call(handle("vm")?, &vm::Seek { file: self.number, to, whence })
    }

    /// Its state.
    pub fn status(&self) -> Result<FileStatus, Error> {
        call(handle("vm")?, &vm::FileInfo { file: self.number })
    }

    /// Bytes.
    pub fn size(&self) -> Result<u64, Error> {
        self.status().map(|s| s.size)
    }

    /// Makes it shorter, or longer with zeroes.
    pub fn set_len(&self, size: u64) -> Result<(), Error> {
        call(handle("vm")?, &vm::Truncate { file: self.number, size })
    }

    /// Everything written is durable when this returns.
    pub fn sync(&self) -> Result<(), Error> {
        call(handle("vm")?, &vm::Sync { file: self.number })
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // There is nobody to tell, and nothing is lost: what was written is in `vm`.
        if let Ok(vm) = handle("vm") {
            let _ = call(vm, &vm::FileClose { file: self.number });
        }
    }
}

impl Read for File {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        self.read_at(buffer, OWN_OFFSET)
    }
}

impl Write for File {
    fn write(&mut self, buffer: &[u8]) -> Result<usize, Error> {
        self.write_at(buffer, OWN_OFFSET)
    }
}

/// A whole file.
pub fn read(path: &str) -> Result<Vec<u8>, Error> {
    let mut file = File::open(path)?;
    let size = file.size()?;
    let mut bytes = vec![0; usize::try_from(size).map_err(|_| Error::NoMemory)?];
    let mut have = 0;
    loop {
        if have == bytes.len() {
            bytes.resize(have + 4096, 0);
        }
        match file.read(&mut bytes[have..])? {
            0 => break,
            count => have += count,
        }
    }
    bytes.truncate(have);
    Ok(bytes)
}

/// Writes a whole file, which is made, or emptied before.
pub fn write(path: &str, bytes: &[u8]) -> Result<(), Error> {
    let mut file = File::create(path)?;
    io::write_all(&mut file, bytes)
}
