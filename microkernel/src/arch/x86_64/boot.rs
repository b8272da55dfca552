// SPDX-License-Identifier: BSD-2-Clause
//! From the loader to the first thread: the Limine boot protocol, base revision 3.
//!
//! Everything that the loader left in its own memory is copied before that memory is given away: nothing of it is kept.

use super::acpi::Madt;
use super::cpu::{self, Features};
use super::direct::{self, Mapped};
use super::mmio;
use super::space::{DATA, Early, RODATA, TEXT};
use super::{apic, serial, trap};
use crate::epitaph::{self, SYMBOLS, cannot};
use crate::frame::{self, record};
use crate::kernel::KERNEL;
use crate::{log, start};
use core::cell::UnsafeCell;
use ebb_abi::boot::{MAX_MODULES, Range};
use ebb_abi::frame::Use;
use ebb_kernel_pure::cmdline::Options;
use ebb_kernel_pure::ranges::Ranges;
use elf::ElfBytes;
use elf::endian::LittleEndian;
use limine::BaseRevision;
use limine::memory_map::EntryType;
use limine::request::{
    ExecutableAddressRequest, ExecutableFileRequest, HhdmRequest, MemoryMapRequest, ModuleRequest,
    RequestsEndMarker, RequestsStartMarker, RsdpRequest,
};

#[used]
#[unsafe(link_section = ".limine_requests_start")]
static START: RequestsStartMarker = RequestsStartMarker::new();
#[used]
#[unsafe(link_section = ".limine_requests")]
static REVISION: BaseRevision = BaseRevision::with_revision(3);
#[used]
#[unsafe(link_section = ".limine_requests")]
static HHDM: HhdmRequest = HhdmRequest::new();
#[used]
#[unsafe(link_section = ".limine_requests")]
static MEMORY_MAP: MemoryMapRequest = MemoryMapRequest::new();
#[used]
#[unsafe(link_section = ".limine_requests")]
static MODULES: ModuleRequest = ModuleRequest::new();
#[used]
#[unsafe(link_section = ".limine_requests")]
static RSDP: RsdpRequest = RsdpRequest::new();
#[used]
#[unsafe(link_section = ".limine_requests")]
static ADDRESS: ExecutableAddressRequest = ExecutableAddressRequest::new();
#[used]
#[unsafe(link_section = ".limine_requests")]
static FILE: ExecutableFileRequest = ExecutableFileRequest::new();
#[used]
#[unsafe(link_section = ".limine_requests_end")]
static END: RequestsEndMarker = RequestsEndMarker::new();

/// A stack with a page before it that is not mapped.
#[repr(C, align(4096))]
struct Stack<const N: usize> {
    guard: [u8; 4096],
    bytes: UnsafeCell<[u8; N]>,
}

// SAFETY: used by one processor, as a stack.
unsafe impl<const N: usize> Sync for Stack<N> {}

impl<const N: usize> Stack<N> {
    const fn new() -> Stack<N> {
        Stack { guard: [0; 4096], bytes: UnsafeCell::new([0; N]) }
    }
    fn top(&self) -> u64 {
        self.bytes.get() as u64 + N as u64
    }
    fn guard(&self) -> u64 {
        &raw const self.guard as u64
    }
}

const STACK_SIZE: usize = 32 * 1024;
static STACK: Stack<STACK_SIZE> = Stack::new();
static FATAL_STACKS: [Stack<8192>; 3] = [const { Stack::new() }; 3];

core::arch::global_asm!(
    r#"
    .section .text.entry, "ax"
    .global _start
_start:
    cli
    cld
    rdtsc
    shl rdx, 32
    or rax, rdx
    mov rdi, rax
    lea rsp, [rip + {stack} + {top}]
    xor ebp, ebp
    call {boot}
    ud2
"#,
    stack = sym STACK,
    top = const 4096 + STACK_SIZE,
    boot = sym boot,
);

unsafe extern "C" {
    static __image_start: u8;
    static __text_end: u8;
    static __rodata_end: u8;
    static __image_end: u8;
}

/// A module as the loader left it.
#[derive(Clone, Copy, Default)]
pub struct Module {
    /// Name: the last part of its path.
    pub name: [u8; 24],
    /// First frame.
    pub frame: u32,
    /// Bytes.
    pub len: u64,
}

/// What `start` needs to know.
pub struct Handoff {
    /// Frames that nobody uses.
    pub free: Ranges<64>,
    /// Frames of the machine.
    pub total_frames: u32,
    /// Modules.
    pub modules: [Module; MAX_MODULES],
    /// Valid entries of `modules`.
    pub nr_modules: usize,
    /// Physical address of the RSDP, 0: none.
    pub rsdp: u64,
    /// Command line.
    pub cmdline: [u8; 512],
    /// Bytes of it.
    pub cmdline_len: usize,
}

