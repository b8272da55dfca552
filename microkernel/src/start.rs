// SPDX-License-Identifier: BSD-2-Clause
//! `init`: the one program that the kernel starts, from the module of that name.

use crate::arch::x86_64::boot::{Handoff, Module};
use crate::arch::x86_64::direct;
use crate::calls::objects::{new_task, new_thread};
use crate::epitaph::cannot;
use crate::frame::{self, claim, record};
use crate::handle::{self, take_slot};
use crate::kernel::Kernel;
use crate::object::{self, Ref};
use crate::pmap;
use crate::sched;
use crate::task::Task;
use crate::thread::Thread;
use ebb_abi::boot::{self, BootInfo, MAX_MODULES, MAX_RANGES, Range, handles};
use ebb_abi::frame::Use;
use ebb_abi::layout::{BOOT_INFO, MESSAGE_BUFFER, MODULES, STACK_TOP, USER_END, USER_MIN};
use ebb_abi::map::{MapFlags, MapOp};
use ebb_abi::{Error, Frame, Kind, PAGE_SIZE, Rights};
use ebb_kernel_pure::ranges::Ranges;
use elf::ElfBytes;
use elf::endian::LittleEndian;

const PRIORITY: u8 = 3;
const STACK_PAGES: u64 = 16;
/// Frames for page tables that `init` starts with.
const POOL: u32 = 16;
/// Page tables that one mapping may need at most, reverse map included.
const TABLES_FOR_ONE: u32 = 4;

/// What is being built.
struct Init {
    k: &'static Kernel,
    free: Ranges<64>,
    task: Ref<Task>,
}

/// Builds `init` and makes it the current thread.
pub fn init(k: &'static Kernel, handoff: Handoff) -> Ref<Thread> {
    let modules = &handoff.modules[..handoff.nr_modules];
    let Some(program) = modules.iter().find(|m| m.name.starts_with(b"init\0")) else {
        cannot(format_args!("the image has no module \"init\""));
    };
    let mut free = handoff.free;
    let [frame, root, table, thread, buffer] = core::array::from_fn(|_| take(&mut free));
    let task = match new_task(k, frame, root, table) {
        Ok(task) => task,
        Err(error) => cannot(format_args!("the task of init: {error:?}")),
    };
    let mut init = Init { k, free, task };
    let entry = init.load(program);
    for page in 1..=STACK_PAGES {
        init.enter_new(STACK_TOP - page * PAGE_SIZE as u64, MapFlags::WRITE);
    }
    let mut table = [EMPTY_MODULE; MAX_MODULES];
    let mut address = MODULES;
    for (entry, module) in table.iter_mut().zip(modules) {
        *entry = init.enter_module(module, address);
        address += entry.nr_frames as u64 * PAGE_SIZE as u64;
    }
    let info = init.enter_new(BOOT_INFO, MapFlags::empty());
    init.fill_pool();
    // The stack begins as if the entry had been called: the pointer is 8 below a multiple of 16.
    let thread = match new_thread(k, task, thread, buffer, MESSAGE_BUFFER, [entry, STACK_TOP - 8, BOOT_INFO])
    {
        Ok(thread) => thread,
        Err(error) => cannot(format_args!("the thread of init: {error:?}")),
    };
    init.fill_pool();
    init.give_handles(thread);

    let (ranges, nr_free) = few_ranges(&init.free);
    let boot_info = BootInfo {
        magic: boot::MAGIC,
        tsc_hz: k.machine.tsc_hz.get(),
        rsdp: handoff.rsdp,
        nr_frames: k.machine.nr_frames.get(),
        total_frames: handoff.total_frames,
        nr_free,
        nr_modules: handoff.nr_modules as u32,
        free: ranges,
        spare: k.machine.spare.get(),
        modules: table,
        cmdline_len: handoff.cmdline_len as u64,
        cmdline: handoff.cmdline,
    };
    // SAFETY: a frame that was just mapped for this, and no thread has run yet; it is large enough (`ebb_abi::boot`).
    unsafe { direct::pointer(info).cast::<BootInfo>().write(boot_info) };
    thread.priority.set(PRIORITY);
    sched::switch(k, thread)
}

