// SPDX-License-Identifier: BSD-2-Clause
//! Calls: who may make them, and what they become.

use crate::machine::Machine;
use crate::map::Range;
use crate::vm::Vm;
use crate::waiting::Wirer;
use alloc::vec::Vec;
use ebb_abi::{Handle, Kind, Rights};
use ebb_policy::gate::Wiring;
use ebb_proto::Error;
use ebb_proto::vm::{self as proto, Request, Space};
use ebb_rt::client::from_sys;

/// Bytes of memory in one answer.
const MAX_READ: usize = 2048;
/// Frame numbers in one answer.
const MAX_FRAMES: usize = 256;

impl<M: Machine> Vm<M> {
    /// Serves a call of the program in `caller`. `handle` came with the message (`Handle::NONE`: none did).
    pub fn serve(&mut self, caller: Space, request: Request, handle: Handle, reply: M::Reply) {
        let keep = self.dispatch(caller, request, handle, reply);
        if handle != Handle::NONE && !keep {
            self.m.handle_close(handle);
        }
    }

    fn range(&self, caller: Space, named: Space, address: u64, pages: u64) -> Result<(Space, Range), Error> {
        Ok((self.target(caller, named)?, Range::new(address, pages)?))
    }

    /// Returns whether the handle was kept.
    fn dispatch(&mut self, caller: Space, request: Request, handle: Handle, reply: M::Reply) -> bool {
        match request {
            Request::Map(op) => {
                let result = self.target(caller, op.space).and_then(|id| match op.source {
                    proto::Source::Anonymous | proto::Source::File { .. } => self.map(id, &op),
                    _ => self.only_managers(caller).and_then(|()| self.map(id, &op)),
                });
                self.m.answer::<proto::Map>(reply, result, &[]);
            }
            Request::Unmap(op) => {
                let result = self
                    .range(caller, op.space, op.address, op.pages)
                    .and_then(|(id, range)| self.unmap(id, range));
                self.m.answer::<proto::Unmap>(reply, result, &[]);
            }
            Request::Protect(op) => {
                let result = self
                    .range(caller, op.space, op.address, op.pages)
                    .and_then(|(id, range)| self.protect(id, range, op.protection));
                self.m.answer::<proto::Protect>(reply, result, &[]);
            }
            Request::Advise(op) => {
                let result = self
                    .range(caller, op.space, op.address, op.pages)
                    .and_then(|(id, range)| self.advise(id, range, op.advice));
                self.m.answer::<proto::Advise>(reply, result, &[]);
            }
            Request::Wire(op) => match self.range(caller, op.space, op.address, op.pages) {
                Ok((id, range)) => self.wire(id, range, Wirer::Program(reply)),
                Err(error) => self.wire_answer(Wirer::Program(reply), Err(error)),
            },
            Request::Unwire(op) => {
                let result = self
                    .range(caller, op.space, op.address, op.pages)
                    .and_then(|(id, range)| self.unwire(id, range));
                self.m.answer::<proto::Unwire>(reply, result, &[]);
            }
            Request::Mincore(op) => {
                let result = self
                    .range(caller, op.space, op.address, op.pages)
                    .and_then(|(id, range)| self.mincore(id, range));
                self.m.answer::<proto::Mincore>(reply, result, &[]);
            }
            Request::Inherit(op) => {
                let result = self
                    .range(caller, op.space, op.address, op.pages)
                    .and_then(|(id, range)| self.inherit(id, range, op.inheritance));
                self.m.answer::<proto::Inherit>(reply, result, &[]);
            }
            Request::Track(op) => {
                let result = self
                    .range(caller, op.space, op.address, op.pages)
                    .and_then(|(id, range)| self.track(id, range));
                self.m.answer::<proto::Track>(reply, result, &[]);
            }
            Request::TakeWritten(op) => {
                let result = self
                    .range(caller, op.space, op.address, op.pages)
                    .and_then(|(id, range)| self.take_written(id, range));
                self.m.answer::<proto::TakeWritten>(reply, result, &[]);
            }
            Request::Untrack(op) => {
                let result = self
                    .range(caller, op.space, op.address, op.pages)
                    .and_then(|(id, range)| self.untrack(id, range));
                self.m.answer::<proto::Untrack>(reply, result, &[]);
            }
            Request::Regions(op) => {
                let result = self.target(caller, op.space).and_then(|id| self.regions(id, op.from));
                self.m.answer::<proto::Regions>(reply, result, &[]);
            }
            Request::ThreadNew(op) => {
                let result = self.thread_new(caller, &op, false);
                self.m.answer::<proto::ThreadNew>(reply, result, &[]);
            }
            Request::ThreadExit(op) => self.thread_exit(caller, op.number, reply),
            Request::ThreadJoin(op) => self.thread_join(caller, op.number, reply),
            request => return self.dispatch_system(caller, request, handle, reply),
        }
        false
    }

