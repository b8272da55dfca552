// SPDX-License-Identifier: BSD-2-Clause
//! What the firmware gives: memory, files of the boot volume, the screen, the ACPI root pointer, the memory map.

use alloc::format;
use alloc::string::{String, ToString};
use core::ptr::NonNull;
use core::time::Duration;

use ebb_loader::PAGE;
use ebb_loader::answer::Framebuffer;
use ebb_loader::memory::{Full, Kind, Map};
use uefi::boot::{
    self, AllocateType, EventType, MemoryType, OpenProtocolAttributes, OpenProtocolParams, TimerTrigger, Tpl,
};
use uefi::mem::memory_map::MemoryMap;
use uefi::proto::console::gop::{GraphicsOutput, PixelFormat};
use uefi::proto::media::file::{Directory, File, FileAttribute, FileInfo, FileMode, FileType};
use uefi::table::cfg::ConfigTableEntry;
use uefi::{CString16, Status, system};

/// Types of our own, so that the final memory map tells our pages apart. The values are the ones that the
/// specification leaves to operating systems' loaders.
const KERNEL_TYPE: MemoryType = MemoryType::custom(0x8000_0eb0);
/// See [`KERNEL_TYPE`].
pub const LOADER_TYPE: MemoryType = MemoryType::custom(0x8000_0eb1);
/// Bytes read in one call: large enough that the firmware's cost a call does not matter.
const READ_SIZE: usize = 8 << 20;

/// What pages are for, which decides their kind in the kernel's memory map.
#[derive(Clone, Copy, Debug)]
pub enum Use {
    /// The kernel and modules: theirs for good.
    Kernel,
    /// What the kernel reads and then reclaims.
    Loader,
    /// The same, as far as the kernel can see: files that have been looked through.
    Scratch,
    /// Code that runs until the kernel does.
    Code,
}

/// Where low memory ends: PCs have a hole below it, and the rest of their memory above.
const LOW_END: u64 = 1 << 32;

/// Nanoseconds of a tick of the firmware's timer: the UEFI specification's most.
const TICK: u64 = 10_000_000;

/// Pages of physical memory, mapped at the same virtual address as long as the firmware's tables hold. They are
/// never given back: the kernel reclaims them by the memory map.
#[derive(Debug)]
pub struct Pages {
    start: NonNull<u8>,
    length: usize,
}

impl Pages {
    /// Zeroed pages for `length` bytes, physically contiguous.
    ///
    /// # Errors
    /// One line that says how much memory was missing.
    pub fn allocate(length: usize, purpose: Use) -> Result<Self, String> {
        let kind = match purpose {
            Use::Kernel => KERNEL_TYPE,
            Use::Loader | Use::Scratch => LOADER_TYPE,
            Use::Code => MemoryType::LOADER_CODE,
        };
        let pages = length.div_ceil(PAGE as usize).max(1);
        // Low, so that the machine's frame numbers stay small and what lies above stays in one piece; anywhere if need be.
        let start = boot::allocate_pages(AllocateType::MaxAddress(LOW_END - 1), kind, pages)
            .or_else(|_| boot::allocate_pages(AllocateType::AnyPages, kind, pages))
            .map_err(|e| format!("not enough memory: {} KiB in one piece: {}", pages * 4, e.status()))?;
        // SAFETY: the firmware just gave us these pages, and nobody else has them.
        unsafe { start.write_bytes(0, pages * PAGE as usize) };
        Ok(Self { start, length })
    }

    /// Physical address.
    pub fn base(&self) -> u64 {
        self.start.as_ptr() as u64
    }

    /// Bytes.
    pub fn len(&self) -> usize {
        self.length
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: allocated, initialised, never freed; `&self` keeps `bytes_mut` away.
        unsafe { core::slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }

    /// The bytes.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `bytes`; `&mut self` makes the borrow the only one.
        unsafe { core::slice::from_raw_parts_mut(self.start.as_ptr(), self.length) }
    }

    /// The bytes as page tables; only whole pages count.
    pub fn tables_mut(&mut self) -> &mut [ebb_loader::paging::Table] {
        let tables = self.length / PAGE as usize;
        // SAFETY: as in `bytes_mut`; pages are aligned and any bytes are a valid table.
        unsafe { core::slice::from_raw_parts_mut(self.start.as_ptr().cast(), tables) }
    }
}

/// The volume that the loader was started from.
pub struct Volume(Directory);

impl Volume {
    /// Opens it.
    ///
    /// # Errors
    /// One line with the firmware's status.
    pub fn open() -> Result<Self, String> {
        let mut system = boot::get_image_file_system(boot::image_handle()).map_err(|e| {
            format!("the boot volume has no file system that the firmware reads: {}", e.status())
        })?;
        let root =
            system.open_volume().map_err(|e| format!("the boot volume does not open: {}", e.status()))?;
        Ok(Self(root))
    }

