// SPDX-License-Identifier: BSD-2-Clause
//! Files in memory (`mmap`). Others may change a shared page at any moment, so its words are reached as atomic cells.

use super::{Error, File, handle};
use crate::client::call;
use crate::shared;
use core::sync::atomic::AtomicU64;
use ebb_abi::PAGE_SIZE;
use ebb_proto::vm::{self, Advice, Protection, Source};

/// Pages of a file, mapped. They are unmapped when this goes; what was written to a shared one stays in the file.
#[derive(Debug)]
pub struct Map {
    address: u64,
    pages: u64,
}

/// How a file is mapped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sharing {
    /// To be read.
    Read,
    /// To be read and written; everybody sees it.
    Shared,
    /// To be read and written; what is written is seen here alone.
    Private,
}

impl Map {
    /// Maps pages of a file from page `first` on. Touching one that lies wholly behind its end ends the program (a bus error); behind the end in its last page are zeroes.
    pub fn new(file: &File, first: u32, pages: u64, sharing: Sharing) -> Result<Map, Error> {
        let mut protection = Protection::READ;
        protection.set(Protection::WRITE, sharing != Sharing::Read);
        let source = Source::File { file: file.raw(), first, private: sharing == Sharing::Private };
        let map = vm::Map { space: 0, address: 0, pages, protection: protection.bits(), source };
        call(handle("vm")?, &map).map(|address| Map { address, pages })
    }

    /// The words.
    pub fn words(&self) -> &[AtomicU64] {
        shared::anonymous(self.address, self.pages * PAGE_SIZE as u64).unwrap_or(&[])
    }

    /// Pages.
    pub fn pages(&self) -> u64 {
        self.pages
    }

    /// What was written to a range of shared pages goes to the disk (`msync`); `wait`: it is durable when this returns.
    pub fn sync(&self, first: u64, pages: u64, wait: bool) -> Result<(), Error> {
        let address = self.address + first * PAGE_SIZE as u64;
        call(handle("vm")?, &vm::SyncRange { space: 0, address, pages, wait })
    }

    /// How it will be used (`madvise`).
    pub fn advise(&self, first: u64, pages: u64, advice: Advice) -> Result<(), Error> {
        let address = self.address + first * PAGE_SIZE as u64;
        call(handle("vm")?, &vm::Advise { space: 0, address, pages, advice })
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        if let Ok(vm) = handle("vm") {
            // It stays until the program's end then, and nobody can reach it.
            let _ = call(vm, &vm::Unmap { space: 0, address: self.address, pages: self.pages });
        }
    }
}
