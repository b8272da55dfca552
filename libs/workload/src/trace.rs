// SPDX-License-Identifier: BSD-2-Clause
//! Recorded reference strings: little-endian `u32` page numbers, 0, 1, 2, … in the order of first touch; and beside them a bitmap with one bit a
//! reference, lowest bit of a byte first, set where the program wrote.

use crate::work::CHUNK_PAGES;
use alloc::vec::Vec;

/// Most pages that a string may name: 64 GiB of memory.
pub const MAX_PAGES: u64 = 1 << 24;

/// A stream of bytes read piece by piece.
pub struct Bytes<F> {
    fetch: F,
    buffer: Vec<u8>,
    at: usize,
}

impl<E, F: FnMut() -> Result<Option<Vec<u8>>, E>> Bytes<F> {
    /// `fetch` brings the next piece, or nothing at the end.
    pub fn new(fetch: F) -> Self {
        Bytes { fetch, buffer: Vec::new(), at: 0 }
    }

    /// The next byte.
    #[inline]
    pub fn next_byte(&mut self) -> Result<Option<u8>, E> {
        while self.at == self.buffer.len() {
            match (self.fetch)()? {
                Some(piece) => (self.buffer, self.at) = (piece, 0),
                None => return Ok(None),
            }
        }
        self.at += 1;
        Ok(Some(self.buffer[self.at - 1]))
    }

    /// The next number; an incomplete one at the end is `None`.
    #[inline]
    pub fn next_u32(&mut self) -> Result<Option<u32>, E> {
        if let Some(word) = self.buffer.get(self.at..self.at + 4) {
            let word = u32::from_le_bytes([word[0], word[1], word[2], word[3]]);
            self.at += 4;
            return Ok(Some(word));
        }
        let mut word = [0; 4];
        for byte in &mut word {
            match self.next_byte()? {
                Some(b) => *byte = b,
                None => return Ok(None),
            }
        }
        Ok(Some(u32::from_le_bytes(word)))
    }
}

/// A reference that does not belong into a reference string.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OutOfOrder {
    /// Its number.
    pub reference: u64,
    /// The page that it names.
    pub page: u32,
    /// Pages named before it.
    pub seen: u64,
}

/// Follows a reference string.
#[derive(Clone, Debug, Default)]
pub struct Follower {
    references: u64,
    seen: u64,
}

/// What a reference is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reference {
    /// The first one to its page.
    First(u64),
    /// A later one.
    Again(u64),
}

impl Follower {
    /// Takes the next reference.
    #[inline]
    pub fn take(&mut self, page: u32) -> Result<Reference, OutOfOrder> {
        let number = page as u64;
        if number > self.seen || number >= MAX_PAGES {
            return Err(OutOfOrder { reference: self.references, page, seen: self.seen });
        }
        self.references += 1;
        if number == self.seen {
            self.seen += 1;
            return Ok(Reference::First(number));
        }
        Ok(Reference::Again(number))
    }

    /// References taken.
    pub fn references(&self) -> u64 {
        self.references
    }

    /// Different pages among them.
    pub fn pages(&self) -> u64 {
        self.seen
    }

    /// Chunks of memory that the next reference may need.
    pub fn chunks(&self) -> u64 {
        self.seen / CHUNK_PAGES + 1
    }
}

/// Bits of a byte stream, lowest first.
pub struct Bits<F> {
    bytes: Bytes<F>,
    byte: u8,
    left: u32,
}

impl<E, F: FnMut() -> Result<Option<Vec<u8>>, E>> Bits<F> {
    /// Bits of a stream.
    pub fn new(fetch: F) -> Self {
        Bits { bytes: Bytes::new(fetch), byte: 0, left: 0 }
    }

    /// The next bit.
    #[inline]
    pub fn next_bit(&mut self) -> Result<Option<bool>, E> {
        if self.left == 0 {
            match self.bytes.next_byte()? {
                Some(byte) => (self.byte, self.left) = (byte, 8),
                None => return Ok(None),
            }
        }
        let bit = self.byte & 1 != 0;
        self.byte >>= 1;
        self.left -= 1;
        Ok(Some(bit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn pieces(pieces: Vec<Vec<u8>>) -> impl FnMut() -> Result<Option<Vec<u8>>, ()> {
        let mut pieces = pieces.into_iter();
        move || Ok(pieces.next())
    }

    #[test]
    fn numbers_cross_pieces() {
        let mut bytes =
            Bytes::new(pieces(vec![vec![1, 0, 0], vec![], vec![0, 2, 0, 0, 0, 3], vec![0, 0, 1, 9]]));
        assert_eq!(bytes.next_u32(), Ok(Some(1)));
        assert_eq!(bytes.next_u32(), Ok(Some(2)));
        assert_eq!(bytes.next_u32(), Ok(Some(0x0100_0003)));
        assert_eq!(bytes.next_u32(), Ok(None), "an incomplete number is none");
        let mut failing = Bytes::new(|| Err::<Option<Vec<u8>>, _>(5));
        assert_eq!(failing.next_u32(), Err(5));
    }

    #[test]
    fn first_touches_come_in_order() {
        let mut f = Follower::default();
        assert_eq!(f.take(0), Ok(Reference::First(0)));
        assert_eq!(f.take(0), Ok(Reference::Again(0)));
        assert_eq!(f.take(1), Ok(Reference::First(1)));
        assert_eq!(f.take(3), Err(OutOfOrder { reference: 3, page: 3, seen: 2 }));
        assert_eq!((f.references(), f.pages(), f.chunks()), (3, 2, 1));
    }

    #[test]
    fn a_chunk_is_asked_for_before_its_first_page() {
        let mut f = Follower::default();
        for page in 0..CHUNK_PAGES as u32 {
            assert_eq!(f.chunks(), 1);
            f.take(page).unwrap();
        }
        assert_eq!(f.chunks(), 2);
    }

    #[test]
    fn bits_come_lowest_first() {
        let mut bits = Bits::new(pieces(vec![vec![0b0000_0101], vec![0x80]]));
        let got: Vec<bool> = core::iter::from_fn(|| bits.next_bit().unwrap()).collect();
        let set: Vec<usize> = (0..got.len()).filter(|i| got[*i]).collect();
        assert_eq!((got.len(), set), (16, vec![0, 2, 15]));
    }
}
