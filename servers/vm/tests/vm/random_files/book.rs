// SPDX-License-Identifier: BSD-2-Clause
//! What a file must hold, also while it is being changed.

/// What a file must hold.
pub struct Book {
    pub bytes: Vec<u8>,
    pub change: Option<Change>,
    /// Counts everything that was done to it.
    pub version: u64,
    pub unlinked: bool,
    /// The program that changes it is gone.
    pub orphan: bool,
}

/// A change of a file that is under way.
#[derive(Clone, Debug)]
pub enum Change {
    Write { offset: usize, data: Vec<u8> },
    Truncate { size: usize },
}

impl Book {
    /// How long it is at least while it is being changed.
    pub fn sure(&self) -> usize {
        match &self.change {
            Some(Change::Truncate { size }) => self.bytes.len().min(*size),
            _ => self.bytes.len(),
        }
    }

    /// Whether a byte may be there now. Behind the end anything may.
    pub fn allows(&self, offset: usize, byte: u8) -> bool {
        let base = self.bytes.get(offset).copied();
        let changed = match &self.change {
            Some(Change::Write { offset: from, data }) => {
                offset.checked_sub(*from).and_then(|n| data.get(n)).is_some_and(|b| *b == byte)
            }
            Some(Change::Truncate { size }) => offset >= *size,
            None => false,
        };
        changed || base.is_none_or(|b| b == byte)
    }

    /// Whether a store through a mapping has a certain effect.
    pub fn is_settled(&self, offset: usize) -> bool {
        match &self.change {
            None => true,
            Some(Change::Write { offset: from, data }) => {
                offset < self.bytes.len() && !(*from..from + data.len()).contains(&offset)
            }
            Some(Change::Truncate { size }) => offset < self.bytes.len().min(*size),
        }
    }

    /// A change is over: so much of it was done.
    pub fn done(&mut self, done: usize) {
        self.version += 1;
        match self.change.take() {
            Some(Change::Write { offset, data }) if done > 0 => {
                let end = offset + done;
                self.bytes.resize(self.bytes.len().max(end), 0);
                self.bytes[offset..end].copy_from_slice(&data[..done]);
            }
            Some(Change::Truncate { size }) if done > 0 => self.bytes.resize(size, 0),
            _ => {}
        }
    }
}
