// SPDX-License-Identifier: BSD-2-Clause
//! The pool: chunks, entries, spans and the press together. What it does for the pager is in `front`.

use crate::chunk::{CHUNK_BYTES, Chunk, ENTRIES, Header, SPANS, WORDS};
use crate::compress::Press;
use crate::entry::{Contents, Entry, Packed, is_mark, mark};
use crate::index::{self, GOING, GONE, Index, REFUSED};
use crate::spans::{self, Spans};
use core::fmt::Arguments;
use core::sync::atomic::AtomicU64;
use ebb_proto::pager::FRONT;
use ebb_swap::Spot;

/// What happened since this instance started.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Pages kept.
    pub stored: u64,
    /// Pages brought in.
    pub loaded: u64,
    /// Pages that did not become small enough.
    pub poor: u64,
    /// Pages that there was no room for.
    pub full: u64,
    /// Copies written out.
    pub written_out: u64,
    /// Entries that the instance before has left for slots without a copy.
    pub dropped: u64,
    /// Entries that contradict others, or are damaged.
    pub problems: u64,
}

/// The pool.
pub struct Pool<'a> {
    pub(crate) index: Index<'a>,
    pub(crate) spans: Spans,
    pub(crate) press: Press,
    pub(crate) counters: Counters,
    pub(crate) most: u32,
    /// Chunks at the end of the list whose entries were not looked at yet.
    old: u32,
    /// The instance before has left nothing that was not looked at.
    adopted: bool,
    pub(crate) copies: u64,
    pub(crate) filled: u64,
    pub(crate) compressed: u64,
    pub(crate) refused: u64,
    pub(crate) retiring: bool,
    /// Copies that are to be written out because pages found no room.
    pub(crate) short: u32,
}

/// Bytes of heap for so many chunks.
pub fn heap_bytes(chunks: u32) -> u64 {
    index::heap_bytes(chunks) + chunks as u64 * SPANS as u64 * spans::BYTES
}

