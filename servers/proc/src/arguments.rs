// SPDX-License-Identifier: BSD-2-Clause
//! Arguments that do not fit one message: kept, as they came, until their program is launched.

use alloc::string::String;
use alloc::vec::Vec;
use ebb_proto::Error;
use ebb_proto::proc::{MAX_START, MoreArguments, START_EACH};
use ebb_proto::vm::Space;

/// Bytes kept for all programs together.
const ALL: usize = 2 * MAX_START;
/// What keeping a message costs beside its bytes.
const MESSAGE: usize = 64;

/// What programs have announced.
#[derive(Default)]
pub struct Arguments {
    pending: Vec<Pending>,
}

struct Pending {
    parent: Space,
    messages: Vec<Vec<u8>>,
    /// What they count for.
    size: usize,
}

/// What strings count for in start information.
pub fn size<'a>(strings: impl IntoIterator<Item = &'a String>) -> usize {
    strings.into_iter().map(|s| s.len() + START_EACH).sum()
}

impl Arguments {
    /// Keeps a message of `parent`, which was decoded to `args` to check it. `TooLong`, `NoMemory`: all of `parent`'s are forgotten.
    pub fn add(&mut self, parent: Space, args: &[String], message: Vec<u8>) -> Result<(), Error> {
        let all: usize = self.pending.iter().map(|p| p.size).sum();
        let at = self.pending.iter().position(|p| p.parent == parent);
        let before = at.and_then(|at| self.pending.get(at)).map_or(0, |p| p.size);
        let now = size(args).max(message.len()) + MESSAGE;
        let error = match (before + now > MAX_START, all + now > ALL) {
            (true, _) => Error::TooLong,
            (false, true) => Error::NoMemory,
            (false, false) => {
                match at.and_then(|at| self.pending.get_mut(at)) {
                    Some(pending) => {
                        pending.messages.push(message);
                        pending.size += now;
                    }
                    None => self.pending.push(Pending { parent, messages: Vec::from([message]), size: now }),
                }
                return Ok(());
            }
        };
        self.forget(parent);
        Err(error)
    }

    /// What `parent` has announced; it is forgotten here.
    pub fn take(&mut self, parent: Space) -> Result<Vec<String>, Error> {
        let Some(at) = self.pending.iter().position(|p| p.parent == parent) else { return Ok(Vec::new()) };
        let mut args = Vec::new();
        for message in self.pending.swap_remove(at).messages {
            args.append(&mut ebb_proto::codec::decode::<MoreArguments>(&message)?.args);
        }
        Ok(args)
    }

    /// Forgets what `parent` has announced.
    pub fn forget(&mut self, parent: Space) {
        self.pending.retain(|p| p.parent != parent);
    }
}
