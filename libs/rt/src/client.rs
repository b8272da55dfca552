// SPDX-License-Identifier: BSD-2-Clause
//! Calling a server.

use alloc::vec;
use alloc::vec::Vec;
use ebb_abi::message::MAX_BYTES;
use ebb_abi::{Handle, Tag};
use ebb_proto::codec::{self, Encoded};
use ebb_proto::{Error, LABEL_ERROR, LABEL_OK, Operation};
use ebb_sys::buffer;
use ebb_sys::ipc::{self, Message};

/// What the system's own errors mean to a client.
pub fn from_sys(error: ebb_abi::Error) -> Error {
    use ebb_abi::Error as E;
    match error {
        E::Dead => Error::Dead,
        E::BadHandle => Error::NotFound,
        E::NoRight => Error::NotPermitted,
        E::NoSlot | E::NoTables | E::Full => Error::NoMemory,
        E::BadAddress | E::NotMapped => Error::Fault,
        E::Exists => Error::Exists,
        E::WouldBlock => Error::Busy,
        E::BadArgument | E::BadFrame | E::NoSyscall => Error::Invalid,
    }
}

/// Calls a server and waits for the answer.
pub fn call<O: Operation>(endpoint: Handle, operation: &O) -> Result<O::Reply, Error> {
    call_with(endpoint, operation, &[]).map(|(reply, _)| reply)
}

/// As [`call`], with handles in the message; also returns the first handle of the answer (`Handle::NONE` if it has none).
pub fn call_with<O: Operation>(
    endpoint: Handle,
    operation: &O,
    handles: &[Handle],
) -> Result<(O::Reply, Handle), Error> {
    let message = pack(O::LABEL, operation, handles)?;
    let answer = ipc::call(endpoint, &message).map_err(from_sys)?;
    match answer.tag.label() {
        LABEL_OK => {
            let handle = if answer.tag.handles() > 0 { buffer::received_handle(0) } else { Handle::NONE };
            Ok((unpack(&answer)?, handle))
        }
        LABEL_ERROR => Err(Error::from_code(answer.words[0])),
        _ => Err(Error::Malformed),
    }
}

/// A message with a value: in the words, or in the message buffer.
pub(crate) fn pack<T: codec::Encode>(label: u32, value: &T, handles: &[Handle]) -> Result<Message, Error> {
    let handles = buffer::put_handles(handles);
    Ok(match codec::encode(value)? {
        Encoded::Words(words) => Message { tag: Tag::new(label, 0, handles), words },
        Encoded::Bytes(bytes) => {
            buffer::put(&bytes);
            Message { tag: Tag::new(label, bytes.len(), handles), words: [0; 6] }
        }
    })
}

/// The value of a message.
pub(crate) fn unpack<T: codec::Decode>(message: &Message) -> Result<T, Error> {
    match message.tag.bytes() {
        0 => codec::decode_words(&message.words),
        len => {
            let mut bytes = vec![0; len.min(MAX_BYTES)];
            buffer::get(&mut bytes);
            codec::decode(&bytes)
        }
    }
}

/// All of a list that a server answers in pieces, each from a number on, ascending. A server that does not go on ends it.
pub fn in_pieces<T, E>(
    mut piece: impl FnMut(u32) -> Result<Vec<T>, E>,
    number: impl Fn(&T) -> u32,
) -> Result<Vec<T>, E> {
    let mut all: Vec<T> = Vec::new();
    loop {
        let from = all.last().map_or(0, |last| number(last).saturating_add(1));
        let some = piece(from)?;
        if some.is_empty() || some.iter().any(|one| number(one) < from) {
            return Ok(all);
        }
        all.extend(some);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn pieces_are_asked_for_until_there_is_none_or_one_goes_back() {
        let three = |from: u32| Ok::<_, Error>((from..10).take(3).collect());
        assert_eq!(in_pieces(three, |n| *n), Ok((0..10).collect()));
        let stuck = |_| Ok::<_, Error>(vec![4, 7]);
        assert_eq!(in_pieces(stuck, |n| *n), Ok(vec![4, 7]));
        let last = |from| Ok::<_, Error>(if from < u32::MAX { vec![u32::MAX - 1] } else { vec![] });
        assert_eq!(in_pieces(last, |n| *n), Ok(vec![u32::MAX - 1]));
        assert_eq!(in_pieces(|_| Err::<Vec<u32>, _>(Error::Dead), |n| *n), Err(Error::Dead));
    }
}
