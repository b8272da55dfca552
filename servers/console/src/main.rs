// SPDX-License-Identifier: BSD-2-Clause
//! The console server: the terminal on the first serial port.
//!
//! Output is sent as fast as the transmitter takes it; a write that has to wait for it is answered when its last byte is out, and
//! meanwhile the server goes on serving. Nobody's bytes come between the pieces of one long write. Input is kept (4 KiB) until somebody reads it.
#![no_std]
#![no_main]
#![deny(unsafe_code)]

extern crate alloc;

mod uart;

use ebb_proto::Error;
use ebb_proto::console::{Cancel, INPUT_BIT, MAX_IO, Notify, Poll, Read, Request, Size, Write};
use ebb_rt::abi::Handle;
use ebb_rt::client::from_sys;
use ebb_rt::server::{self, Call};
use ebb_rt::start::Given;
use ebb_rt::{StartInfo, clock, log};
use ebb_sys::ipc::{Message, Received};
use ebb_sys::time::tsc;
use ebb_sys::{device, ipc, object};
use ebb_term::{Input, Writers};
use uart::{Sent, Uart};

ebb_rt::entry!(main);

/// I/O APIC input of the first serial port.
const COM1_SOURCE: u64 = 4;
/// Bit of the own notification for its interrupts.
const INTERRUPT: u32 = 1;
/// Bit of the own notification: those who write have waited long enough for one that has not gone on.
const HELD_BIT: u64 = 1 << 2;
/// Bytes of input kept.
const INPUT: usize = 4096;
/// Writes that may wait for the transmitter; a further one makes the server wait with it. Bounds the heap.
const WRITES: usize = 16;

fn main(info: &'static StartInfo) -> ! {
    match Console::new(info) {
        Ok(mut console) => {
            let error = console.serve();
            log!("cannot go on: {error}");
        }
        Err(error) => log!("cannot start: {error}"),
    }
    ebb_rt::start::abort()
}

struct Console {
    endpoint: Handle,
    notification: Handle,
    irq: Handle,
    interrupt: device::Interrupt,
    uart: Uart,
    input: Input,
    /// Who waits for input, with its badge.
    reader: Option<(u64, Call)>,
    /// Whom input is told to.
    notify: Handle,
    writes: Writers<Call>,
    size: (u16, u16),
}

impl Console {
    fn new(info: &StartInfo) -> Result<Console, Error> {
        let notification = info.handle("notification")?;
        let irq = info.handle("irq")?;
        let uart = Uart::new(info.handle("io")?)?;
        let interrupt = device::irq_bind(irq, COM1_SOURCE, notification, INTERRUPT).map_err(from_sys)?;
        // Whoever shows the terminal may have less or more room than usual: `cols=N rows=N` on the command line.
        let size = |name: &str, default| {
            let mut words = info.cmdline.split_whitespace();
            let given = words.find_map(|word| word.strip_prefix(name)?.strip_prefix('=')?.parse().ok());
            given.filter(|n| (1..=1000).contains(n)).unwrap_or(default)
        };
        Ok(Console {
            endpoint: info.handle("endpoint")?,
            notification,
            irq,
            interrupt,
            uart,
            input: Input::new(INPUT),
            reader: None,
            notify: Handle::NONE,
            writes: Writers::new(WRITES),
            size: (size("cols", 80), size("rows", 24)),
        })
    }

    /// Serves until something fails that nothing can be done about.
    fn serve(&mut self) -> Error {
        loop {
            let result = match server::receive(self.endpoint) {
                Ok(Received::Bits(HELD_BIT)) => self.transmit(),
                Ok(Received::Bits(_)) => self.interrupted(),
                Ok(Received::Message { badge, reply, message }) => {
                    self.request(badge, Call::new(reply), &message)
                }
                Err(error) => Err(error),
            };
            if let Err(error) = result {
                return error;
            }
        }
    }

    fn interrupted(&mut self) -> Result<(), Error> {
        self.uart.acknowledge()?;
        let mut arrived = self.drain()?;
        self.transmit()?;
        device::irq_ack(self.irq, &self.interrupt).map_err(from_sys)?;
        // The line is edge triggered: what came before it was acknowledged would wait for the next byte.
        arrived |= self.drain()?;
        if arrived {
            self.deliver();
        }
        Ok(())
    }

