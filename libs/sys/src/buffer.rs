// SPDX-License-Identifier: BSD-2-Clause
//! The message buffer: bytes of messages, handles, and the vectors of vectored calls.
//!
//! Everything is reached through [`Cell`]s, because the kernel writes here during system calls. Each thread has a buffer of its own, which it finds from its stack pointer:
//! that costs a subtraction and two shifts, and neither memory nor a register that the kernel would have to keep.

use core::arch::asm;
use core::cell::Cell;
use ebb_abi::Handle;
use ebb_abi::layout::{MESSAGE_BUFFER, thread_of};
use ebb_abi::message::{BYTES, MAX_BYTES, MAX_HANDLES, MAX_VECTOR, RECEIVED_HANDLES, SEND_HANDLES};

/// Number of the calling thread: 0 is the task's first. Threads run on the stacks where [`ebb_abi::layout::stack_top`] says; who gives one another stack makes this wrong.
#[inline(always)]
pub fn thread() -> u64 {
    let stack: u64;
    // SAFETY: reads a register. A function never goes on in another thread, so that asking once is enough.
    unsafe { asm!("mov {}, rsp", out(reg) stack, options(pure, nomem, nostack, preserves_flags)) };
    thread_of(stack)
}

/// Address of the calling thread's buffer.
#[inline(always)]
fn own() -> usize {
    MESSAGE_BUFFER as usize + ((thread() as usize) << 12)
}

/// The vector: elements of vectored calls. It shares its memory with the bytes.
#[inline(always)]
pub fn vector() -> &'static [Cell<u64>; MAX_VECTOR] {
    // SAFETY: the kernel maps the buffer at this address for as long as the thread lives, page aligned, readable and
    // writable; only this thread reaches it, and only through cells, so shared references to it may coexist.
    unsafe { &*((own() + BYTES) as *const [Cell<u64>; MAX_VECTOR]) }
}

fn cells() -> &'static [Cell<u8>; MAX_BYTES] {
    // SAFETY: as in `vector`; any alignment will do for bytes.
    unsafe { &*((own() + BYTES) as *const [Cell<u8>; MAX_BYTES]) }
}

fn handle_cells(offset: usize) -> &'static [Cell<u32>; MAX_HANDLES] {
    // SAFETY: as in `vector`; both offsets are multiples of 4 inside the buffer.
    unsafe { &*((own() + offset) as *const [Cell<u32>; MAX_HANDLES]) }
}

/// Copies bytes to the start of the buffer. What does not fit is left out: callers check lengths.
pub fn put(bytes: &[u8]) {
    put_at(0, bytes);
}

/// Copies bytes into the buffer from an offset on. What does not fit is left out.
pub fn put_at(offset: usize, bytes: &[u8]) {
    for (cell, byte) in cells().iter().skip(offset).zip(bytes) {
        cell.set(*byte);
    }
}

/// Copies from the start of the buffer; at most `MAX_BYTES`.
pub fn get(bytes: &mut [u8]) {
    for (cell, byte) in cells().iter().zip(bytes) {
        *byte = cell.get();
    }
}

/// Sets the handles that the next message carries, and returns how many.
pub fn put_handles(handles: &[Handle]) -> usize {
    for (cell, handle) in handle_cells(SEND_HANDLES).iter().zip(handles) {
        cell.set(handle.0);
    }
    handles.len().min(MAX_HANDLES)
}

/// The handle received as number `index` of the last message.
pub fn received_handle(index: usize) -> Handle {
    handle_cells(RECEIVED_HANDLES).get(index).map_or(Handle::NONE, |cell| Handle(cell.get()))
}
