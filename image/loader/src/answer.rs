// SPDX-License-Identifier: BSD-2-Clause
//! The responses, as the bytes that the kernel reads. Every structure of the protocol is a row of 64-bit words, so
//! that is how they are written.

use crate::memory::Entry;
use crate::request::{self, Kind, Requests};
use crate::{HHDM, KERNEL_MIN};

/// Name that the kernel is told.
const NAME: &str = "ebb-loader";
/// Version that the kernel is told.
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The protocol's number for 64-bit UEFI.
const FIRMWARE_UEFI64: u64 = 2;
/// The protocol's number for four levels.
const PAGING_4_LEVEL: u64 = 0;
/// The protocol's memory model of a framebuffer.
const MODEL_RGB: u64 = 1;

/// A file in memory.
#[derive(Clone, Copy, Debug)]
pub struct File<'a> {
    /// Physical address.
    pub base: u64,
    /// Bytes.
    pub size: u64,
    /// Path on the boot volume.
    pub path: &'a str,
    /// Its string or command line.
    pub string: &'a str,
}

/// A linear framebuffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Framebuffer {
    /// Physical address.
    pub base: u64,
    /// Pixels in a row.
    pub width: u64,
    /// Rows.
    pub height: u64,
    /// Bytes from row to row.
    pub pitch: u64,
    /// Masks of red, green and blue in a pixel of 32 bits.
    pub masks: [u32; 3],
}

/// What the responses tell.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The memory map.
    pub map: &'a [Entry],
    /// The screen, if there is one.
    pub framebuffer: Option<Framebuffer>,
    /// Physical address of the ACPI root pointer.
    pub rsdp: Option<u64>,
    /// Physical and virtual address of the loaded kernel.
    pub kernel: (u64, u64),
    /// The kernel's file; its string is the command line.
    pub file: File<'a>,
    /// The modules.
    pub modules: &'a [File<'a>],
}

impl Facts<'_> {
    /// Bytes that the answers take at most, given the largest number of ranges in the map.
    #[must_use]
    pub fn room(&self, max_ranges: usize) -> usize {
        let strings: usize = self.modules.iter().map(|m| m.path.len() + m.string.len()).sum();
        4096 + 40 * max_ranges
            + 256 * self.modules.len()
            + strings
            + 2 * self.file.string.len()
            + self.file.path.len()
    }
}

/// The answers do not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// Memory that the responses are written to.
#[derive(Debug)]
pub struct Arena<'a> {
    bytes: &'a mut [u8],
    /// Physical address of `bytes`.
    base: u64,
    used: usize,
}

impl<'a> Arena<'a> {
    /// An arena over memory at the physical address `base`, a multiple of 8.
    pub fn new(bytes: &'a mut [u8], base: u64) -> Self {
        Self { bytes, base, used: 0 }
    }

    fn put(&mut self, bytes: impl ExactSizeIterator<Item = u8>) -> Result<u64, Full> {
        let at = self.used;
        let room = self.bytes.get_mut(at..at + bytes.len()).ok_or(Full)?;
        self.used = (at + bytes.len()).next_multiple_of(8);
        room.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
        Ok(HHDM + self.base + at as u64)
    }

    fn words(&mut self, words: &[u64]) -> Result<u64, Full> {
        let bytes = (0..words.len() * 8).map(|i| (words[i / 8] >> (i % 8 * 8)) as u8);
        self.put(bytes)
    }

    /// A string and the zero that ends it.
    fn string(&mut self, s: &str) -> Result<u64, Full> {
        let length = s.len();
        self.put((0..length + 1).map(|i| s.as_bytes().get(i).copied().unwrap_or(0)))
    }

    /// An array of pointers to what `make` writes for each item.
    fn pointers<T>(
        &mut self,
        items: &[T],
        make: impl Fn(&mut Self, &T) -> Result<u64, Full>,
    ) -> Result<u64, Full> {
        let at = self.used;
        let array = self.put((0..items.len() * 8).map(|_| 0))?;
        for (i, item) in items.iter().enumerate() {
            let pointer = make(self, item)?;
            request::put(self.bytes, at + 8 * i, pointer);
        }
        Ok(array)
    }
}

