// SPDX-License-Identifier: BSD-2-Clause
//! `proc`, as `init` sees it: what it is given, and what it says.
//!
//! It is started again when it dies, and so `init` never waits for it: it is never called. What it knows is in a segment that `init` keeps; that the first program has ended stands there too, and a bit
//! says so.

use crate::serve::Init;
use crate::spawn::Spawn;
use alloc::format;
use core::sync::atomic::AtomicU64;
use ebb_abi::layout::SEGMENTS;
use ebb_abi::{Handle, PAGE_SIZE, Rights};
use ebb_proc::{BYTES, Header, Words};
use ebb_proto::Error;
use ebb_proto::vm::{self, Protection, Source};
use ebb_rt::client::{call, call_with};

/// The role.
pub const KEEPER: &str = "proc";
/// Bit of the own notification: the first program has ended.
pub const END_BIT: u64 = 1 << 8;
/// Where the table is, there and here.
const TABLE: u64 = SEGMENTS + 0x4000_0000;
/// Pages of it.
const PAGES: u64 = BYTES.div_ceil(PAGE_SIZE) as u64;

/// What outlives `proc`.
pub struct Keeper {
    /// The segment of its table.
    segment: u32,
    /// Its words.
    table: &'static [AtomicU64],
}

impl Init {
    /// Gives `proc` what it needs: its table, the programs of the boot image, and what every program is given.
    pub fn equip_keeper(&mut self, spawn: &mut Spawn<'_>, endpoint: Handle) -> Result<(), Error> {
        let segment = self.keeper()?.segment;
        let protection = (Protection::READ | Protection::WRITE).bits();
        let source = Source::Segment { id: segment, first: 0 };
        call(self.vm, &vm::Map { space: spawn.space, address: TABLE, pages: PAGES, protection, source })?;
        self.tell(spawn, "table", TABLE);
        for module in self.programs() {
            let place = module.index as u64 & 0xff | (module.bytes.len() as u64) << 8;
            self.tell(spawn, &format!("module:{}", module.name), place);
        }
        let both = Rights::SEND | Rights::GRANT;
        let mut servers = alloc::vec![("vm", self.vm_endpoint), ("init", self.endpoint), (KEEPER, endpoint)];
        let started = self.services.iter().filter(|s| s.was_started() && s.server.role != KEEPER);
        servers.extend(started.map(|s| (s.server.role, s.endpoint)));
        for (role, server) in servers {
            self.give(spawn, &format!("program:{role}"), server, both, 0)?;
        }
        self.give(spawn, "init_notification", self.notification, Rights::SEND, 0)?;
        call_with(self.vm, &vm::Manage { space: spawn.space }, &[endpoint]).map(|_| ())
    }

    fn keeper(&mut self) -> Result<&Keeper, Error> {
        if self.keeper.is_none() {
            let segment = call(self.vm, &vm::SegmentNew { pages: PAGES })?;
            let source = Source::Segment { id: segment, first: 0 };
            let protection = Protection::READ.bits();
            call(self.vm, &vm::Map { space: 0, address: TABLE, pages: PAGES, protection, source })?;
            let table = ebb_rt::shared::segment(TABLE, PAGES).ok_or(Error::Invalid)?;
            self.keeper = Some(Keeper { segment, table });
        }
        self.keeper.as_ref().ok_or(Error::NotFound)
    }

    /// `proc` says that the first program has ended: with it the machine does.
    pub fn first_program_ended(&mut self) {
        let end = self.keeper.as_ref().map_or(0, |k| k.table.load(Header::End as usize));
        if end & END_BIT != 0 {
            self.shut_down(end as u8, None);
        }
    }

    /// Ends all programs, and who could start others.
    pub fn end_programs(&mut self) {
        if let Some(at) = self.service(KEEPER) {
            self.end_service(at);
        }
        let mut from = 0;
        loop {
            let some = match call(self.vm, &vm::Spaces { from }) {
                Ok(some) => some,
                Err(error) => return ebb_rt::log!("programs cannot be ended: {error}"),
            };
            let Some(last) = some.last() else { return };
            from = last.space.saturating_add(1);
            for program in some.iter().filter(|s| !s.protected) {
                if let Err(error) = call(self.vm, &vm::SpaceFree { space: program.space }) {
                    ebb_rt::log!("freeing space {}: {error}", program.space);
                }
            }
        }
    }
}