/// The physical memory.
struct Memory {
    /// All that can ever be used.
    all: Ranges<64>,
    /// What the loader does not use.
    usable: Ranges<64>,
    /// What is to be in the direct map.
    mapped: Ranges<64>,
}

extern "sysv64" fn boot(boot_tsc: u64) -> ! {
    serial::set_up(serial::COM1);
    let mut cmdline = [0; 512];
    let cmdline_len = copy_cmdline(&mut cmdline);
    let Ok(line) = core::str::from_utf8(&cmdline[..cmdline_len]) else {
        cannot(format_args!("the command line is not UTF-8"));
    };
    let (options, bad) = Options::parse(line);
    if options.log_com2 {
        serial::set_up(serial::COM2);
    }
    epitaph::set_exit_qemu(options.exit_qemu);
    log!("Ebb {}", env!("CARGO_PKG_VERSION"));
    if let Some(word) = bad {
        cannot(format_args!("the command line has a bad word: {word}"));
    }
    // With `align=` the machine begins here.
    let boot_tsc = options.align.map_or(boot_tsc, |unit| {
        apic::count();
        cpu::wait_for_multiple(unit);
        cpu::tsc()
    });
    if !REVISION.is_supported() {
        cannot(format_args!("the loader does not speak revision 3 of the Limine boot protocol"));
    }
    let features = Features::detect();
    if !features.nx {
        cannot(format_args!("the processor has no no-execute pages"));
    }
    let Some(hhdm) = HHDM.get_response() else { no_answer("direct map") };
    let Some(address) = ADDRESS.get_response() else { no_answer("executable address") };
    let image_len = (&raw const __image_end as u64) - (&raw const __image_start as u64);
    let image_frame = (address.physical_base() >> 12) as u32;
    let image = (image_frame, image_frame + (image_len >> 12) as u32);

    let (modules, nr_modules) = modules(hhdm.offset());
    let mut memory = read_memory_map();
    let own = own_frames(image, &modules[..nr_modules]);
    let kept = keep(&memory, &own, options.memory);
    let spare = left_out(&memory.usable, &kept);
    limit(&mut memory.usable, &kept);
    let nr_frames = kept.end();

    let mut early =
        Early { free: memory.usable.clone(), taken: Ranges::default(), offset: hhdm.offset(), root: 0 };
    early.root = early.take(1);
    let mapped = early.map_direct(&memory.mapped, image);
    map_image(&mut early, image_frame);
    early.map_records(nr_frames);
    for page in 0..mmio::PAGES {
        early.map_device(page, apic::base());
    }
    patch_clac(&features, hhdm.offset(), address.physical_base());
    let rsdp = RSDP.get_response().map_or(0, |r| r.address() as u64);
    let symbols = copy_symbols(&mut early);
    cpu::load_root((early.root as u64) << 12);
    early.offset = direct::BASE;

    let k = KERNEL.enter();
    k.machine.boot_tsc.set(boot_tsc);
    k.machine.nr_frames.set(nr_frames);
    k.machine.spare.set(spare);
    k.machine.kernel_root.set(early.root);
    let ist = [FATAL_STACKS[0].top(), FATAL_STACKS[1].top(), FATAL_STACKS[2].top()];
    // SAFETY: the kernel's state lives forever and is mapped in every address space; so are the stacks.
    unsafe { k.cpu.set_up(&features, STACK.top(), ist) };
    trap::set_up();
    if let Some((symbols, strings)) = symbols {
        SYMBOLS.set(symbols, strings);
    }

    k.machine.devices[mmio::LOCAL_APIC].set((apic::base() >> 12) as u32);
    let madt = Madt::find(&Mapped { frames: &mapped }, rsdp).unwrap_or_default();
    for (index, io) in madt.io_apics().iter().enumerate() {
        early.map_device(mmio::IO_APIC + index, io.address);
        k.machine.devices[mmio::IO_APIC + index].set((io.address >> 12) as u32);
    }
    cpu::load_root((early.root as u64) << 12);
    k.irqs.io.set_up(&madt);
    k.machine.tsc_hz.set(apic::set_up(&features));

    let free = set_records(nr_frames, &memory, &kept, &own, &early.taken);
    let total_frames = kept.total() as u32;
    log!(
        "memory {} KiB, free {} KiB; {} MHz; {} modules",
        kept.total() * 4,
        free.total() * 4,
        k.machine.tsc_hz.get() / 1_000_000,
        nr_modules
    );
    log!(
        "processor: smep {} smap {} umip {} x2apic {} tsc-deadline {}; {} I/O APIC",
        features.smep as u8,
        features.smap as u8,
        features.umip as u8,
        features.x2apic as u8,
        features.tsc_deadline as u8,
        madt.io_apics().len()
    );
    let handoff = Handoff { free, total_frames, modules, nr_modules, rsdp, cmdline, cmdline_len };
    let init = start::init(k, handoff);
    if let Some(how) = options.fail {
        epitaph::fail_on_purpose(how);
    }
    trap::leave(init)
}

