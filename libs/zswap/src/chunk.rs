// SPDX-License-Identifier: BSD-2-Clause
//! A chunk: durable memory of [`CHUNK_PAGES`] pages. The first four hold a header and the entries, the rest is spans.

use core::sync::atomic::{AtomicU64, Ordering};
use ebb_proto::pager::CHUNK_PAGES;

/// Words of a page.
const PAGE_WORDS: usize = 512;
/// Bytes of a chunk.
pub const CHUNK_BYTES: u64 = CHUNK_PAGES * 4096;
/// Words of a chunk.
pub const WORDS: usize = CHUNK_PAGES as usize * PAGE_WORDS;
/// Words of a span.
pub const SPAN_WORDS: usize = 4 * PAGE_WORDS;
/// Bytes of a span.
pub const SPAN_BYTES: usize = 8 * SPAN_WORDS;
/// Spans of a chunk.
pub const SPANS: u32 = (WORDS / SPAN_WORDS - 1) as u32;
/// Words of the header; only two are used.
const HEADER: usize = 16;
/// Words of an entry.
const ENTRY: usize = 4;
/// Entries of a chunk.
pub const ENTRIES: u32 = ((SPAN_WORDS - HEADER) / ENTRY) as u32;
/// "EbbZswap" less its last letter, and the format's version.
const MAGIC: u64 = 0x4562_625a_7377_6101;

/// Chunks for so many pages.
pub const fn count(pages: u64) -> u32 {
    (pages / CHUNK_PAGES) as u32
}

/// What a chunk's header says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Header {
    /// Nothing: it is new.
    Blank,
    /// It is the one with this number.
    Numbered(u64),
    /// It was damaged.
    Damaged,
}

/// The chunk.
#[derive(Clone, Copy, Debug)]
pub struct Chunk<'a> {
    cells: &'a [AtomicU64],
}

impl<'a> Chunk<'a> {
    /// Over a segment; `None`: it is too small.
    pub fn new(cells: &'a [AtomicU64]) -> Option<Chunk<'a>> {
        Some(Chunk { cells: cells.get(..WORDS)? })
    }

    /// Its header.
    pub fn header(&self) -> Header {
        match (self.load(0), self.load(1)) {
            (0, _) => Header::Blank,
            (MAGIC, number) => Header::Numbered(number),
            _ => Header::Damaged,
        }
    }

    /// Makes it the chunk with this number. A new one is zeroed, so it has no entry.
    pub fn format(&self, number: u32) {
        self.store(1, number as u64);
        self.store(0, MAGIC);
    }

    /// A word of an entry.
    pub fn entry(&self, entry: u32, word: usize) -> u64 {
        self.load(HEADER + entry as usize * ENTRY + word)
    }

    /// Writes a word of an entry.
    pub fn set_entry(&self, entry: u32, word: usize, value: u64) {
        self.store(HEADER + entry as usize * ENTRY + word, value);
    }

    /// Words of a span from one on.
    pub fn data(&self, span: u32, first: usize, words: usize) -> &'a [AtomicU64] {
        let from = (1 + span as usize) * SPAN_WORDS + first;
        self.cells.get(from..from + words).unwrap_or(&[])
    }

    fn load(&self, at: usize) -> u64 {
        self.cells.get(at).map_or(0, |c| c.load(Ordering::Acquire))
    }

    fn store(&self, at: usize, value: u64) {
        if let Some(cell) = self.cells.get(at) {
            store(cell, value);
        }
    }
}

/// Writes a durable word.
pub fn store(cell: &AtomicU64, value: u64) {
    #[cfg(any(test, feature = "fuse"))]
    if !ebb_swap::fuse::effect() {
        return;
    }
    cell.store(value, Ordering::Release);
}