    fn drain(&mut self) -> Result<bool, Error> {
        let mut any = false;
        while let Some(byte) = self.uart.receive()? {
            if !self.input.put(byte) && self.input.dropped().is_power_of_two() {
                log!("{} bytes of input dropped: nobody reads", self.input.dropped());
            }
            any = true;
        }
        Ok(any)
    }

    /// Gives input to who waits for it, or tells who wants to be told.
    fn deliver(&mut self) {
        if let Some((_, call)) = self.reader.take() {
            call.answer::<Read>(Ok(self.input.take(MAX_IO)));
        } else if self.notify != Handle::NONE && ipc::signal(self.notify, INPUT_BIT).is_err() {
            // Its owner is gone.
            self.forget_notify();
        }
    }

    fn forget_notify(&mut self) {
        let old = core::mem::replace(&mut self.notify, Handle::NONE);
        if old != Handle::NONE
            && let Err(error) = object::handle_close(old)
        {
            log!("closing a notification: {error:?}");
        }
    }

    /// Sends what waits, as far as the transmitter takes it.
    fn transmit(&mut self) -> Result<(), Error> {
        let mut busy = false;
        while let Some(output) = self.writes.turn(clock::now_us()) {
            busy = self.uart.send(output)? == Sent::Some;
            if busy {
                break;
            }
            if let Some(call) = self.writes.sent(clock::now_us()) {
                call.answer::<Write>(Ok(()));
            }
        }
        if let Some(until) = self.writes.held_until() {
            let deadline = tsc() + clock::cycles_of(until.saturating_sub(clock::now_us()));
            ipc::timer(self.notification, HELD_BIT, deadline).map_err(from_sys)?;
        }
        self.uart.want_transmit_interrupt(busy)
    }

    fn request(&mut self, badge: u64, call: Call, message: &Message) -> Result<(), Error> {
        // Handles before bytes: both are in the one buffer, and every call that is made overwrites it.
        let mut handles = [Handle::NONE; ebb_rt::abi::message::MAX_HANDLES];
        for (slot, handle) in handles.iter_mut().zip(server::handles(message)) {
            *slot = handle;
        }
        let request = Request::decode(message.tag.label(), &server::bytes(message));
        if let Ok(Request::Notify(Notify {})) = request {
            self.forget_notify();
            self.notify = core::mem::replace(&mut handles[0], Handle::NONE);
        }
        for handle in handles.into_iter().filter(|h| *h != Handle::NONE) {
            object::handle_close(handle).map_err(from_sys)?;
        }
        match request {
            Ok(Request::Write(Write { bytes, more })) => {
                while self.writes.is_full() {
                    self.transmit()?;
                }
                self.writes.push(badge, call, bytes, more);
                self.transmit()?;
            }
            Ok(Request::Read(Read {})) => match &self.reader {
                Some(_) => call.fail(Error::Busy),
                None if self.input.is_empty() => self.reader = Some((badge, call)),
                None => call.answer::<Read>(Ok(self.input.take(MAX_IO))),
            },
            Ok(Request::Size(Size {})) => call.answer::<Size>(Ok(self.size)),
            Ok(Request::Cancel(Cancel {})) => {
                if let Some((_, reader)) = self.reader.take_if(|(owner, _)| *owner == badge) {
                    reader.answer::<Read>(Ok(alloc::vec::Vec::new()));
                }
                call.answer::<Cancel>(Ok(()));
            }
            Ok(Request::Notify(Notify {})) if self.notify == Handle::NONE => call.fail(Error::Invalid),
            Ok(Request::Notify(Notify {})) => {
                call.answer::<Notify>(Ok(()));
                if !self.input.is_empty() {
                    self.deliver();
                }
            }
            Ok(Request::Poll(Poll {})) => call.answer::<Poll>(Ok(self.input.take(MAX_IO))),
            Err(_) => call.fail(Error::Malformed),
        }
        Ok(())
    }
}