    /// Reads a whole file into pages of its own.
    ///
    /// # Errors
    /// One line that names the file: missing, a directory, shorter than its directory entry says, or no memory.
    pub fn read(&mut self, path: &str, purpose: Use) -> Result<Pages, String> {
        let fail = |what: &str, status: Status| format!("{path}: {what}: {status}");
        let name = CString16::try_from(path.replace('/', "\\").as_str())
            .map_err(|_| format!("{path}: not a name that UEFI can express"))?;
        let handle =
            self.0.open(&name, FileMode::Read, FileAttribute::empty()).map_err(|e| match e.status() {
                Status::NOT_FOUND => format!("{path}: not on the boot volume; make the image again"),
                status => fail("does not open", status),
            })?;
        let FileType::Regular(mut file) =
            handle.into_type().map_err(|e| fail("does not open", e.status()))?
        else {
            return Err(format!("{path}: is a directory"));
        };
        let info = file.get_boxed_info::<FileInfo>().map_err(|e| fail("size unknown", e.status()))?;
        let size = usize::try_from(info.file_size()).map_err(|e| e.to_string())?;
        let mut pages = Pages::allocate(size, purpose).map_err(|e| format!("{path}: {e}"))?;
        let mut done = 0;
        while done < size {
            let end = size.min(done + READ_SIZE);
            match file.read(&mut pages.bytes_mut()[done..end]) {
                Ok(0) => return Err(format!("{path}: truncated: {done} of {size} bytes")),
                Ok(n) => done += n,
                Err(e) => return Err(fail("does not read", e.status())),
            }
        }
        Ok(pages)
    }
}

/// Lets the processor rest until a little before the time-stamp counter is a multiple of `unit`, where the kernel waits for the moment itself
/// (`align=`). Taken for nanoseconds, which the counter's cycles are where instructions are counted, as this is for.
pub fn rest_until_multiple(unit: u64) {
    // SAFETY: reads a counter.
    let now = unsafe { core::arch::x86_64::_rdtsc() };
    let left = unit - now.checked_rem(unit).unwrap_or(unit);
    let Some(rest) = left.checked_sub(2 * TICK).filter(|_| unit > 0) else { return };
    // SAFETY: there is no function to be called back.
    let event = unsafe { boot::create_event(EventType::TIMER, Tpl::APPLICATION, None, None) };
    // It only saves time: where there are no timers the kernel waits for all of it.
    if let Ok(event) = event
        && boot::set_timer(&event, TimerTrigger::Relative(Duration::from_nanos(rest))).is_ok()
    {
        let _ = boot::wait_for_event(&[event]);
    }
}

/// The screen in the mode that it is in, if it has memory that can be written to.
pub fn framebuffer() -> Option<Framebuffer> {
    let handle = boot::get_handle_for_protocol::<GraphicsOutput>().ok()?;
    let params = OpenProtocolParams { handle, agent: boot::image_handle(), controller: None };
    // SAFETY: only read, and before boot services are exited. Opening it exclusively would take the screen away
    // from the firmware's console, and with it our error messages.
    let mut gop =
        unsafe { boot::open_protocol::<GraphicsOutput>(params, OpenProtocolAttributes::GetProtocol) }.ok()?;
    let mode = gop.current_mode_info();
    let masks = match mode.pixel_format() {
        PixelFormat::Rgb => [0xff, 0xff00, 0xff_0000],
        PixelFormat::Bgr => [0xff_0000, 0xff00, 0xff],
        PixelFormat::Bitmask => mode.pixel_bitmask().map(|m| [m.red, m.green, m.blue])?,
        PixelFormat::BltOnly => return None,
    };
    let (width, height) = mode.resolution();
    Some(Framebuffer {
        base: gop.frame_buffer().as_mut_ptr() as u64,
        width: width as u64,
        height: height as u64,
        pitch: mode.stride() as u64 * 4,
        masks,
    })
}

/// Physical address of the ACPI root pointer, the newer kind if there are both.
pub fn rsdp() -> Option<u64> {
    system::with_config_table(|table| {
        [ConfigTableEntry::ACPI2_GUID, ConfigTableEntry::ACPI_GUID]
            .into_iter()
            .find_map(|guid| table.iter().find(|e| e.guid == guid))
            .map(|e| e.address as u64)
    })
}

/// Adds the firmware's memory map to ours, as it will be once boot services are exited. Allocates nothing.
///
/// # Errors
/// [`Full`].
pub fn add_all(map: &mut Map, firmware: &impl MemoryMap) -> Result<(), Full> {
    for d in firmware.entries() {
        let kind = match d.ty {
            MemoryType::CONVENTIONAL | MemoryType::BOOT_SERVICES_CODE | MemoryType::BOOT_SERVICES_DATA => {
                Kind::Usable
            }
            MemoryType::LOADER_CODE | MemoryType::LOADER_DATA | LOADER_TYPE => Kind::BootloaderReclaimable,
            KERNEL_TYPE => Kind::ExecutableAndModules,
            MemoryType::ACPI_RECLAIM => Kind::AcpiReclaimable,
            MemoryType::ACPI_NON_VOLATILE => Kind::AcpiNvs,
            MemoryType::UNUSABLE => Kind::Bad,
            _ => Kind::Reserved,
        };
        map.add(d.phys_start, d.page_count.saturating_mul(PAGE), kind)?;
    }
    Ok(())
}

/// Waits for a key.
pub fn wait_for_key() {
    system::with_stdin(|stdin| {
        // Without a keyboard there is nothing to wait for, and going back to the firmware is right.
        let _ = stdin.reset(false);
        if let Ok(event) = stdin.wait_for_key_event() {
            let _ = boot::wait_for_event(&[event]);
        }
    });
}