const EMPTY_MODULE: boot::Module = boot::Module { name: [0; 24], frame: 0, nr_frames: 0, len: 0, address: 0 };

#[inline(never)]
fn take(free: &mut Ranges<64>) -> u32 {
    match free.take(1) {
        Some(frame) => frame,
        None => cannot(format_args!("no memory is left for init: give the machine more")),
    }
}

/// The free ranges, at most as many as the boot information has room for. The smallest are lost where there are more.
#[inline(never)]
fn few_ranges(free: &Ranges<64>) -> ([Range; MAX_RANGES], u32) {
    let mut few = Ranges::<64>::default();
    let mut dropped = free.clone();
    let mut count = 0;
    while count < MAX_RANGES {
        let Some(largest) = dropped.as_slice().iter().max_by_key(|r| r.count).copied() else { break };
        let end = largest.first + largest.count;
        if few.add(largest.first, end).is_err() || dropped.remove(largest.first, end).is_err() {
            break;
        }
        count += 1;
    }
    for r in dropped.as_slice() {
        for f in r.first..r.first + r.count {
            record(f).set_use(Use::Reserved);
            record(f).keep(frame::KERNEL);
        }
    }
    if dropped.total() > 0 {
        crate::log!("{} KiB of memory in small pieces are not used", dropped.total() * 4);
    }
    let mut ranges = [Range::default(); MAX_RANGES];
    ranges[..count].copy_from_slice(few.as_slice());
    (ranges, count as u32)
}

impl Init {
    #[inline(never)]
    fn fill_pool(&mut self) {
        while self.task.pool_count() < POOL {
            let frame = take(&mut self.free);
            claim(frame, Use::Pool);
            self.task.pool_push(frame);
        }
    }

    fn enter(&mut self, address: u64, frame: u32, flags: MapFlags) -> Result<(), Error> {
        if self.task.pool_count() < TABLES_FOR_ONE {
            self.fill_pool();
        }
        let op = MapOp { address, frame: Frame(frame), flags };
        pmap::enter(self.k, self.task, op, Rights::FULL_MEMORY)
    }

    /// Maps a zeroed frame.
    #[inline(never)]
    fn enter_new(&mut self, address: u64, flags: MapFlags) -> u32 {
        let frame = take(&mut self.free);
        if let Err(error) = self.enter(address, frame, flags | MapFlags::ZERO) {
            cannot(format_args!("init: page {address:#x}: {error:?}"));
        }
        frame
    }

    #[inline(never)]
    fn enter_module(&mut self, module: &Module, address: u64) -> boot::Module {
        let nr_frames = module.len.div_ceil(PAGE_SIZE as u64) as u32;
        for page in 0..nr_frames {
            let frame = module.frame + page;
            if frame >= self.k.machine.nr_frames.get() {
                cannot(format_args!("a module lies outside memory"));
            }
            record(frame).take(frame::KERNEL);
            record(frame).set_use(Use::User);
            let at = address + page as u64 * PAGE_SIZE as u64;
            if let Err(error) = self.enter(at, frame, MapFlags::empty()) {
                cannot(format_args!("module page {at:#x}: {error:?}"));
            }
        }
        if nr_frames > 0 && !module.len.is_multiple_of(PAGE_SIZE as u64) {
            // SAFETY: user memory; behind the end of the module there is nothing of use.
            unsafe { object::zero(module.frame + nr_frames - 1, (module.len % PAGE_SIZE as u64) as usize) };
        }
        boot::Module { name: module.name, frame: module.frame, nr_frames, len: module.len, address }
    }

