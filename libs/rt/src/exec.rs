// SPDX-License-Identifier: BSD-2-Clause
//! Becoming another program: what only the loader does, which lies below [`IMAGE`] so that the program has its own place.
//!
//! The functions are safe because each of them first sees to it that it is part of a program that lies there: then nothing of the running program is in the range
//! that programs are linked at, and what is written there or jumped to is the next program's. Anywhere else they refuse.

use crate::StartInfo;
use ebb_abi::PAGE_SIZE;
use ebb_abi::layout::{IMAGE, MMAP, START_INFO, USER_MIN};
use ebb_proto::Error;

/// Bytes by which start information may grow when [`rewrite`] puts `exec` before the arguments: the string with its length, one more digit in the number of
/// arguments, and room for another name.
pub fn slack(exec: &str) -> usize {
    exec.len() + 32
}

/// Whether this program is one that can become another.
pub(crate) fn is_loader() -> bool {
    (USER_MIN..IMAGE).contains(&(is_loader as *const () as usize as u64))
}

fn within_image(address: u64, bytes: u64) -> bool {
    address >= IMAGE && address.checked_add(bytes).is_some_and(|end| end <= MMAP)
}

/// Sets bytes of the next program's image to zero; the range is mapped, writable. `Invalid`: outside the range for images. `NotPermitted`: not the loader.
pub fn zero(address: u64, bytes: u64) -> Result<(), Error> {
    if !is_loader() {
        return Err(Error::NotPermitted);
    }
    if !within_image(address, bytes) {
        return Err(Error::Invalid);
    }
    // SAFETY: the range belongs to the next program's image: nothing of this one is there (`is_loader`), and no reference is ever made to it. Where nothing is mapped this
    // is a fault, which ends the program.
    unsafe { core::ptr::write_bytes(address as *mut u8, 0, bytes as usize) };
    Ok(())
}

/// Writes other start information for the next program in place of the present one. The spawner has mapped it writable, with [`slack`].
/// `TooLong`: it does not fit. `NotPermitted`: not the loader.
pub fn rewrite(info: &StartInfo, present: &StartInfo) -> Result<(), Error> {
    if !is_loader() {
        return Err(Error::NotPermitted);
    }
    let room = (crate::start::encode(present)?.len() + slack(&present.exec)).next_multiple_of(PAGE_SIZE);
    let bytes = crate::start::encode(info)?;
    if bytes.len() > room {
        return Err(Error::TooLong);
    }
    // SAFETY: the spawner maps so many bytes here, writable for the loader. The present start information was decoded into values of its own, and nothing refers to
    // these pages after that.
    unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr(), START_INFO as *mut u8, bytes.len()) };
    Ok(())
}

/// Becomes the program at `entry`, with an empty stack. Comes back only with an error: `Invalid`: not in the range for images. `NotPermitted`: not the loader.
pub fn jump(entry: u64) -> Error {
    if !is_loader() {
        return Error::NotPermitted;
    }
    if !within_image(entry, 1) {
        return Error::Invalid;
    }
    machine::jump(entry)
}

#[cfg(target_os = "none")]
mod machine {
    use ebb_abi::layout::STACK_TOP;

    pub fn jump(entry: u64) -> ! {
        // SAFETY: as after `exit`, nothing of this program runs any more: it has one thread, which never comes back. The registers are those of a thread's start.
        unsafe {
            core::arch::asm!(
                "mov rsp, rcx",
                "xor edi, edi",
                "xor ebp, ebp",
                "jmp rax",
                in("rcx") STACK_TOP,
                in("rax") entry,
                options(noreturn),
            )
        }
    }
}

#[cfg(not(target_os = "none"))]
mod machine {
    use ebb_proto::Error;

    pub fn jump(_entry: u64) -> Error {
        Error::Unsupported
    }
}
