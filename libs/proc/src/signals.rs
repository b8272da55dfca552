// SPDX-License-Identifier: BSD-2-Clause
//! What a signal does. There are no handlers: a signal ends a process, stops it, lets it go on, or does nothing.

use crate::record::{IGNORED, Kind, note};
use crate::table::{Slot, Table};
use crate::words::Words;
use ebb_proto::Error;
use ebb_proto::proc::signal::*;

/// What a signal does to a process for which nothing else is said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// Nothing.
    Ignore,
    /// It ends, with the status 128 and the signal.
    End,
    /// It stops.
    Stop,
    /// It goes on, if it is stopped.
    Continue,
}

/// The default action. `None`: no such signal.
pub fn default_action(signal: u8) -> Option<Action> {
    Some(match signal {
        CHLD | URG | WINCH => Action::Ignore,
        CONT => Action::Continue,
        STOP | TSTP | TTIN | TTOU => Action::Stop,
        1..=LAST => Action::End,
        _ => return None,
    })
}

/// Whether it can be ignored.
pub fn can_be_ignored(signal: u8) -> bool {
    default_action(signal).is_some() && signal != KILL && signal != STOP
}

impl<W: Words> Table<W> {
    /// What a signal means for a process that has not ended, as it is. `Stop` for one that is stopped already, or `Continue` for one that runs, is `Ignore`. `Invalid`: no such signal.
    pub fn action(&self, slot: Slot, signal: u8) -> Result<Action, Error> {
        let action = default_action(signal).ok_or(Error::Invalid)?;
        let ignored = self.ignores(slot, signal);
        Ok(match (action, self.kind(slot)) {
            // Ignoring it does not keep a process stopped.
            (Action::Continue, Kind::Stopped) => Action::Continue,
            (Action::Continue, _) => Action::Ignore,
            _ if ignored => Action::Ignore,
            (Action::Stop, Kind::Stopped) => Action::Ignore,
            _ => action,
        })
    }

    /// Whether it ignores a signal.
    pub fn ignores(&self, slot: Slot, signal: u8) -> bool {
        signal <= LAST && self.get(slot, IGNORED) & (1 << signal) != 0
    }

    /// Ignores a signal, or no longer. `Invalid`: it cannot be.
    pub fn set_ignored(&mut self, slot: Slot, signal: u8, ignored: bool) -> Result<(), Error> {
        if !can_be_ignored(signal) {
            return Err(Error::Invalid);
        }
        let (bit, now) = (1 << signal, self.get(slot, IGNORED));
        self.put(slot, IGNORED, if ignored { now | bit } else { now & !bit });
        Ok(())
    }

    /// A process has been stopped.
    pub fn stopped(&mut self, slot: Slot, signal: u8) {
        self.change(slot, |head| {
            head.kind = Kind::Stopped;
            head.signal = signal;
            head.notes = head.notes & !note::CONTINUED | note::STOPPED;
        });
    }

    /// A stopped process goes on.
    pub fn continued(&mut self, slot: Slot) {
        self.change(slot, |head| {
            head.kind = Kind::Running;
            head.notes = head.notes & !note::STOPPED | note::CONTINUED;
        });
    }
}