/// Answers every request that can be answered and returns the entry point if the kernel asked for another one.
/// What has no answer (no screen, no ACPI) stays untouched.
///
/// # Errors
/// [`Full`].
pub fn answer(
    image: &mut [u8],
    requests: &Requests,
    facts: &Facts<'_>,
    arena: &mut Arena<'_>,
) -> Result<Option<u64>, Full> {
    request::mark_base_revision(image, requests);
    for &(kind, at) in &requests.found {
        let response = match kind {
            Kind::BootloaderInfo => {
                let (name, version) = (arena.string(NAME)?, arena.string(VERSION)?);
                arena.words(&[0, name, version])?
            }
            Kind::FirmwareType => arena.words(&[0, FIRMWARE_UEFI64])?,
            Kind::StackSize | Kind::EntryPoint => arena.words(&[0])?,
            Kind::Hhdm => arena.words(&[0, HHDM])?,
            Kind::PagingMode => arena.words(&[0, PAGING_4_LEVEL])?,
            Kind::Framebuffer => match facts.framebuffer {
                Some(fb) => framebuffer(arena, fb)?,
                None => continue,
            },
            Kind::MemoryMap => {
                let entries =
                    arena.pointers(facts.map, |a, e| a.words(&[e.base, e.length, e.kind as u64]))?;
                arena.words(&[0, facts.map.len() as u64, entries])?
            }
            Kind::ExecutableFile => {
                let file = file(arena, &facts.file)?;
                arena.words(&[0, file])?
            }
            Kind::ExecutableCmdline => {
                let cmdline = arena.string(facts.file.string)?;
                arena.words(&[0, cmdline])?
            }
            Kind::ExecutableAddress => arena.words(&[0, facts.kernel.0, facts.kernel.1])?,
            Kind::Module => {
                let files = arena.pointers(facts.modules, file)?;
                arena.words(&[0, facts.modules.len() as u64, files])?
            }
            Kind::Rsdp => match facts.rsdp {
                Some(address) => arena.words(&[0, address])?,
                None => continue,
            },
        };
        request::put(image, at + 40, response);
    }
    Ok(requests.word(image, Kind::EntryPoint, 6).filter(|&entry| entry >= KERNEL_MIN))
}

/// A file: revision, address, size, path, string, then where it came from, which is nowhere that has a number.
fn file(arena: &mut Arena<'_>, file: &File<'_>) -> Result<u64, Full> {
    let (path, string) = (arena.string(file.path)?, arena.string(file.string)?);
    let mut words = [0; 14];
    words[1..5].copy_from_slice(&[HHDM + file.base, file.size, path, string]);
    arena.words(&words)
}

