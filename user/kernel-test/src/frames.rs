// SPDX-License-Identifier: BSD-2-Clause
//! Free frames of the machine.

use ebb_abi::Frame;
use ebb_abi::boot::BootInfo;

/// Frames that can be out of the ranges at a time.
const MAX: usize = 24 * 1024;

/// A pile of frames that were given back, on top of the ranges of the boot information.
pub struct Frames {
    info: &'static BootInfo,
    range: usize,
    used: u32,
    pile: &'static mut [u32; MAX],
    piled: usize,
    out: usize,
}

static mut PILE: [u32; MAX] = [0; MAX];

impl Frames {
    /// All free frames. Once.
    pub fn new(info: &'static BootInfo) -> Frames {
        // SAFETY: called once, by the first thread of the first task; assistants have copies of their own.
        let pile = unsafe { (&raw mut PILE).as_mut_unchecked() };
        Frames { info, range: 0, used: 0, pile, piled: 0, out: 0 }
    }

    /// A frame. The machine has enough of them.
    pub fn take(&mut self) -> Frame {
        self.out += 1;
        if self.piled > 0 {
            self.piled -= 1;
            return Frame(self.pile[self.piled]);
        }
        let r = self.info.free[self.range];
        let frame = r.first + self.used;
        self.used += 1;
        if self.used == r.count {
            self.range += 1;
            self.used = 0;
        }
        Frame(frame)
    }

    /// Several frames.
    pub fn take_many<const N: usize>(&mut self) -> [Frame; N] {
        core::array::from_fn(|_| self.take())
    }

    /// Gives one back.
    pub fn give(&mut self, frame: Frame) {
        self.pile[self.piled] = frame.0;
        self.piled += 1;
        self.out -= 1;
    }

    /// Frames that were taken and not given back.
    pub fn out(&self) -> usize {
        self.out
    }
}