    /// Operations of `init`, and those that concern the whole system.
    fn dispatch_system(&mut self, caller: Space, request: Request, handle: Handle, reply: M::Reply) -> bool {
        let init = self.only_init(caller);
        let manager = self.only_managers(caller);
        match request {
            Request::SpaceNew(op) => {
                let may = if op.protected { init } else { manager };
                let result = may.and_then(|()| self.space_new(op.name, op.protected, caller));
                self.m.answer::<proto::SpaceNew>(reply, result, &[]);
            }
            Request::SpaceFree(op) => {
                let result = self.managed(caller, op.space).and_then(|id| self.space_free(id));
                self.m.answer::<proto::SpaceFree>(reply, result, &[]);
            }
            Request::Fork(op) => {
                let result = self.managed(caller, op.space).and_then(|id| self.fork(caller, id, op.name));
                self.m.answer::<proto::Fork>(reply, result, &[]);
            }
            Request::HandleGive(op) => {
                let rights = Rights::from_bits_truncate(op.rights);
                let result =
                    self.managed(caller, op.space).and_then(|id| self.give(id, handle, rights, op.badge));
                self.m.answer::<proto::HandleGive>(reply, result, &[]);
            }
            Request::Start(op) => {
                let result = self.managed(caller, op.space).and_then(|_| self.start(&op, handle));
                let kept = result.is_ok() && self.keep_notification(op.space, handle);
                self.m.answer::<proto::Start>(reply, result, &[]);
                return kept;
            }
            Request::Spaces(op) => {
                let list = self.space_list(op.from);
                self.m.answer::<proto::Spaces>(reply, Ok(list), &[]);
            }
            Request::Registers(op) => {
                let result = self.managed(caller, op.space).and_then(|id| self.registers(id, op.frame));
                self.m.answer::<proto::Registers>(reply, result, &[]);
            }
            Request::ReadMemory(op) => {
                let result =
                    self.managed(caller, op.space).and_then(|id| self.read_memory(id, op.address, op.bytes));
                self.m.answer::<proto::ReadMemory>(reply, result, &[]);
            }
            Request::WriteMemory(op) => match self.managed(caller, op.space) {
                Ok(id) => self.write_memory(id, op.address, op.bytes, reply),
                Err(error) => self.m.answer::<proto::WriteMemory>(reply, Err(error), &[]),
            },
            Request::EndpointNew(_) => match manager.and_then(|()| self.object_new(Kind::Endpoint)) {
                Ok(made) => {
                    self.m.answer::<proto::EndpointNew>(reply, Ok(()), &[made]);
                    self.m.handle_close(made);
                }
                Err(error) => self.m.answer::<proto::EndpointNew>(reply, Err(error), &[]),
            },
            Request::NotificationNew(_) => match manager.and_then(|()| self.object_new(Kind::Notification)) {
                Ok(made) => {
                    self.m.answer::<proto::NotificationNew>(reply, Ok(()), &[made]);
                    self.m.handle_close(made);
                }
                Err(error) => self.m.answer::<proto::NotificationNew>(reply, Err(error), &[]),
            },
            Request::ObjectFree(_) => {
                let result = manager.and_then(|()| self.object_free(handle));
                self.m.answer::<proto::ObjectFree>(reply, result, &[]);
            }
            Request::SegmentNew(op) => {
                let result = manager.and_then(|()| {
                    let wiring = if init.is_ok() { Wiring::System } else { Wiring::Program };
                    self.segment_new(op.pages, wiring)
                });
                self.m.answer::<proto::SegmentNew>(reply, result, &[]);
            }
            Request::SegmentFree(op) => {
                let result = manager.and_then(|()| self.segment_free(op.id));
                self.m.answer::<proto::SegmentFree>(reply, result, &[]);
            }
            Request::SegmentFrames(op) => {
                let result = init.and_then(|()| {
                    let segment = self.segments.get(op.id as usize).and_then(|s| s.as_ref());
                    let frames = &segment.ok_or(Error::NotFound)?.frames;
                    Ok(frames.iter().skip(op.first as usize).take(MAX_FRAMES).copied().collect())
                });
                self.m.answer::<proto::SegmentFrames>(reply, result, &[]);
            }
            Request::DonateTables(op) => {
                let result = init.and_then(|()| self.donate_tables(op.space));
                self.m.answer::<proto::DonateTables>(reply, result, &[]);
            }
            Request::SetAside(op) => {
                let result = init.map(|()| self.frames.set_aside(op.pages));
                self.m.answer::<proto::SetAside>(reply, result, &[]);
            }
            Request::TakeEvents(_) => {
                let result = manager.map(|()| self.take_happenings(caller));
                self.m.answer::<proto::TakeEvents>(reply, result, &[]);
            }
            Request::Manage(op) => {
                let result = init.and_then(|()| self.manage(op.space, handle));
                let kept = result.is_ok();
                self.m.answer::<proto::Manage>(reply, result, &[]);
                return kept;
            }
            Request::KitAdd(_) => {
                let result = self.kit_add(caller, handle);
                let kept = result.is_ok();
                self.m.answer::<proto::KitAdd>(reply, result, &[]);
                return kept;
            }
            Request::PolicyAllow(op) => {
                let result = init.and_then(|()| match self.spaces.get_mut(op.space) {
                    Some(space) => {
                        space.may_decide = true;
                        Ok(())
                    }
                    None => Err(Error::NotFound),
                });
                self.m.answer::<proto::PolicyAllow>(reply, result, &[]);
            }
            Request::PolicyAttach(_) => {
                let result = self.policy_attach(caller, handle);
                let kept = result.is_ok();
                self.m.answer::<proto::PolicyAttach>(reply, result, &[]);
                return kept;
            }
            Request::Snapshot(op) => {
                let result = self.snapshot(caller, op.generation, op.first);
                self.m.answer::<proto::Snapshot>(reply, result, &[]);
            }
            Request::PolicyReady(op) => {
                let result = self.policy_ready(caller, op.generation);
                self.m.answer::<proto::PolicyReady>(reply, result, &[]);
            }
            Request::TakeDeficit(op) => {
                let result = self.take_deficit(caller, op.generation);
                self.m.answer::<proto::TakeDeficit>(reply, result, &[]);
            }
            Request::PolicyAsk(op) => {
                let result = self.policy_ask(caller, op.generation, op.request);
                self.m.answer::<proto::PolicyAsk>(reply, result, &[]);
            }
            Request::PolicyCount(op) => {
                let counts = [op.pages, op.wakeups, op.freed, op.reactivated];
                let result = self.policy_count(caller, op.generation, counts);
                self.m.answer::<proto::PolicyCount>(reply, result, &[]);
            }
            Request::PolicyHeld(_) => {
                let held = self.policy.held;
                self.m.answer::<proto::PolicyHeld>(reply, Ok(held), &[]);
            }
            Request::PagerAttach(op) => {
                let result = init.and_then(|()| self.pager_attach(op.space, op.kind, handle));
                let kept = result.is_ok();
                self.m.answer::<proto::PagerAttach>(reply, result, &[]);
                return kept;
            }
            Request::PagerDetach(op) => {
                let result = init.map(|()| self.pager_detach(op.kind));
                self.m.answer::<proto::PagerDetach>(reply, result, &[]);
            }
            Request::PagerHeld(op) => {
                let held = self.channel(op.kind).held().ok_or(Error::Busy);
                self.m.answer::<proto::PagerHeld>(reply, held, &[]);
            }
            Request::PagerRetire(_) => {
                let result = init.and_then(|()| self.pager_retire());
                self.m.answer::<proto::PagerRetire>(reply, result, &[]);
            }
            Request::PagerSeal(_) => {
                let result = init.and_then(|()| self.pager_seal());
                self.m.answer::<proto::PagerSeal>(reply, result, &[]);
            }
            Request::PagerResume(_) => {
                let result = init.map(|()| self.pager_resume());
                self.m.answer::<proto::PagerResume>(reply, result, &[]);
            }
            Request::SwapOn(op) => self.swap_on(op.disk, reply),
            Request::SwapOff(op) => self.swap_off(op.disk, reply),
            Request::Audit(_) => self.audit(reply),
            Request::Tunables(_) => {
                let list = self.tunable_list();
                self.m.answer::<proto::Tunables>(reply, Ok(list), &[]);
            }
            Request::SetTunable(op) => {
                let result = self.tunable_set(&op.name, op.value);
                self.m.answer::<proto::SetTunable>(reply, result, &[]);
            }
            request @ (Request::HandleRoom(_)
            | Request::NotificationGive(_)
            | Request::Equip(_)
            | Request::EndpointGive(_)
            | Request::SegmentTemporary(_)
            | Request::Signal(_)
            | Request::Halt(_)
            | Request::SwapOut(_)
            | Request::SwapIn(_)
            | Request::Activities(_)
            | Request::NumberNew(_)
            | Request::ShareNew(_)
            | Request::ShareEnd(_)
            | Request::ShareHalt(_)
            | Request::SetPriority(_)) => self.dispatch_managers(caller, request, reply),
            request => return self.dispatch_daemon(caller, request, handle, reply),
        }
        false
    }

