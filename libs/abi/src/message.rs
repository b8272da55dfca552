// SPDX-License-Identifier: BSD-2-Clause
//! Messages: a tag, six words in registers, up to four handles, and bytes in the message buffer.

/// Words that travel in registers.
pub const WORDS: usize = 6;
/// Handles that one message may carry.
pub const MAX_HANDLES: usize = 4;

/// Offset in the message buffer of the handles to send (`[u32; 4]`, indexes in the sender's table).
pub const SEND_HANDLES: usize = 0;
/// Offset in the message buffer of the handles received (`[u32; 4]`, indexes in the receiver's table; 0: none).
pub const RECEIVED_HANDLES: usize = 16;
/// Offset in the message buffer of the bytes of a message, and of the vectors of vectored calls.
pub const BYTES: usize = 64;
/// Bytes that one message may carry beyond its words.
pub const MAX_BYTES: usize = 4096 - BYTES;
/// `u64` elements that the vector of one call may have.
pub const MAX_VECTOR: usize = MAX_BYTES / 8;

/// What a message is and how long: `label` in bits 0..32, bytes in the buffer in bits 32..48, handles in bits 48..52.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(transparent)]
pub struct Tag(pub u64);

impl Tag {
    /// A tag with these parts; the kernel refuses lengths beyond [`MAX_BYTES`] and [`MAX_HANDLES`].
    pub const fn new(label: u32, bytes: usize, handles: usize) -> Tag {
        Tag(label as u64 | ((bytes as u64 & 0xffff) << 32) | ((handles as u64 & 0xf) << 48))
    }
    /// What the message is; its meaning belongs to the protocol.
    pub const fn label(self) -> u32 {
        self.0 as u32
    }
    /// Bytes in the message buffer.
    pub const fn bytes(self) -> usize {
        (self.0 >> 32) as usize & 0xffff
    }
    /// Handles in the message buffer.
    pub const fn handles(self) -> usize {
        (self.0 >> 48) as usize & 0xf
    }
}

/// Labels from here on are the kernel's own; the kernel refuses them from user space.
pub const KERNEL_LABELS: u32 = 0xffff_0000;
/// A page fault, on the task's fault endpoint. Words: see [`crate::fault`]. Answer label 0: the thread resumes; any other: the fault becomes an exception.
pub const LABEL_FAULT: u32 = 0xffff_0001;
/// An exception, on the task's supervisor endpoint. Words: see [`crate::fault`]. Answer label 0: the thread resumes; any other: it stays stopped.
pub const LABEL_EXCEPTION: u32 = 0xffff_0002;

/// What a receive brought: the value in `rax` when it is no error.
pub const RECEIVED_MESSAGE: u64 = 0;
/// The bound notification had bits; they are in `rdi`. Above every [`crate::Error`] value.
pub const RECEIVED_BITS: u64 = 0x100;