fn framebuffer(arena: &mut Arena<'_>, fb: Framebuffer) -> Result<u64, Full> {
    // Bits per pixel, memory model, then size and shift of red, green and blue.
    let mut format = 32 | MODEL_RGB << 16;
    let mut green_blue = 0u64;
    for (i, mask) in fb.masks.into_iter().enumerate() {
        let (size, shift) = (u64::from(mask.count_ones()), u64::from(mask.trailing_zeros() & 31));
        match i {
            0 => format |= size << 24 | shift << 32,
            1 => format |= size << 40 | shift << 48,
            _ => {
                format |= size << 56;
                green_blue = shift;
            }
        }
    }
    // No EDID; one mode, the current one.
    let mode = arena.words(&[fb.pitch, fb.width, fb.height, format, green_blue])?;
    let modes = arena.words(&[mode])?;
    let buffer =
        arena.words(&[HHDM + fb.base, fb.width, fb.height, fb.pitch, format, green_blue, 0, 0, 1, modes])?;
    let buffers = arena.words(&[buffer])?;
    arena.words(&[1, 1, buffers])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory;
    use crate::request::tests::{TAG, id, image};
    use alloc::vec;
    use alloc::vec::Vec;

    const BASE: u64 = 0x30_0000;

    struct Answered {
        image: Vec<u8>,
        arena: Vec<u8>,
        entry: Option<u64>,
    }

    impl Answered {
        fn of(requests: &[&[u64]], facts: &Facts<'_>) -> Self {
            let mut image = image(requests);
            let found = request::find(&image).unwrap();
            let mut bytes = vec![0; facts.room(facts.map.len())];
            let mut arena = Arena::new(&mut bytes, BASE);
            let entry = answer(&mut image, &found, facts, &mut arena).unwrap();
            Self { image, arena: bytes, entry }
        }

        fn word(&self, pointer: u64, index: usize) -> u64 {
            let at = (pointer - HHDM - BASE) as usize + 8 * index;
            u64::from_le_bytes(self.arena[at..at + 8].try_into().unwrap())
        }

        fn string(&self, pointer: u64) -> &str {
            let rest = &self.arena[(pointer - HHDM - BASE) as usize..];
            core::ffi::CStr::from_bytes_until_nul(rest).unwrap().to_str().unwrap()
        }

        /// The response pointer of the request at word `at` of the image.
        fn response(&self, at: usize) -> u64 {
            u64::from_le_bytes(self.image[8 * (at + 5)..8 * (at + 6)].try_into().unwrap())
        }
    }

    fn facts<'a>(map: &'a [Entry], modules: &'a [File<'a>]) -> Facts<'a> {
        Facts {
            map,
            framebuffer: None,
            rsdp: None,
            kernel: (0x60_0000, KERNEL_MIN),
            file: File { base: 0x50_0000, size: 99, path: "/boot/kernel", string: "mem=1 log=com2" },
            modules,
        }
    }

    #[test]
    fn answers_lists_and_strings() {
        let map = [
            Entry { base: 0x1000, length: 0x2000, kind: memory::Kind::Usable },
            Entry { base: 0x9000, length: 0x1000, kind: memory::Kind::ExecutableAndModules },
        ];
        let modules = [
            File { base: 0x70_0000, size: 5, path: "/boot/init", string: "init" },
            File { base: 0x71_0000, size: 6, path: "/boot/vm", string: "vm" },
        ];
        let (memmap, module, file) = (id(Kind::MemoryMap), id(Kind::Module), id(Kind::ExecutableFile));
        let a =
            Answered::of(&[&TAG, &memmap, &[0, 0], &module, &[0, 0], &file, &[0, 0]], &facts(&map, &modules));
        let r = a.response(3);
        assert_eq!(a.word(r, 1), 2);
        let second = a.word(a.word(r, 2), 1);
        assert_eq!([a.word(second, 0), a.word(second, 1), a.word(second, 2)], [0x9000, 0x1000, 6]);
        let r = a.response(9);
        assert_eq!(a.word(r, 1), 2);
        let vm = a.word(a.word(r, 2), 1);
        assert_eq!((a.word(vm, 1), a.word(vm, 2)), (HHDM + 0x71_0000, 6));
        assert_eq!((a.string(a.word(vm, 3)), a.string(a.word(vm, 4))), ("/boot/vm", "vm"));
        let kernel = a.word(a.response(15), 1);
        assert_eq!(a.string(a.word(kernel, 4)), "mem=1 log=com2");
    }

    #[test]
    fn leaves_untouched_what_it_does_not_have() {
        let (fb, rsdp, entry) = (id(Kind::Framebuffer), id(Kind::Rsdp), id(Kind::EntryPoint));
        let requests: [&[u64]; 7] = [&TAG, &fb, &[0, 0], &rsdp, &[0, 0], &entry, &[0, 0, KERNEL_MIN + 64]];
        let none = Answered::of(&requests, &facts(&[], &[]));
        assert_eq!((none.response(3), none.response(9)), (0, 0));
        assert_eq!(none.entry, Some(KERNEL_MIN + 64));
        let buffer = Framebuffer {
            base: 0x8000_0000,
            width: 800,
            height: 600,
            pitch: 3200,
            masks: [0xff_0000, 0xff00, 0xff],
        };
        let some = Answered::of(
            &requests,
            &Facts { framebuffer: Some(buffer), rsdp: Some(0x7f_e014), ..facts(&[], &[]) },
        );
        assert_eq!(some.word(some.response(9), 1), 0x7f_e014);
        let fb = some.word(some.word(some.response(3), 2), 0);
        assert_eq!((some.word(fb, 0), some.word(fb, 1), some.word(fb, 3)), (HHDM + 0x8000_0000, 800, 3200));
        let format = [some.word(fb, 4).to_le_bytes(), some.word(fb, 5).to_le_bytes()].concat();
        assert_eq!(format[..9], [32, 0, 1, 8, 16, 8, 8, 8, 0]);
    }

    #[test]
    fn an_arena_that_is_too_small_says_so() {
        let mut image = image(&[&TAG, &id(Kind::Hhdm), &[0, 0]]);
        let found = request::find(&image).unwrap();
        let mut bytes = [0; 8];
        let mut arena = Arena::new(&mut bytes, BASE);
        assert_eq!(answer(&mut image, &found, &facts(&[], &[]), &mut arena), Err(Full));
    }
}
