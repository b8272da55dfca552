// SPDX-License-Identifier: BSD-2-Clause
//! An input disk, read from its start to its end.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use ebb_rig::Failure;
use ebb_rt::StartInfo;
use ebb_rt::abi::Handle;
use ebb_rt::client::call;
use ebb_rt::proto::block::{Disks, MAX_READ, ReadSectors};
use ebb_rt::start::Given;

/// A disk and how far it was read.
pub struct Input {
    block: Handle,
    disk: u8,
    name: String,
    sector: u64,
    sectors: u64,
}

impl Input {
    /// The input disk of that name.
    pub fn open(info: &StartInfo, name: &str) -> Result<Input, Failure> {
        let block = info.handle("block").map_err(|e| Failure::Trouble(format!("block: {e}")))?;
        let disks = call(block, &Disks {}).map_err(|e| Failure::Trouble(format!("block: {e}")))?;
        let found = disks.iter().enumerate().find(|(_, d)| d.name == name && name.starts_with("input"));
        let (number, disk) = found.ok_or_else(|| {
            Failure::Usage(format!("{name}: no such input (give one with xtask run --input FILE)"))
        })?;
        let disk_number =
            u8::try_from(number).map_err(|_| Failure::Trouble(format!("{name}: too many disks")))?;
        Ok(Input { block, disk: disk_number, name: name.into(), sector: 0, sectors: disk.sectors })
    }

    /// Its name.
    pub fn name(&self) -> &String {
        &self.name
    }

    /// The next sectors; nothing at the end.
    pub fn piece(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        let count = (self.sectors - self.sector).min(MAX_READ as u64);
        if count == 0 {
            return Ok(None);
        }
        let read = ReadSectors { disk: self.disk, sector: self.sector, count: count as u32 };
        let bytes = call(self.block, &read)
            .map_err(|e| Failure::Trouble(format!("{}: sector {}: {e}", self.name, self.sector)))?;
        self.sector += count;
        Ok(Some(bytes))
    }
}
