// SPDX-License-Identifier: BSD-2-Clause
//! What there may be of everything. Together: at most 200 KiB, which the server's heap has room for.

/// Pipes.
pub const PIPES: usize = 64;
/// Bytes of a block.
pub const BLOCK: usize = 1024;
/// Blocks beside the one that each pipe has for itself: three pipes can be full.
pub const SHARED_BLOCKS: usize = 48;
/// A write of at most so many bytes is never mixed with others' (`PIPE_BUF`). At most a block: an empty pipe has room for it.
pub const ATOMIC: usize = 512;
/// Calls that may wait. A space has 16 threads, so few programs that wait on purpose reach it; a further call is answered with `NoMemory`.
pub const WAITING: usize = 128;
/// Bytes of waiting writes that are kept beyond [`ATOMIC`] of each; what is not kept is not written, and the writer is told.
pub const KEPT: usize = 16 << 10;
/// Spaces that may have an end of one pipe.
pub const HOLDERS: usize = 128;
/// The same, of all pipes together.
pub const ALL_HOLDERS: usize = 1024;