fn no_answer(what: &str) -> ! {
    cannot(format_args!("the loader did not answer the request: {what}"))
}

fn copy_cmdline(into: &mut [u8; 512]) -> usize {
    let line = FILE.get_response().map_or(&[][..], |r| r.file().string().to_bytes());
    let len = line.len().min(into.len());
    into[..len].copy_from_slice(&line[..len]);
    len
}

#[inline(never)]
fn too_many_holes() -> ! {
    cannot(format_args!("the memory map has too many holes"))
}

#[inline(never)]
fn read_memory_map() -> Memory {
    let Some(map) = MEMORY_MAP.get_response() else { no_answer("memory map") };
    let mut memory = Memory { all: Ranges::default(), usable: Ranges::default(), mapped: Ranges::default() };
    for e in map.entries() {
        let first = e.base.div_ceil(4096);
        let end = (e.base + e.length) / 4096;
        let (Ok(first), Ok(end)) = (u32::try_from(first), u32::try_from(end)) else { continue };
        let mut ok = true;
        let usable = e.entry_type == EntryType::USABLE;
        let ours = usable
            || e.entry_type == EntryType::BOOTLOADER_RECLAIMABLE
            || e.entry_type == EntryType::EXECUTABLE_AND_MODULES;
        if ours {
            ok &= memory.all.add(first, end).is_ok();
        }
        if usable {
            ok &= memory.usable.add(first, end).is_ok();
        }
        let firmware = e.entry_type == EntryType::ACPI_RECLAIMABLE || e.entry_type == EntryType::ACPI_NVS;
        if ours || firmware {
            ok &= memory.mapped.add(first, end.max(first)).is_ok();
        }
        if !ok {
            too_many_holes();
        }
    }
    // The first megabyte: firmware tables may be there. Frame 0 stands for "none".
    let ok = memory.mapped.add(0, 256).is_ok()
        && memory.all.remove(0, 1).is_ok()
        && memory.usable.remove(0, 1).is_ok();
    if !ok {
        too_many_holes();
    }
    memory
}

/// Frames of the kernel's image and of the modules.
#[inline(never)]
fn own_frames(image: (u32, u32), modules: &[Module]) -> Ranges<64> {
    let mut own = Ranges::default();
    let mut ok = own.add(image.0, image.1).is_ok();
    for m in modules {
        ok &= own.add(m.frame, m.frame + m.len.div_ceil(4096) as u32).is_ok();
    }
    if !ok {
        too_many_holes();
    }
    own
}

/// All memory, or as much of it as the command line allows: kernel and modules, then from the lowest frame up.
#[inline(never)]
fn keep(memory: &Memory, own: &Ranges<64>, bytes: Option<u64>) -> Ranges<64> {
    let Some(bytes) = bytes else { return memory.all.clone() };
    let Some(rest) = (bytes / 4096).checked_sub(own.total()) else {
        cannot(format_args!("mem={bytes}: kernel and modules alone take {} KiB", own.total() * 4));
    };
    let mut kept = memory.all.clone();
    let mut ok = true;
    for r in own.as_slice() {
        ok &= kept.remove(r.first, r.first + r.count).is_ok();
    }
    kept.truncate(rest);
    for r in own.as_slice() {
        ok &= kept.add(r.first, r.first + r.count).is_ok();
    }
    if !ok {
        too_many_holes();
    }
    kept
}

/// The longest run of usable frames that are not kept.
#[inline(never)]
fn left_out(usable: &Ranges<64>, kept: &Ranges<64>) -> Range {
    let mut rest = usable.clone();
    for r in kept.as_slice() {
        if rest.remove(r.first, r.first + r.count).is_err() {
            too_many_holes();
        }
    }
    rest.as_slice().iter().max_by_key(|r| r.count).copied().unwrap_or_default()
}

/// Leaves of `ranges` what is in `kept`.
#[inline(never)]
fn limit(ranges: &mut Ranges<64>, kept: &Ranges<64>) {
    let mut ok = true;
    let mut end = 0;
    for r in kept.as_slice() {
        ok &= ranges.remove(end, r.first).is_ok();
        end = r.first + r.count;
    }
    ok &= ranges.remove(end, u32::MAX).is_ok();
    if !ok {
        too_many_holes();
    }
}

