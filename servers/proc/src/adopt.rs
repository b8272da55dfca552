// SPDX-License-Identifier: BSD-2-Clause
//! The start, and what another instance left.

use crate::arguments::Arguments;
use crate::peers::Peers;
use crate::server::{Module, Proc};
use crate::swapping::Swapping;
use alloc::string::String;
use alloc::vec::Vec;
use ebb_abi::Handle;
use ebb_abi::meter::Counter;
use ebb_proc::{BYTES, Header, Table, Waits, limits};
use ebb_proto::Error;
use ebb_proto::proc::{KILLED, Pid};
use ebb_proto::vm::{Space, Spaces};
use ebb_rt::StartInfo;
use ebb_rt::client::in_pieces;
use ebb_rt::shared::{self, meter};
use ebb_rt::start::Given;

/// How `init` calls a handle that programs are given too.
const FOR_PROGRAMS: &str = "program:";
/// How `init` calls a boot module: the value has its number in the low 8 bits and its length above.
const MODULE: &str = "module:";

impl Proc {
    /// A server with the table that it was given. What another instance left is put in order.
    pub fn adopt(info: &'static StartInfo) -> Result<Proc, Error> {
        let vm = info.handle("vm")?;
        let (address, pages) = (info.value("table")?, (BYTES as u64).div_ceil(4096));
        let words = shared::segment(address, pages).ok_or(Error::Invalid)?;
        let mut modules = Vec::new();
        for (name, value) in &info.values {
            if let Some(name) = name.strip_prefix(MODULE) {
                let (index, len) = (*value as u32 & 0xff, *value >> 8);
                let bytes = ebb_rt::boot::map_module(vm, index, len)?;
                modules.push(Module { name: String::from(name), index, bytes });
            }
        }
        let servers = info
            .handles
            .iter()
            .filter_map(|(name, handle)| {
                Some((String::from(name.strip_prefix(FOR_PROGRAMS)?), Handle(*handle)))
            })
            .collect();
        let mut proc = Proc {
            info,
            peers: Peers::new(vm, info.handle("pipe")?, &info.cmdline),
            init: info.handle("init_notification")?,
            endpoint: info.handle("endpoint")?,
            own: info.value("space")? as Space,
            servers,
            modules,
            table: Table::open(words)?,
            waits: Waits::default(),
            arguments: Arguments::default(),
            lost: Vec::new(),
            swapping: Swapping::new(info.handle("notification")?),
            initial: limits::initial(meter(Counter::v_free_count), meter(Counter::v_page_count)),
        };
        for (_, handle) in &proc.servers {
            proc.peers.vm_with(&ebb_proto::vm::KitAdd {}, &[*handle])?;
        }
        proc.put_in_order()?;
        Ok(proc)
    }

    fn put_in_order(&mut self) -> Result<(), Error> {
        let left = self.table.repair();
        if left.damaged > 0 {
            ebb_rt::log!("{} records of processes are damaged", left.damaged);
        }
        left.unmade.iter().for_each(|(space, thread)| self.leave(*space, *thread));
        left.ended.iter().for_each(|slot| self.clear(*slot));
        // `vm` may have ended some, and nobody was there to be told why.
        self.take_happenings()?;
        let alive = self.spaces()?;
        // One that was made and not yet written down. All programs are made here.
        for space in &alive {
            match self.table.sharing(*space) {
                none if none.is_empty() => self.free_unknown(*space),
                // The one that began in it is another program now.
                some if some.iter().all(|s| self.table.thread(*s) != 0) => self.leave(*space, 0),
                _ => {}
            }
        }
        for slot in left.running {
            let here = self.table.alive(self.table.pid(slot)).is_some();
            if here && !alive.contains(&self.table.space(slot)) {
                self.end(slot, KILLED, String::from("killed"));
            }
        }
        if self.table.header(Header::End) != 0 {
            self.tell_init();
        } else if self.table.alive(self.table.header(Header::First) as Pid).is_none() {
            self.start_first().inspect_err(|error| ebb_rt::log!("shell: {error}"))?;
        }
        // Some may be out, and kicked while nobody listened.
        self.swap_look()
    }

    /// Spaces of programs.
    fn spaces(&self) -> Result<Vec<Space>, Error> {
        let piece = |from| {
            let some = self.peers.vm(&Spaces { from })?;
            Ok(some.iter().map(|s| (s.space, s.protected)).collect())
        };
        let all = in_pieces(piece, |(space, _)| *space)?;
        Ok(all.into_iter().filter(|(_, protected)| !protected).map(|(space, _)| space).collect())
    }
}
