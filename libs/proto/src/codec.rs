// SPDX-License-Identifier: BSD-2-Clause
//! Values to words and bytes, and back: one encoding (postcard), two transports.

use crate::Error;
use alloc::vec::Vec;
use ebb_abi::message::{MAX_BYTES, WORDS};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Bytes that fit the words of a message.
pub const WORD_BYTES: usize = WORDS * 8;

/// What can be encoded.
pub trait Encode: Serialize {}
impl<T: Serialize> Encode for T {}
/// What can be decoded.
pub trait Decode: DeserializeOwned {}
impl<T: DeserializeOwned> Decode for T {}

/// An encoded value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Encoded {
    /// It fits the words.
    Words([u64; WORDS]),
    /// It goes through the message buffer.
    Bytes(Vec<u8>),
}

/// Encodes a value. `TooLong`: it does not fit a message.
pub fn encode<T: Serialize>(value: &T) -> Result<Encoded, Error> {
    let mut small = [0u8; WORD_BYTES];
    if postcard::to_slice(value, &mut small).is_ok() {
        return Ok(Encoded::Words(words_of(&small)));
    }
    let bytes = postcard::to_allocvec(value).map_err(|_| Error::TooLong)?;
    if bytes.len() > MAX_BYTES { Err(Error::TooLong) } else { Ok(Encoded::Bytes(bytes)) }
}

/// Encodes a value that does not travel in a message, of any length. `NoMemory`.
pub fn to_bytes<T: Serialize>(value: &T) -> Result<Vec<u8>, Error> {
    postcard::to_allocvec(value).map_err(|_| Error::NoMemory)
}

/// Decodes a value that came in words.
pub fn decode_words<T: DeserializeOwned>(words: &[u64; WORDS]) -> Result<T, Error> {
    decode(&bytes_of(words))
}

/// Decodes a value; bytes after it are ignored.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    postcard::take_from_bytes(bytes).map(|(value, _)| value).map_err(|_| Error::Malformed)
}

/// The bytes of the words.
pub fn bytes_of(words: &[u64; WORDS]) -> [u8; WORD_BYTES] {
    let mut bytes = [0; WORD_BYTES];
    for (chunk, word) in bytes.chunks_exact_mut(8).zip(words) {
        chunk.copy_from_slice(&word.to_le_bytes());
    }
    bytes
}

fn words_of(bytes: &[u8; WORD_BYTES]) -> [u64; WORDS] {
    let mut words = [0; WORDS];
    for (word, chunk) in words.iter_mut().zip(bytes.chunks_exact(8)) {
        *word = u64::from_le_bytes(chunk.try_into().unwrap_or([0; 8]));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;

    #[test]
    fn small_values_travel_in_words() {
        let value = (7u64, String::from("swap0"), -3i32);
        let Ok(Encoded::Words(words)) = encode(&value) else { panic!("must fit") };
        assert_eq!(decode_words::<(u64, String, i32)>(&words), Ok(value));
    }

    #[test]
    fn larger_values_travel_in_bytes_and_too_large_ones_not_at_all() {
        let value: Vec<u64> = (0..300).collect();
        let Ok(Encoded::Bytes(bytes)) = encode(&value) else { panic!("must not fit") };
        assert_eq!(decode::<Vec<u64>>(&bytes), Ok(value));
        assert_eq!(encode(&alloc::vec![0u8; MAX_BYTES]), Err(Error::TooLong));
    }

    #[test]
    fn nonsense_is_malformed() {
        assert_eq!(decode::<String>(&[200, 1, 2]), Err(Error::Malformed));
        assert_eq!(decode::<bool>(&[7]), Err(Error::Malformed));
    }
}