    /// Operations of the daemon that enforces limits. Returns whether the handle was kept.
    fn dispatch_daemon(&mut self, caller: Space, request: Request, handle: Handle, reply: M::Reply) -> bool {
        match request {
            Request::DaemonAllow(op) => {
                let result = self.only_init(caller).and_then(|()| self.daemon_allow(op.space));
                self.m.answer::<proto::DaemonAllow>(reply, result, &[]);
            }
            Request::DaemonAttach(_) => {
                let result = self.daemon_attach(caller, handle);
                let kept = result.is_ok();
                self.m.answer::<proto::DaemonAttach>(reply, result, &[]);
                return kept;
            }
            Request::SetLimits(op) => {
                let result = self.managed(caller, op.space).and_then(|id| self.limits_set(id, op.bounds));
                self.m.answer::<proto::SetLimits>(reply, result, &[]);
            }
            Request::Usage(op) => {
                let result = self.usage(if op.space == 0 { caller } else { op.space });
                self.m.answer::<proto::Usage>(reply, result, &[]);
            }
            Request::SetGroupLimit(op) => {
                let result = self.may_limit(caller).and_then(|()| self.group_set(op.group, op.pages));
                self.m.answer::<proto::SetGroupLimit>(reply, result, &[]);
            }
            Request::JoinGroup(op) => {
                let result =
                    self.may_limit_space(caller, op.space).and_then(|()| self.group_join(op.space, op.group));
                self.m.answer::<proto::JoinGroup>(reply, result, &[]);
            }
            Request::Limits(op) => {
                let list = self.limit_list(op.from);
                self.m.answer::<proto::Limits>(reply, Ok(list), &[]);
            }
            Request::Groups(op) => {
                let list = self.group_list(caller, op.from);
                self.m.answer::<proto::Groups>(reply, Ok(list), &[]);
            }
            Request::WantSwapOut(op) => {
                let result = self.only_daemon(caller).map(|()| self.tell_managers(op.bits));
                self.m.answer::<proto::WantSwapOut>(reply, result, &[]);
            }
            Request::Over(_) => {
                let result = self.only_daemon(caller).map(|()| self.limits_over());
                self.m.answer::<proto::Over>(reply, result, &[]);
            }
            Request::Trim(op) => {
                let result = self.only_daemon(caller).and_then(|()| self.trim(&op));
                self.m.answer::<proto::Trim>(reply, result, &[]);
            }
            Request::TraceStart(op) => {
                let result =
                    self.managed(caller, op.space).and_then(|id| self.trace_start(id, op.window, op.reader));
                self.m.answer::<proto::TraceStart>(reply, result, &[]);
            }
            Request::TraceTake(op) => {
                let result = self.trace_take(caller, op.space);
                self.m.answer::<proto::TraceTake>(reply, result, &[]);
            }
            Request::Spare(op) => {
                let result = self.may_limit(caller).and_then(|()| self.spare(op.space, op.spare));
                self.m.answer::<proto::Spare>(reply, result, &[]);
            }
            request => self.dispatch_files(caller, request, reply),
        }
        false
    }

