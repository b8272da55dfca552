// SPDX-License-Identifier: BSD-2-Clause
//! What the kernel said, and the frames before there is a `vm`.

use alloc::string::String;
use alloc::vec::Vec;
use ebb_abi::Frame;
use ebb_abi::boot::{BootInfo, Range};

/// A boot module.
#[derive(Clone, Copy)]
pub struct Module {
    /// Its name.
    pub name: &'static str,
    /// Its number.
    pub index: u32,
    /// Its bytes.
    pub bytes: &'static [u8],
    /// The first of the frames that it lies in, one after the other.
    pub first_frame: u32,
}

/// The modules.
pub fn modules(info: &'static BootInfo) -> Vec<Module> {
    (0..info.nr_modules as usize)
        .filter_map(|n| {
            let module = info.modules.get(n)?;
            let name = &module.name;
            let len = name.iter().position(|b| *b == 0).unwrap_or(name.len());
            let name = core::str::from_utf8(&name[..len]).ok()?;
            Some(Module {
                name,
                index: n as u32,
                bytes: ebb_rt::boot::module(info, n)?,
                first_frame: module.frame,
            })
        })
        .collect()
}

/// The kernel's command line.
pub fn cmdline(info: &BootInfo) -> String {
    let bytes = info.cmdline.get(..info.cmdline_len as usize).unwrap_or(&[]);
    String::from_utf8_lossy(bytes).into_owned()
}

/// The value of `key=value` on the command line.
pub fn option<'a>(cmdline: &'a str, key: &str) -> Option<&'a str> {
    cmdline.split_whitespace().find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
}

/// Frames nobody uses yet; the rest is handed to `vm`.
pub struct Frames {
    ranges: [Range; ebb_abi::boot::MAX_RANGES],
}

impl Frames {
    /// All that the kernel left.
    pub fn new(info: &BootInfo) -> Frames {
        let mut ranges = [Range::default(); ebb_abi::boot::MAX_RANGES];
        for (mine, theirs) in ranges.iter_mut().zip(info.free.iter().take(info.nr_free as usize)) {
            *mine = *theirs;
        }
        Frames { ranges }
    }

    /// Takes a frame, high ones first: low ones are left for devices that need them.
    pub fn take(&mut self) -> Option<Frame> {
        let range = self.ranges.iter_mut().rev().find(|r| r.count > 0)?;
        range.count -= 1;
        Some(Frame(range.first + range.count))
    }

    /// What is left.
    pub fn rest(&self) -> impl Iterator<Item = Range> + '_ {
        self.ranges.iter().copied().filter(|r| r.count > 0)
    }
}
