// SPDX-License-Identifier: BSD-2-Clause
//! Those that do not get as far as deciding.

use core::sync::atomic::Ordering;
use ebb_abi::{Handle, Rights};
use ebb_proto::Error;
use ebb_proto::vm::{Attachment, PolicyAttach, PolicyReady};
use ebb_rt::client::{call, call_with, from_sys};
use ebb_rt::start::Given;
use ebb_rt::{StartInfo, log, server, shared};

/// Sleeps.
pub fn for_ever() -> ! {
    loop {
        ebb_sys::yield_now();
    }
}

/// Attaches itself, and says nothing more.
pub fn never_ready(info: &StartInfo) -> ! {
    said(attach(info).map(|_| ()));
    sleep(info)
}

/// Is ready, and claims to have taken more events than there were.
pub fn breaks_ring(info: &StartInfo) -> ! {
    said(attach(info).and_then(|a| {
        let words = shared::segment(a.ring, a.ring_pages).ok_or(Error::Invalid)?;
        call(info.handle("vm")?, &PolicyReady { generation: a.generation })?;
        words.iter().take(64).for_each(|word| word.store(u64::MAX / 2, Ordering::Relaxed));
        Ok(())
    }));
    sleep(info)
}

fn attach(info: &StartInfo) -> Result<Attachment, Error> {
    let notification = info.handle("notification")?;
    let rights = Rights::SEND | Rights::GRANT;
    let signal = ebb_sys::object::handle_copy(Handle::NONE, notification, rights, 0).map_err(from_sys)?;
    Ok(call_with(info.handle("vm")?, &PolicyAttach {}, &[signal])?.0)
}

fn said(result: Result<(), Error>) {
    if let Err(error) = result {
        log!("saboteur: {error}");
    }
}

/// Takes messages, and answers none.
fn sleep(info: &StartInfo) -> ! {
    if let Ok(endpoint) = info.handle("endpoint") {
        while server::receive(endpoint).is_ok() {}
    }
    for_ever()
}