#[inline(never)]
fn modules(hhdm: u64) -> ([Module; MAX_MODULES], usize) {
    let mut modules = [Module::default(); MAX_MODULES];
    let files = MODULES.get_response().map_or(&[][..], |r| r.modules());
    if files.len() > MAX_MODULES {
        cannot(format_args!("{} modules, at most {MAX_MODULES} fit", files.len()));
    }
    for (module, file) in modules.iter_mut().zip(files) {
        let path = file.path().to_bytes();
        let name = path.rsplit(|b| *b == b'/').next().unwrap_or(path);
        let len = name.len().min(module.name.len());
        module.name[..len].copy_from_slice(&name[..len]);
        let address = (file.addr() as u64).wrapping_sub(hhdm);
        if !address.is_multiple_of(4096) {
            cannot(format_args!("a module does not begin at a page"));
        }
        module.frame = (address >> 12) as u32;
        module.len = file.size();
    }
    (modules, files.len())
}

#[inline(never)]
fn map_image(early: &mut Early, first_frame: u32) {
    let base = &raw const __image_start as u64;
    let parts = [
        (&raw const __text_end as u64, TEXT),
        (&raw const __rodata_end as u64, RODATA),
        (&raw const __image_end as u64, DATA),
    ];
    let fatal = FATAL_STACKS.each_ref().map(Stack::guard);
    let mut address = base;
    for (end, bits) in parts {
        while address < end {
            if address != STACK.guard() && !fatal.contains(&address) {
                early.map(address, first_frame + ((address - base) >> 12) as u32, bits);
            }
            address += 4096;
        }
    }
}

/// Makes the entry stubs clear the flag that suspends SMAP, which user mode may set at will.
fn patch_clac(features: &Features, hhdm: u64, physical_base: u64) {
    if !features.smap {
        return;
    }
    let offset = trap::clac_site_address() - &raw const __image_start as u64;
    // SAFETY: three bytes of text, a `nop` so far, that no trap has reached yet; the loader's direct map has it writable.
    unsafe { ((hhdm + physical_base + offset) as *mut [u8; 3]).write_unaligned([0x0f, 0x01, 0xca]) };
}

/// Copies the kernel's symbols out of its file, for backtraces. Without them those show addresses.
#[inline(never)]
fn copy_symbols(early: &mut Early) -> Option<(&'static [u8], &'static [u8])> {
    let file = FILE.get_response()?.file();
    // SAFETY: the loader says that so many bytes are there.
    let bytes = unsafe { core::slice::from_raw_parts(file.addr().cast_const(), file.size() as usize) };
    let elf = ElfBytes::<LittleEndian>::minimal_parse(bytes).ok()?;
    let headers = elf.section_headers()?;
    let header = headers.iter().find(|h| h.sh_type == elf::abi::SHT_SYMTAB)?;
    let strings = headers.get(header.sh_link as usize).ok()?;
    let mut copy = |header: &elf::section::SectionHeader| {
        let (data, _) = elf.section_data(header).ok()?;
        let first = early.take((data.len() as u32).div_ceil(4096).max(1));
        let target = (early.offset + ((first as u64) << 12)) as *mut u8;
        // SAFETY: frames just taken, as many as it needs.
        unsafe { core::ptr::copy_nonoverlapping(data.as_ptr(), target, data.len()) };
        // SAFETY: the same frames in the kernel's own direct map, read once that is loaded, and never written again.
        Some(unsafe { core::slice::from_raw_parts(direct::pointer(first).cast_const(), data.len()) })
    };
    Some((copy(&header)?, copy(&strings)?))
}

/// Fills in the records and returns the free frames.
fn set_records(
    nr_frames: u32,
    memory: &Memory,
    kept: &Ranges<64>,
    own: &Ranges<64>,
    taken: &Ranges<64>,
) -> Ranges<64> {
    let mut free = kept.clone();
    let mut ok = true;
    for r in own.as_slice().iter().chain(taken.as_slice()) {
        ok &= free.remove(r.first, r.first + r.count).is_ok();
    }
    if !ok {
        too_many_holes();
    }
    for r in memory.all.as_slice() {
        for f in r.first..(r.first + r.count).min(nr_frames) {
            record(f).keep(frame::KERNEL);
        }
    }
    for r in free.as_slice() {
        for f in r.first..r.first + r.count {
            record(f).take(frame::KERNEL);
            record(f).set_use(Use::User);
        }
    }
    free
}
