// SPDX-License-Identifier: BSD-2-Clause
//! Serving: what a receive brought, decoded, and the answer.
//!
//! A [`Call`] can be kept and answered later, in any order. One that is dropped without an answer answers `Dead` by
//! itself, so no client hangs because a server forgot it.

use crate::client::{from_sys, pack};
use alloc::vec;
use alloc::vec::Vec;
use ebb_abi::message::MAX_BYTES;
use ebb_abi::{Handle, Tag};
use ebb_proto::{Error, LABEL_ERROR, LABEL_OK, Operation, codec};
use ebb_sys::ipc::{self, Message};
use ebb_sys::{buffer, object};

/// The right to answer one call.
#[derive(Debug)]
pub struct Call {
    reply: Handle,
}

impl Call {
    /// Takes over the right that a receive brought.
    pub fn new(reply: Handle) -> Call {
        Call { reply }
    }

    /// Takes the right out, for an answer by other means.
    pub fn into_handle(mut self) -> Handle {
        core::mem::replace(&mut self.reply, Handle::NONE)
    }

    /// Answers with the operation's reply, or its error.
    pub fn answer<O: Operation>(self, result: Result<O::Reply, Error>) {
        self.answer_with::<O>(result, &[]);
    }

    /// As [`Call::answer`], with handles.
    pub fn answer_with<O: Operation>(self, result: Result<O::Reply, Error>, handles: &[Handle]) {
        self.send(&answer::<O>(result, handles));
    }

    /// Answers with an error.
    pub fn fail(self, error: Error) {
        self.send(&failure(error));
    }

    /// Answers with a message as it is.
    pub fn send(self, message: &Message) {
        // The only failure is that the right is gone: the caller died, and there is nobody to tell.
        let _ = ipc::reply(self.into_handle(), message);
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if self.reply != Handle::NONE {
            // As above: if it is gone, nobody waits.
            let _ = object::handle_close(self.reply);
        }
    }
}

/// The message that says an operation's reply, or its error. What does not fit the words is in the message buffer already: such a message is to be sent at once.
pub fn answer<O: Operation>(result: Result<O::Reply, Error>, handles: &[Handle]) -> Message {
    match result {
        Ok(reply) => pack(LABEL_OK, &reply, handles).unwrap_or_else(failure),
        Err(error) => failure(error),
    }
}

fn failure(error: Error) -> Message {
    let mut message = Message { tag: Tag::new(LABEL_ERROR, 0, 0), ..Default::default() };
    message.words[0] = error as u64;
    message
}

/// The bytes of a message: its words or what is in the buffer.
pub fn bytes(message: &Message) -> Vec<u8> {
    match message.tag.bytes() {
        0 => codec::bytes_of(&message.words).to_vec(),
        len => {
            let mut bytes = vec![0; len.min(MAX_BYTES)];
            buffer::get(&mut bytes);
            bytes
        }
    }
}

/// The handles that came with a message.
pub fn handles(message: &Message) -> impl Iterator<Item = Handle> {
    (0..message.tag.handles()).map(buffer::received_handle)
}

/// Receives; an error of the system is one that a server can do nothing about but say so.
pub fn receive(endpoint: Handle) -> Result<ipc::Received, Error> {
    ipc::receive(endpoint).map_err(from_sys)
}