    /// Operations on open files.
    fn dispatch_files(&mut self, caller: Space, request: Request, reply: M::Reply) {
        match request {
            Request::FileOpen(op) => {
                // The pager has said what it granted before it answered, but perhaps not rung.
                self.take_completions(proto::PagerKind::Vnode);
                let result = self.file_open(caller, op.grant, op.append);
                self.m.answer::<proto::FileOpen>(reply, result, &[]);
            }
            Request::FileClose(op) => {
                let result = self.file_close(caller, op.file);
                self.m.answer::<proto::FileClose>(reply, result, &[]);
            }
            Request::FileShare(op) => {
                let result = self
                    .only_managers(caller)
                    .and_then(|()| self.target(caller, op.to))
                    .and_then(|to| self.file_share(op.from, op.file, to));
                self.m.answer::<proto::FileShare>(reply, result, &[]);
            }
            Request::Read(op) => {
                self.transfer_new(caller, false, op, reply);
            }
            Request::Write(op) => {
                let proto::Write { file, offset, address, bytes } = op;
                self.transfer_new(caller, true, proto::Read { file, offset, address, bytes }, reply);
            }
            Request::Seek(op) => {
                let result = self.file_seek(caller, op.file, op.to, op.whence);
                self.m.answer::<proto::Seek>(reply, result, &[]);
            }
            Request::FileInfo(op) => {
                let result = self.file_info(caller, op.file);
                self.m.answer::<proto::FileInfo>(reply, result, &[]);
            }
            Request::Truncate(op) => self.resize_new(caller, op.file, op.size, reply),
            Request::Sync(op) => self.sync_file(caller, op.file, reply),
            Request::SyncAll(_) => self.sync_all(caller, reply),
            Request::SyncRange(op) => match self.range(caller, op.space, op.address, op.pages) {
                Ok((id, range)) => self.sync_range(id, range, op.wait, reply),
                Err(error) => self.m.answer::<proto::SyncRange>(reply, Err(error), &[]),
            },
            Request::SyncStart(_) => {
                let result = self.only_init(caller).map(|()| self.sync_start());
                self.m.answer::<proto::SyncStart>(reply, result, &[]);
            }
            // The others were served before.
            _ => drop(reply),
        }
    }

    fn registers(&mut self, id: Space, frame: u32) -> Result<Vec<u64>, Error> {
        let thread = self.spaces.get(id).ok_or(Error::NotFound)?.thread_in(frame);
        let r = self.m.thread_registers(thread).map_err(from_sys)?;
        Ok(Vec::from([
            r.rax, r.rbx, r.rcx, r.rdx, r.rsi, r.rdi, r.rbp, r.r8, r.r9, r.r10, r.r11, r.r12, r.r13, r.r14,
            r.r15, r.rip, r.rflags, r.rsp,
        ]))
    }

    fn read_memory(&mut self, id: Space, address: u64, bytes: u32) -> Result<Vec<u8>, Error> {
        let task = self.spaces.get(id).ok_or(Error::NotFound)?.task;
        let mut buffer = alloc::vec![0; (bytes as usize).min(MAX_READ)];
        let read = self.m.task_read(task, address, &mut buffer).map_err(from_sys)?;
        buffer.truncate(read);
        Ok(buffer)
    }
}
