// SPDX-License-Identifier: BSD-2-Clause
//! What there may be of everything. The blocks are set aside at the start: 192 KiB. What comes and goes beside them is small.

/// Pipes.
pub const PIPES: usize = 64;
/// Bytes of a block.
pub const BLOCK: usize = 512;
/// A write of at most so many bytes is never mixed with others' (`PIPE_BUF`). A block: an empty pipe has room for it, and a waiting write can be kept.
pub const ATOMIC: usize = BLOCK;
/// Blocks beside the one that each pipe has for itself: five pipes can be full.
pub const SHARED_BLOCKS: usize = 160;
/// Calls that may wait. A further one that would have to is answered with `NoMemory`.
pub const WAITING: usize = 128;
/// Blocks of waiting writes beside the one that each has for itself. What is not kept is not written, and the writer is told.
pub const KEPT_BLOCKS: usize = 32;
/// All blocks.
pub const BLOCKS: usize = PIPES + SHARED_BLOCKS + WAITING + KEPT_BLOCKS;
/// Spaces that may have an end of one pipe.
pub const HOLDERS: usize = 512;
/// The same, of all pipes together.
pub const ALL_HOLDERS: usize = 1024;