    /// Loads the program and returns its entry.
    #[inline(never)]
    fn load(&mut self, module: &Module) -> u64 {
        // SAFETY: the loader put so many bytes there; no thread has run yet, and the module's frames stay what they are.
        let bytes = unsafe {
            core::slice::from_raw_parts(direct::pointer(module.frame).cast_const(), module.len as usize)
        };
        let Ok(elf) = ElfBytes::<LittleEndian>::minimal_parse(bytes) else {
            cannot(format_args!("module init is no ELF file, or a truncated one"));
        };
        let Some(segments) = elf.segments() else {
            cannot(format_args!("module init has no segments"));
        };
        for s in segments.iter().filter(|s| s.p_type == elf::abi::PT_LOAD) {
            let Some(end) = s.p_vaddr.checked_add(s.p_memsz).filter(|end| *end <= USER_END) else {
                cannot(format_args!("module init has a segment outside user space"));
            };
            let Ok(data) = elf.segment_data(&s) else {
                cannot(format_args!("module init is truncated"));
            };
            if s.p_vaddr < USER_MIN || s.p_filesz > s.p_memsz {
                cannot(format_args!("module init has a segment outside user space"));
            }
            let mut flags = MapFlags::empty();
            flags.set(MapFlags::WRITE, s.p_flags & elf::abi::PF_W != 0);
            flags.set(MapFlags::EXECUTE, s.p_flags & elf::abi::PF_X != 0);
            let mut page = s.p_vaddr & !0xfff;
            while page < end {
                self.load_page(page, s.p_vaddr, data, flags);
                page += PAGE_SIZE as u64;
            }
        }
        let entry = elf.ehdr.e_entry;
        if !(USER_MIN..USER_END).contains(&entry) {
            cannot(format_args!("module init has no entry in user space"));
        }
        entry
    }

    /// Fills one page with its part of the data that begins at `start`. Two segments may share a page: it gets the flags of both.
    #[inline(never)]
    fn load_page(&mut self, page: u64, start: u64, data: &[u8], flags: MapFlags) {
        let frame = match pmap::resident_frame(self.task, page) {
            Some(frame) => {
                let (_, old) = pmap::extract(self.task, page).unwrap_or((Frame(frame), flags));
                if let Err(error) = self.enter(page, frame, old | flags) {
                    cannot(format_args!("init: page {page:#x}: {error:?}"));
                }
                frame
            }
            None => self.enter_new(page, flags),
        };
        let from = page.max(start);
        let skip = usize::try_from(from - start).unwrap_or(usize::MAX);
        let offset = (from - page) as usize;
        let rest = data.get(skip..).unwrap_or(&[]);
        let piece = &rest[..rest.len().min(PAGE_SIZE - offset)];
        // SAFETY: user memory that was taken for this page; the piece ends inside it.
        unsafe {
            core::ptr::copy_nonoverlapping(piece.as_ptr(), direct::pointer(frame).add(offset), piece.len());
        }
    }

    fn give_handles(&self, thread: Ref<Thread>) {
        let object = Rights::GRANT | Rights::MANAGE;
        let memory = Rights::FULL_MEMORY | Rights::HARVEST | Rights::DEVICE | Rights::GRANT;
        let all = [
            (handles::TASK, Kind::Task, object, handle::name_of(self.task.frame())),
            (handles::PHYS_MEM, Kind::PhysMem, memory, 0),
            (handles::IRQ, Kind::Irq, object, 0),
            (handles::IO_PORT, Kind::IoPort, object, 0),
            (handles::THREAD, Kind::Thread, object, handle::name_of(thread.frame())),
        ];
        for (wanted, kind, rights, name) in all {
            match take_slot(self.task) {
                Some((slot, e)) if slot as u32 == wanted.0 => e.fill(kind, rights, name, 0),
                _ => cannot(format_args!("the handle table of init is not in order")),
            }
        }
    }
}
