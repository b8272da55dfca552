// SPDX-License-Identifier: BSD-2-Clause
//! The file, through `vm` and the vnode pager.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use ebb_image::HEAD;
use ebb_rt::StartInfo;
use ebb_rt::abi::Handle;
use ebb_rt::client::call;
use ebb_rt::proto::fs::{Open, OpenFlags};
use ebb_rt::proto::{Error, vm};
use ebb_rt::start::Given;

/// How often it is tried again after the pager died: it is started again at once, unless it dies too often.
const TRIES: u32 = 10;

/// A file that is open to be executed.
pub struct File {
    vm: Handle,
    number: u32,
    len: u64,
}

impl File {
    /// Opens a file. `NotFound` also where there are no files at all.
    pub fn open(info: &StartInfo, path: &str) -> Result<File, Error> {
        let (vm, pager) = (info.handle("vm")?, info.handle("vnode-pager")?);
        let flags = (OpenFlags::READ | OpenFlags::EXECUTE).bits();
        let mut tries = TRIES;
        loop {
            tries -= 1;
            let open = Open { path: String::from(path), flags, mode: 0 };
            let opened = match call(pager, &open) {
                Err(Error::Dead) if tries > 0 => continue,
                opened => opened?,
            };
            match call(vm, &vm::FileOpen { grant: opened.grant, append: false }) {
                // The grant was lost with the pager that gave it.
                Err(Error::NotFound) if tries > 0 => {}
                Err(Error::NotFound) => return Err(Error::Io),
                result => return result.map(|(number, len)| File { vm, number, len }),
            }
        }
    }

    /// Its number in `vm`.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Its bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Its beginning: as much as the headers take, or all that there is.
    pub fn head(&self) -> Result<Vec<u8>, Error> {
        let mut bytes = vec![0; HEAD];
        let mut have = 0;
        while let Some(rest) = bytes.get_mut(have..).filter(|rest| !rest.is_empty()) {
            let (address, len) = (rest.as_mut_ptr() as u64, rest.len() as u32);
            let read = vm::Read { file: self.number, offset: have as u64, address, bytes: len };
            match call(self.vm, &read)? {
                0 => break,
                count => have += (count as usize).min(rest.len()),
            }
        }
        bytes.truncate(have);
        Ok(bytes)
    }

    /// Closes it.
    pub fn close(self) -> Result<(), Error> {
        call(self.vm, &vm::FileClose { file: self.number })
    }
}
