// SPDX-License-Identifier: BSD-2-Clause
//! Typed access to what lies in frames: kernel objects, page tables, message buffers, plain memory.
//!
//! A kernel object is the beginning of a donated frame, reached through the direct map. [`Ref`] is a plain pointer to it.
//! What makes it sound:
//!
//! - A frame becomes an object by [`Ref::create`], which writes the whole object, and only after its record was turned from
//!   `User` to the object's use by `frame::claim`: so nothing maps it, and no two objects share it.
//! - Objects consist of `Cell`s: any number of `Ref`s may exist, and the kernel runs on one processor at a time (`lock`).
//! - A `Ref` is only kept where the destruction of its object looks: `destroy` unlinks an object from every queue, list and
//!   binding before its frame is released. Whoever else names an object does so by frame number and generation
//!   (`handle`), and gets a `Ref` only after the generation was found unchanged.
//!
//! The direct map's window is as large as frame numbers are wide (2^32 frames, 16 TiB), and holds memory only: a frame number
//! that is not memory leads to a page fault in the kernel, that is to an epitaph, and to nothing else.

use crate::arch::x86_64::direct;
use core::ops::Deref;
use core::ptr::NonNull;

/// What may lie in a frame.
///
/// # Safety
/// At most 4096 bytes, aligned to at most 4096, all fields `Cell`s or immutable.
pub unsafe trait Object: 'static {}

/// An object in a frame.
#[repr(transparent)]
pub struct Ref<T>(NonNull<T>);

impl<T> Clone for Ref<T> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Ref<T> {}

impl<T> PartialEq for Ref<T> {
    #[inline(always)]
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<T> Deref for Ref<T> {
    type Target = T;
    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: see the module's text: a live object behind every `Ref` that is kept.
        unsafe { self.0.as_ref() }
    }
}

impl<T> Ref<T> {
    /// The object, for as long as the `Ref` may be kept: to the end of the trap, or until the object is destroyed in it.
    #[inline(always)]
    pub fn get(self) -> &'static T {
        // SAFETY: as in `deref`. Should the object be destroyed in the same trap, its frame is still memory, and cells may
        // hold anything; nobody writes another object there before the trap ends.
        unsafe { self.0.as_ref() }
    }
}

impl<T: Object> Ref<T> {
    /// Writes an object into a frame that has just been claimed for it.
    ///
    /// # Safety
    /// The frame's record says that it holds a `T` now, and nothing maps it or refers to it.
    pub unsafe fn create(frame: u32, object: T) -> Ref<T> {
        // SAFETY: claimed memory, aligned and large enough (`Object`).
        unsafe { direct::pointer(frame).cast::<T>().write(object) };
        // SAFETY: it is there now.
        unsafe { Ref::in_frame(frame) }
    }

    /// The object in a frame.
    ///
    /// # Safety
    /// The frame holds a live `T`: its record says so, or the frame number was taken from a structure of the kernel whose
    /// invariant it is.
    #[inline(always)]
    pub unsafe fn in_frame(frame: u32) -> Ref<T> {
        // SAFETY: the direct map does not begin at 0.
        Ref(unsafe { NonNull::new_unchecked(direct::pointer(frame).cast::<T>()) })
    }

    /// Number of the frame.
    #[inline(always)]
    pub fn frame(self) -> u32 {
        direct::frame_of(self.0.as_ptr() as u64)
    }

    /// Address of the object in the kernel.
    #[inline(always)]
    pub fn address(self) -> u64 {
        self.0.as_ptr() as u64
    }
}

/// Fills a frame with zeroes from a byte on.
///
/// # Safety
/// The frame is memory that holds no kernel object: user memory, or claimed and not yet in use.
#[inline(always)]
pub unsafe fn zero(frame: u32, from: usize) {
    let from = from.min(4096);
    // SAFETY: inside one frame, which nobody else uses as the caller promises; user mode does not run meanwhile.
    unsafe { direct::zero(frame, from) };
}

/// Copies a frame.
///
/// # Safety
/// As for [`zero`], for both.
pub unsafe fn copy(from: u32, to: u32) {
    if from != to {
        // SAFETY: two different frames, as the caller promises.
        unsafe { direct::copy(direct::pointer(from), direct::pointer(to), 4096) };
    }
}

/// Copies bytes between places inside frames.
///
/// # Safety
/// `from_offset + len` and `to_offset + len` are at most 4096, and both are user memory, memory that the kernel does not use, or message buffers.
pub unsafe fn copy_bytes(from: u32, from_offset: usize, to: u32, to_offset: usize, len: usize) {
    debug_assert!(from_offset + len <= 4096 && to_offset + len <= 4096);
    // SAFETY: inside the frames; where they are the same the ranges may overlap, else they do not.
    unsafe {
        let source = direct::pointer(from).add(from_offset);
        let target = direct::pointer(to).add(to_offset);
        let words = if from == to { 0 } else { len & !7 };
        direct::copy(source, target, words);
        core::ptr::copy(source.add(words), target.add(words), len - words);
    }
}
