// SPDX-License-Identifier: BSD-2-Clause
//! Programs: each has one thread, which touches one page at a time and stops at a fault until it is answered. A program knows what it
//! wrote, and what it reads must be that.

use super::kernel::Kernel;
use super::reply::Answer;
use super::world::World;
use ebb_abi::Handle;
use ebb_abi::fault::Access;
use ebb_abi::map::MapOp;
use ebb_proto::vm::Space;
use ebb_vm::machine::Machine;
use ebb_vm::map::Backing;
use ebb_vm::vm::Vm;
use std::collections::{BTreeMap, BTreeSet};

/// A program.
#[derive(Default)]
pub struct Program {
    /// What each page that was written holds; others hold 0.
    pub memory: BTreeMap<u64, u64>,
    /// Pages written since the test last looked.
    pub written: BTreeSet<u64>,
    /// The touch under way, and the answer that it waits for.
    pub stopped: Option<(Touch, u64)>,
    /// A fault was refused: the program is done.
    pub refused: bool,
    /// The test keeps account of its memory.
    pub loose: bool,
    /// The answer that it waits for after reaching for a byte.
    pub reaching: Option<u64>,
}

/// A touch of a page.
#[derive(Clone, Copy, Debug)]
pub struct Touch {
    pub address: u64,
    pub write: Option<u64>,
}

impl Program {
    /// What a page must hold.
    pub fn expected(&self, address: u64) -> u64 {
        self.memory.get(&(address & !0xfff)).copied().unwrap_or(0)
    }

    /// Each mapped page holds what it must, whoever could read it.
    pub fn check(&self, task: Handle, vm: &Vm<Kernel>) {
        if self.loose {
            return;
        }
        let Some(t) = vm.m.tasks.get(&task.0) else { panic!("a program without a task") };
        for (address, pte) in &t.ptes {
            let region = vm.spaces.iter().find(|s| s.task == task).and_then(|s| s.map.find(*address));
            if let Some(Backing::Object { .. }) = region.map(|r| r.backing) {
                assert_eq!(vm.m.frames[pte.frame as usize].stamp(), self.expected(*address), "{address:#x}");
            }
        }
    }
}

impl World {
    /// Lets a program touch a page. `true`: it is done; `false`: the program waits, or was refused.
    pub fn touch(&mut self, space: Space, address: u64, write: Option<u64>) -> bool {
        let program = self.programs.get(&space).expect("a program");
        assert!(program.stopped.is_none() && !program.refused, "the program is stopped");
        self.go_on(space, Touch { address, write })
    }

    /// Writes.
    pub fn write(&mut self, space: Space, address: u64, stamp: u64) -> bool {
        self.touch(space, address, Some(stamp))
    }

    /// Reads.
    pub fn read(&mut self, space: Space, address: u64) -> bool {
        self.touch(space, address, None)
    }

    /// Whether a program was refused a fault.
    pub fn refused(&self, space: Space) -> bool {
        self.programs.get(&space).is_some_and(|p| p.refused)
    }

    /// Whether a program waits for a fault.
    pub fn stopped(&self, space: Space) -> bool {
        self.programs.get(&space).is_some_and(|p| p.stopped.is_some())
    }

    fn go_on(&mut self, space: Space, touch: Touch) -> bool {
        // A page may be taken away again before the program runs; not for ever.
        for _ in 0..64 {
            let Some(task) = self.vm.spaces.get(space).map(|s| s.task) else {
                self.programs.remove(&space);
                return false;
            };
            if let Some(seen) = self.vm.m.touch(task, touch.address, touch.write) {
                let Some(program) = self.programs.get_mut(&space) else { return false };
                match touch.write {
                    Some(stamp) => {
                        let page = touch.address & !0xfff;
                        program.memory.insert(page, stamp);
                        program.written.insert(page);
                        self.seen_by_others(space, page, stamp);
                    }
                    None => assert_eq!(seen, program.expected(touch.address), "read at {:#x}", touch.address),
                }
                return true;
            }
            let (id, reply) = self.vm.m.answers.ask();
            let mut access = Access::empty();
            access.set(Access::WRITE, touch.write.is_some());
            access.set(Access::PRESENT, self.vm.m.pte(task, touch.address & !0xfff).is_some());
            let resolved = self.vm.fault(space, touch.address, access, reply, false);
            // As in the server's loop: what a fault brought is entered after everything else has been settled.
            self.settle();
            if let Some((reply, op)) = resolved {
                self.enter(space, op, reply);
            }
            match self.vm.m.answers.take(id) {
                Some(Answer::Resumed) => continue,
                Some(Answer::Refused) => {
                    if let Some(program) = self.programs.get_mut(&space) {
                        program.refused = true;
                    }
                    return false;
                }
                Some(other) => panic!("{other:?} to a fault"),
                None => {
                    if let Some(program) = self.programs.get_mut(&space) {
                        program.stopped = Some((touch, id));
                    }
                    return false;
                }
            }
        }
        panic!("a fault that is answered again and again");
    }

    /// Enters what a fault brought, as the loop of the server does.
    pub fn enter(&mut self, space: Space, op: MapOp, reply: super::reply::Reply) {
        let Some(task) = self.vm.spaces.get(space).map(|s| s.task) else { return };
        match self.vm.m.map(task, &[op]) {
            Ok(()) => self.vm.m.resume(reply),
            Err(_) => {
                self.vm.finish_fault(space, reply, op);
                self.vm.ring_pager();
            }
        }
    }

    /// What was written is what those read who have the same memory.
    fn seen_by_others(&mut self, space: Space, page: u64, stamp: u64) {
        let Some(group) = self.groups.get(&(space, page)).copied() else { return };
        for (other, program) in &mut self.programs {
            if self.groups.get(&(*other, page)) == Some(&group) {
                program.memory.insert(page, stamp);
            }
        }
    }

    /// Makes a program of a space that was forked: it has what its parent has.
    pub fn forked(&mut self, parent: Space, child: Space) {
        let parent = self.programs.get(&parent).expect("a program");
        let program = Program { memory: parent.memory.clone(), loose: parent.loose, ..Program::default() };
        self.programs.insert(child, program);
    }

    /// `fork`, asked by `init`.
    pub fn fork(&mut self, parent: Space) -> Result<Space, ebb_proto::Error> {
        use ebb_proto::vm::{Fork, Request};
        let child = self.init(Request::Fork(Fork { space: parent, name: "child".into() }))?;
        self.forked(parent, child);
        Ok(child)
    }

    /// Programs whose faults were answered go on.
    pub fn run_programs(&mut self) {
        let spaces: Vec<Space> = self.programs.keys().copied().collect();
        for space in spaces {
            let Some((touch, id)) = self.programs.get(&space).and_then(|p| p.stopped) else { continue };
            let Some(answer) = self.vm.m.answers.take(id) else { continue };
            let Some(program) = self.programs.get_mut(&space) else { continue };
            program.stopped = None;
            match answer {
                Answer::Resumed => {
                    self.go_on(space, touch);
                }
                Answer::Refused => program.refused = true,
                // It was ended.
                _ => {
                    self.programs.remove(&space);
                }
            }
        }
        let vm = &self.vm;
        self.programs.retain(|space, _| vm.spaces.get(*space).is_some());
    }
}