impl<'a> Pool<'a> {
    /// An empty pool that may grow to so many pages; `None`: no memory for what is known of them.
    pub fn new(pages: u64) -> Option<Pool<'a>> {
        let most = crate::chunk::count(pages);
        Some(Pool {
            index: Index::new(most)?,
            spans: Spans::new(most * SPANS)?,
            press: Press::default(),
            counters: Counters::default(),
            most,
            old: 0,
            adopted: false,
            copies: 0,
            filled: 0,
            compressed: 0,
            refused: 0,
            retiring: false,
            short: 0,
        })
    }

    /// The counters.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Chunks that it has.
    pub fn chunks(&self) -> u32 {
        self.index.chunks.len() as u32
    }

    /// Takes a chunk: a new one at once, an old one to be looked at by [`Pool::adopt_entries`]. Its place says its number, and they come in that order; one that is there already is not
    /// taken again. `false`: it cannot be used.
    pub(crate) fn add(&mut self, address: u64, cells: &'a [AtomicU64]) -> bool {
        let number = address.wrapping_sub(FRONT) / CHUNK_BYTES;
        if number < self.chunks() as u64 {
            return true;
        }
        if number != self.chunks() as u64 || number >= self.most as u64 {
            return false;
        }
        let Some(chunk) = Chunk::new(cells) else { return false };
        let fresh = match chunk.header() {
            Header::Blank => true,
            Header::Numbered(n) if n == number && !self.adopted => false,
            _ => return false,
        };
        self.index.chunks.push(chunk);
        self.spans.add(SPANS);
        if fresh && self.old == 0 {
            chunk.format(number as u32);
            let first = number as u32 * ENTRIES;
            (first..first + ENTRIES).rev().for_each(|n| self.index.add_free(n));
        } else {
            self.old += 1;
            if fresh {
                chunk.format(number as u32);
            }
        }
        true
    }

    /// Looks at the entries of the chunks that were not new.
    pub(crate) fn adopt_entries(&mut self, valid: &dyn Fn(Spot) -> bool, log: &mut dyn FnMut(Arguments<'_>)) {
        self.adopted = true;
        let first = (self.chunks() - core::mem::take(&mut self.old)) * ENTRIES;
        for number in (first..self.index.len()).rev() {
            let words = self.index.words(number);
            if words[0] == 0 {
                self.index.add_free(number);
                continue;
            }
            if is_mark(words[0]) {
                self.clear(number);
                continue;
            }
            let entry = Entry::unpack(words, number);
            let wrong = match entry {
                None => Some("it is damaged"),
                Some(e) if !valid(e.at) => {
                    self.counters.dropped += 1;
                    self.clear(number);
                    continue;
                }
                Some(e) if self.index.find(e.at).is_some() => Some("another claims its slot"),
                Some(Entry { contents: Contents::Packed(p), .. })
                    if !self.spans.take_this(p.span, p.object, p.bytes as usize) =>
                {
                    Some("its bytes are another's")
                }
                Some(_) => None,
            };
            match (wrong, entry) {
                (None, Some(entry)) => {
                    self.index.set(number, 3, 0);
                    self.index.insert(number, entry.at);
                    self.count(&entry.contents);
                }
                (wrong, _) => {
                    let what = wrong.unwrap_or_default();
                    log(format_args!(
                        "entry {number} of the pool is dropped: {what} ({:#x} {:#x})",
                        words[0], words[1]
                    ));
                    self.counters.problems += 1;
                    self.clear(number);
                }
            }
        }
    }

    /// An entry that is in no list becomes free.
    fn clear(&mut self, number: u32) {
        self.index.set(number, 0, 0);
        self.index.add_free(number);
    }

    fn count(&mut self, contents: &Contents) {
        self.copies += 1;
        match contents {
            Contents::Filled(_) => self.filled += 1,
            Contents::Packed(p) => self.compressed += p.bytes as u64,
        }
    }

    /// The copy of a slot.
    pub(crate) fn entry(&self, at: Spot) -> Option<(u32, Entry)> {
        let number = self.index.find(at).filter(|n| self.index.flags(*n) & GONE == 0)?;
        Some((number, Entry::unpack(self.index.words(number), number)?))
    }

    /// Writes an entry for a slot that has none. `false`: there is no entry left.
    pub(crate) fn enter(&mut self, at: Spot, contents: Contents) -> bool {
        let Some(number) = self.index.take_free() else { return false };
        let [first, second] = Entry { at, contents }.pack(number);
        self.index.set(number, 1, second);
        self.index.set(number, 0, first);
        self.index.set(number, 3, 0);
        self.index.insert(number, at);
        self.count(&contents);
        true
    }

    /// Room for compressed bytes, and the cells there.
    pub(crate) fn room_for(&mut self, bytes: usize) -> Option<(Packed, &'a [AtomicU64])> {
        let (span, object) = self.spans.take(bytes)?;
        let packed = Packed { span, object, bytes: bytes as u16, sum: 0 };
        Some((packed, self.cells(&packed)))
    }

    /// The cells of compressed bytes; none if there are none.
    pub(crate) fn cells(&self, p: &Packed) -> &'a [AtomicU64] {
        let words = (p.bytes as usize).div_ceil(8);
        let chunk = self.index.chunks.get((p.span / SPANS) as usize);
        match (chunk, self.spans.place(p.span, p.object)) {
            (Some(chunk), Some((first, most))) if words <= most => chunk.data(p.span % SPANS, first, words),
            _ => &[],
        }
    }

    /// What an entry holds goes; the entry stays if it is being written out, as a mark.
    pub(crate) fn drop_copy(&mut self, number: u32, entry: &Entry) {
        let flags = self.index.flags(number);
        if flags & REFUSED != 0 {
            self.refused -= 1;
        }
        self.copies -= 1;
        match entry.contents {
            Contents::Filled(_) => self.filled -= 1,
            Contents::Packed(p) => {
                self.compressed -= p.bytes as u64;
                self.spans.free(p.span, p.object);
            }
        }
        if flags & GOING != 0 {
            // It is no entry any more, but is found by its slot still.
            self.index.set(number, 0, mark(entry.at));
            self.index.set_flags(number, GOING | GONE);
            return;
        }
        self.remove(number, entry.at);
    }

    /// An entry goes.
    pub(crate) fn remove(&mut self, number: u32, at: Spot) {
        self.index.remove(number, at);
        self.clear(number);
    }

    /// Entries kept free, so that there is room while some are being written out.
    pub(crate) fn low_entries(&self) -> u32 {
        self.index.len() / 32
    }
}

const _: () = assert!(WORDS as u64 * 8 == CHUNK_BYTES);
