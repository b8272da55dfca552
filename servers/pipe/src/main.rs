// SPDX-License-Identifier: BSD-2-Clause
//! The pipe server: [`ebb_pipe`] as a process. It calls nobody; a read or write that has to wait is answered later.
#![no_std]
#![no_main]
#![deny(unsafe_code)]

extern crate alloc;

use ebb_pipe::{Answer, Pipes};
use ebb_proto::Error;
use ebb_proto::pipe::{Close, Gone, Inherit, New, Read, Request, Share, Wanted, Write};
use ebb_proto::vm::{INIT, Space};
use ebb_rt::abi::Handle;
use ebb_rt::client::from_sys;
use ebb_rt::server::{self, Call};
use ebb_rt::start::Given;
use ebb_rt::{StartInfo, log};
use ebb_sys::ipc::{Message, Received};
use ebb_sys::object;

ebb_rt::entry!(main);

fn main(info: &'static StartInfo) -> ! {
    let Err(error) = info.handle("endpoint").and_then(serve);
    log!("cannot go on: {error}");
    ebb_rt::start::abort()
}

/// Serves until something fails that nothing can be done about.
fn serve(endpoint: Handle) -> Result<core::convert::Infallible, Error> {
    let mut pipes = Pipes::default();
    loop {
        // Nobody has its notification, so that bits never come.
        if let Received::Message { badge, reply, message } = server::receive(endpoint)? {
            request(&mut pipes, badge as Space, Call::new(reply), &message)?;
            for (call, answer) in pipes.take_done() {
                match answer {
                    Answer::Got(result) => call.answer::<Read>(result),
                    Answer::Wrote(result) => call.answer::<Write>(result),
                }
            }
        }
    }
}

fn request(pipes: &mut Pipes<Call>, from: Space, call: Call, message: &Message) -> Result<(), Error> {
    // No operation takes a handle; one that came all the same is not kept.
    let handles: alloc::vec::Vec<Handle> = server::handles(message).collect();
    let request = Request::decode(message.tag.label(), &server::bytes(message));
    for handle in handles.into_iter().filter(|h| *h != Handle::NONE) {
        object::handle_close(handle).map_err(from_sys)?;
    }
    let init = if from == INIT { Ok(()) } else { Err(Error::NotPermitted) };
    match request {
        Ok(Request::New(_)) => call.answer::<New>(pipes.create(from)),
        Ok(Request::Read(op)) => pipes.read(from, op.pipe, op.most, call),
        Ok(Request::Write(op)) => pipes.write(from, op.pipe, &op.bytes, call),
        Ok(Request::Close(op)) => call.answer::<Close>(pipes.close(from, op.pipe, op.end)),
        Ok(Request::Share(op)) => {
            call.answer::<Share>(init.and_then(|()| pipes.share(op.pipe, op.end, op.from, op.to)));
        }
        Ok(Request::Inherit(op)) => {
            call.answer::<Inherit>(init.and_then(|()| pipes.inherit(op.from, op.to)));
        }
        Ok(Request::Wanted(op)) => call.answer::<Wanted>(pipes.wanted(from, op.pipe)),
        Ok(Request::Gone(op)) => call.answer::<Gone>(init.map(|()| pipes.gone(op.space))),
        Err(_) => call.fail(Error::Malformed),
    }
    Ok(())
}
