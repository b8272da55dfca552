// SPDX-License-Identifier: BSD-2-Clause
//! From the first instruction to `main`.

use ebb_abi::layout::{START_INFO, START_INFO_PAGES};
use ebb_abi::{Handle, PAGE_SIZE};
use ebb_proto::Error;
use ebb_proto::codec;
pub use ebb_proto::start::StartInfo;
use spin::Once;

/// How often a server that dies is told that the program ends.
const EXIT_TRIES: usize = 16;
/// Bytes before the encoded value: its length, the heap's address and length.
const HEAD: usize = 24;

static INFO: Once<StartInfo> = Once::new();

/// The start information of this program; `None` before it was read.
pub fn info() -> Option<&'static StartInfo> {
    INFO.get()
}

/// Keeps start information made by the program itself (only `init` does: nobody starts it).
pub fn set_info(info: StartInfo) -> &'static StartInfo {
    INFO.call_once(|| info)
}

/// Finding what the spawner gave, by name.
pub trait Given {
    /// The handle of that name.
    fn handle(&self, name: &str) -> Result<Handle, Error>;
    /// The number of that name.
    fn value(&self, name: &str) -> Result<u64, Error>;
}

impl Given for StartInfo {
    fn handle(&self, name: &str) -> Result<Handle, Error> {
        self.handles.iter().find(|(n, _)| n == name).map(|(_, h)| Handle(*h)).ok_or(Error::NotFound)
    }
    fn value(&self, name: &str) -> Result<u64, Error> {
        self.values.iter().find(|(n, _)| n == name).map(|(_, v)| *v).ok_or(Error::NotFound)
    }
}

/// Reads the start information. The heap must be usable already: its place stands in the first words.
///
/// Layout at `START_INFO`: length of the encoded value, address of the heap, bytes of the heap, the encoded value.
#[doc(hidden)]
pub fn read() -> &'static StartInfo {
    // SAFETY: the spawner maps these pages read-only before it starts the program, and nobody writes them afterwards.
    let words = unsafe { &*(START_INFO as *const [u64; 3]) };
    let [len, heap, heap_len] = *words;
    crate::heap::claim(heap, heap_len);
    let room = START_INFO_PAGES as usize * PAGE_SIZE - HEAD;
    let len = (len as usize).min(room);
    // SAFETY: as above; the spawner maps as many pages as the length needs, and it is bounded by what there may be.
    let bytes = unsafe { core::slice::from_raw_parts((START_INFO as usize + HEAD) as *const u8, len) };
    INFO.call_once(|| codec::decode(bytes).unwrap_or_default())
}

/// What a program has and a server has not: a heap that grows, and somebody who reads its last words.
#[doc(hidden)]
pub fn begin() {
    #[cfg(target_os = "none")]
    crate::panic::tell(crate::console::last_words);
    crate::heap::grow();
}

/// What the spawner writes: the words and bytes that [`read`] expects. `TooLong`: it does not fit the pages that there are for it.
pub fn encode(info: &StartInfo) -> Result<alloc::vec::Vec<u8>, Error> {
    let body = codec::to_bytes(info)?;
    let mut out = alloc::vec::Vec::with_capacity(HEAD + body.len());
    for word in [body.len() as u64, info.heap, info.heap_len] {
        out.extend_from_slice(&word.to_le_bytes());
    }
    out.extend_from_slice(&body);
    if out.len() > START_INFO_PAGES as usize * PAGE_SIZE { Err(Error::TooLong) } else { Ok(out) }
}

#[cfg(target_os = "none")]
core::arch::global_asm!(".global _start", "_start:", "xor ebp, ebp", "and rsp, -16", "call ebb_main", "ud2",);

/// Ends the program with a status. Does not return, also when nobody answers.
pub fn exit(status: u8) -> ! {
    if let Ok(proc) = crate::thread::server_of_processes() {
        // The answer can only be an error. If the server died over it, the next one is told; else the program ends as one that went astray.
        for _ in 0..EXIT_TRIES {
            if crate::client::call(proc, &ebb_proto::proc::Exit { status }) != Err(Error::Dead) {
                break;
            }
        }
    }
    abort()
}

/// Ends the program by an exception, which its supervisor reports.
pub fn abort() -> ! {
    loop {
        // SAFETY: the instruction raises an exception and does nothing else.
        unsafe { core::arch::asm!("ud2", options(nomem, nostack)) }
    }
}

/// Makes `fn(info: &'static StartInfo) -> !` the start of a server.
#[macro_export]
macro_rules! entry {
    ($main:path) => {
        #[allow(unsafe_code)]
        #[unsafe(no_mangle)]
        extern "C" fn ebb_main() -> ! {
            let main: fn(&'static $crate::StartInfo) -> ! = $main;
            main($crate::start::read())
        }
    };
}

/// Makes `fn(info: &'static StartInfo) -> u8` a program; what it returns is its exit status.
#[macro_export]
macro_rules! program {
    ($main:path) => {
        #[allow(unsafe_code)]
        #[unsafe(no_mangle)]
        extern "C" fn ebb_main() -> ! {
            let main: fn(&'static $crate::StartInfo) -> u8 = $main;
            let info = $crate::start::read();
            $crate::start::begin();
            $crate::process::exit(main(info))
        }
    };
}

/// Makes `fn(boot: u64) -> !` the start of `init`: the kernel's argument is passed on, there is no heap yet.
#[macro_export]
macro_rules! boot_entry {
    ($main:path) => {
        #[allow(unsafe_code)]
        #[unsafe(no_mangle)]
        extern "C" fn ebb_main(boot: u64) -> ! {
            let main: fn(u64) -> ! = $main;
            main(boot)
        }
    };
}
