// SPDX-License-Identifier: BSD-2-Clause
//! The 16550 UART at the first serial port. Register names as in its data sheet.

use ebb_proto::Error;
use ebb_rt::abi::Handle;
use ebb_rt::client::from_sys;
use ebb_sys::device::{port_in, port_out};

const BASE: u16 = 0x3f8;
/// Data; with DLAB the divisor's low byte.
const DATA: u16 = BASE;
/// Interrupt enable; with DLAB the divisor's high byte.
const IER: u16 = BASE + 1;
/// Interrupt identification (read), FIFO control (write).
const IIR_FCR: u16 = BASE + 2;
const LCR: u16 = BASE + 3;
const MCR: u16 = BASE + 4;
const LSR: u16 = BASE + 5;

const LSR_DATA_READY: u32 = 1;
const LSR_TRANSMITTER_EMPTY: u32 = 1 << 5;
const IER_RECEIVED: u32 = 1;
const IER_TRANSMITTER_EMPTY: u32 = 1 << 1;
/// Bytes that the transmitter takes when it is empty.
const FIFO: usize = 16;

/// The port.
pub struct Uart {
    io: Handle,
    interrupts: u32,
}

impl Uart {
    /// Sets the port to 115,200 baud, 8 data bits, no parity, 1 stop bit, FIFOs on, interrupts for received bytes.
    pub fn new(io: Handle) -> Result<Uart, Error> {
        let uart = Uart { io, interrupts: IER_RECEIVED };
        for (port, value) in [
            (IER, 0),
            (LCR, 0x80), // DLAB: the next two are the divisor of 115,200
            (DATA, 1),
            (IER, 0),
            (LCR, 0x03),
            (IIR_FCR, 0x07), // FIFOs on and cleared, interrupt from one byte on: a person waits for each
            (MCR, 0x0b),     // DTR, RTS, and OUT2, which gates the interrupt line
            (IER, IER_RECEIVED),
        ] {
            uart.write(port, value)?;
        }
        Ok(uart)
    }

    /// A byte that was received, if there is one.
    pub fn receive(&self) -> Result<Option<u8>, Error> {
        if self.read(LSR)? & LSR_DATA_READY == 0 {
            return Ok(None);
        }
        self.read(DATA).map(|byte| Some(byte as u8))
    }

    /// Sends bytes as long as the transmitter takes them without being waited for.
    pub fn send(&self, bytes: &mut impl Iterator<Item = u8>) -> Result<Sent, Error> {
        while self.read(LSR)? & LSR_TRANSMITTER_EMPTY != 0 {
            for _ in 0..FIFO {
                match bytes.next() {
                    Some(byte) => self.write(DATA, byte as u32)?,
                    None => return Ok(Sent::All),
                }
            }
        }
        Ok(Sent::Some)
    }

    /// Asks for an interrupt when the transmitter is empty, or not any more.
    pub fn want_transmit_interrupt(&mut self, wanted: bool) -> Result<(), Error> {
        let interrupts = if wanted { IER_RECEIVED | IER_TRANSMITTER_EMPTY } else { IER_RECEIVED };
        if interrupts != self.interrupts {
            self.write(IER, interrupts)?;
            self.interrupts = interrupts;
        }
        Ok(())
    }

    /// Reads the interrupt's cause, which takes back a transmitter-empty interrupt.
    pub fn acknowledge(&self) -> Result<(), Error> {
        self.read(IIR_FCR).map(|_| ())
    }

    fn read(&self, port: u16) -> Result<u32, Error> {
        port_in(self.io, port, 1).map_err(from_sys)
    }

    fn write(&self, port: u16, value: u32) -> Result<(), Error> {
        port_out(self.io, port, 1, value).map_err(from_sys)
    }
}

/// What became of bytes given to the transmitter.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// There are no more.
    All,
    /// The transmitter is busy.
    Some,
}
