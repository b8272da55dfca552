// SPDX-License-Identifier: BSD-2-Clause
//! What can go wrong, and whose fault it is (SWP-W44: an error where the original stops the system).

use core::fmt;

/// Why an operation was refused. A refused operation has changed nothing that a caller can see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The caller's: a list of zero blocks was asked for (SWP-245).
    NoBlocks,
    /// The caller's: more than [`MAX_BLOCKS`](crate::MAX_BLOCKS) blocks.
    TooManyBlocks,
    /// The machine's: no memory for the list. Only creating and resizing can meet it.
    NoMemory,
    /// The caller's: the storage handed in has fewer than `needed` words of 64 bits.
    StorageTooSmall {
        /// Words that the list needs, as [`words_needed`](crate::words_needed) says.
        needed: usize,
    },
    /// The caller's: an allocation of 0 blocks, of more than [`MAX_ALLOC`](crate::MAX_ALLOC), or with a
    /// minimum above its maximum.
    BadCount,
    /// Nobody's: no free run is long enough now.
    NoSpace,
    /// The caller's: the range does not lie within the list.
    OutOfRange,
    /// The caller's: a block of the range is free already (SWP-W43).
    DoubleFree {
        /// The lowest such block.
        block: u64,
    },
    /// The caller's: the list cannot shrink, blocks beyond the new end are allocated (SWP-W46).
    InUse {
        /// How many of them.
        blocks: u64,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::NoBlocks => f.write_str("a blist needs at least one block"),
            Error::TooManyBlocks => write!(f, "a blist has at most {} blocks", crate::MAX_BLOCKS),
            Error::NoMemory => f.write_str("no memory for the blist"),
            Error::StorageTooSmall { needed } => write!(f, "the blist needs {needed} words of storage"),
            Error::BadCount => write!(f, "an allocation takes 1 to {} blocks", crate::MAX_ALLOC),
            Error::NoSpace => f.write_str("no free run is long enough"),
            Error::OutOfRange => f.write_str("the range lies outside the blist"),
            Error::DoubleFree { block } => write!(f, "block {block} is free already"),
            Error::InUse { blocks } => write!(f, "{blocks} blocks beyond the new end are in use"),
        }
    }
}

impl core::error::Error for Error {}
