// SPDX-License-Identifier: BSD-2-Clause
//! The other end: a second program that answers and signals back.

use alloc::format;
use ebb_args::Failure;
use ebb_rt::StartInfo;
use ebb_rt::abi::{Handle, Tag};
use ebb_rt::client::{call, call_with, from_sys};
use ebb_rt::proto::proc::{RunLinked, Wait};
use ebb_rt::proto::vm::Space;
use ebb_rt::start::Given;
use ebb_rt::sys::buffer;
use ebb_rt::sys::ipc::{self, Message, Received};

/// The answer is the message.
const ECHO: u32 = 1;
/// The message carries the caller's notification, the answer the partner's: from then on bits are signalled back.
const EXCHANGE: u32 = 2;
/// The partner ends.
const STOP: u32 = 3;

fn failed(error: ebb_rt::abi::Error) -> Failure {
    Failure::of("partner", from_sys(error))
}

/// A partner that runs.
pub struct Partner {
    proc: Handle,
    space: Space,
    link: Handle,
}

impl Partner {
    /// Starts one.
    pub fn start(info: &StartInfo) -> Result<Partner, Failure> {
        let proc = info.handle("proc").map_err(|e| Failure::of("proc", e))?;
        let run = RunLinked { name: info.name.clone(), args: alloc::vec!["--echo".into()] };
        let (space, link) = call_with(proc, &run, &[]).map_err(|e| Failure::of("partner", e))?;
        Ok(Partner { proc, space, link })
    }

    /// One call and its answer, with these words.
    #[inline(always)]
    pub fn echo(&self, words: [u64; 6]) -> Result<[u64; 6], Failure> {
        let message = Message { tag: Tag::new(ECHO, 0, 0), words };
        ipc::call(self.link, &message).map(|answer| answer.words).map_err(failed)
    }

    /// Exchanges notifications: the partner's.
    pub fn exchange(&self, own: Handle) -> Result<Handle, Failure> {
        let handles = buffer::put_handles(&[own]);
        let message = Message { tag: Tag::new(EXCHANGE, 0, handles), words: [0; 6] };
        let answer = ipc::call(self.link, &message).map_err(failed)?;
        match answer.tag.handles() {
            0 => Err(Failure::Trouble("partner: it sent no notification".into())),
            _ => Ok(buffer::received_handle(0)),
        }
    }

    /// Ends it.
    pub fn stop(self) -> Result<(), Failure> {
        let message = Message { tag: Tag::new(STOP, 0, 0), words: [0; 6] };
        ipc::call(self.link, &message).map_err(failed)?;
        match call(self.proc, &Wait { pid: self.space }).map_err(|e| Failure::of("partner", e))? {
            0 => Ok(()),
            status => Err(Failure::Trouble(format!("partner: it ended with status {status}"))),
        }
    }
}

/// What the partner does.
pub fn echo(info: &StartInfo) -> Result<(), Failure> {
    let link = info.handle("link").map_err(|_| Failure::Usage("--echo is for bench itself".into()))?;
    let own = info.handle("notification").map_err(|e| Failure::of("notification", e))?;
    let mut back = Handle::NONE;
    let mut next = ipc::receive(link).map_err(failed)?;
    loop {
        next = match next {
            Received::Bits(bits) => {
                ipc::signal(back, bits).map_err(failed)?;
                ipc::receive(link).map_err(failed)?
            }
            Received::Message { reply, message, .. } => match message.tag.label() {
                EXCHANGE => {
                    back = if message.tag.handles() > 0 { buffer::received_handle(0) } else { Handle::NONE };
                    let handles = buffer::put_handles(&[own]);
                    let answer = Message { tag: Tag::new(0, 0, handles), words: [0; 6] };
                    ipc::reply_receive(reply, &answer, link).map_err(failed)?
                }
                STOP => {
                    ipc::reply(reply, &Message::default()).map_err(failed)?;
                    return Ok(());
                }
                _ => {
                    let answer = Message { tag: Tag::new(0, 0, 0), words: message.words };
                    ipc::reply_receive(reply, &answer, link).map_err(failed)?
                }
            },
        };
    }
}
