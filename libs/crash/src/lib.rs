// SPDX-License-Identifier: BSD-2-Clause
//! Reporting an exception: what, where, registers, backtrace with names. For who supervises programs: `init` and `proc`.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::format;
use alloc::string::String;
use ebb_abi::Handle;
use ebb_proto::vm::{ReadMemory, Registers, Space};
use ebb_rt::client::call;
use rustc_demangle::demangle;

/// Frames of a backtrace that are shown.
const MAX_DEPTH: usize = 24;
/// Vectors by number.
const NAMES: [&str; 22] = [
    "divide error",
    "debug",
    "non-maskable interrupt",
    "breakpoint",
    "overflow",
    "bound range exceeded",
    "invalid opcode",
    "device not available",
    "double fault",
    "",
    "invalid task state segment",
    "segment not present",
    "stack fault",
    "general protection",
    "page fault",
    "",
    "floating point",
    "alignment check",
    "machine check",
    "floating point",
    "virtualization",
    "control protection",
];

/// The name of an exception.
pub fn name(vector: u64) -> &'static str {
    NAMES.get(vector as usize).copied().filter(|n| !n.is_empty()).unwrap_or("exception")
}

/// A program that went astray.
pub struct Crashed<'a> {
    /// `vm`, for one who may ask about its spaces.
    pub vm: Handle,
    /// Its space.
    pub space: Space,
    /// Its name.
    pub name: &'a str,
    /// The file that it came from, as far as it is known.
    pub image: &'a [u8],
}

impl Crashed<'_> {
    /// Writes a report to the log and returns its first line. `words`: the kernel's message.
    pub fn report(&self, words: &[u64; 6]) -> String {
        let [vector, code, ip, address, frame, _] = *words;
        let mut first = format!("{} at {ip:#x}", name(vector));
        if vector == 14 {
            first = format!("page fault at {ip:#x} on {address:#x} (code {code:#x})");
        }
        let space = self.space;
        ebb_rt::log!("{} ({space}): {first}", self.name);
        match call(self.vm, &Registers { space, frame: frame as u32 }) {
            Ok(r) => {
                const ORDER: [&str; 18] = [
                    "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "r8", "r9", "r10", "r11", "r12", "r13",
                    "r14", "r15", "rip", "rfl", "rsp",
                ];
                for (names, values) in ORDER.chunks(4).zip(r.chunks(4)) {
                    let mut line = String::new();
                    for (name, value) in names.iter().zip(values) {
                        line += &format!(" {name:>3} {value:016x}");
                    }
                    ebb_rt::log!(" {line}");
                }
                if let (Some(rip), Some(rbp)) = (r.get(15), r.get(6)) {
                    self.backtrace(*rip, *rbp);
                }
            }
            Err(error) => ebb_rt::log!("  no registers: {error}"),
        }
        first
    }

    fn backtrace(&self, mut ip: u64, mut frame: u64) {
        let (space, file) = (self.space, self.image);
        for depth in 0..MAX_DEPTH {
            // A return address names the instruction after the call.
            let at = if depth == 0 { ip } else { ip.saturating_sub(1) };
            match ebb_image::symbol(file, at) {
                Some((name, offset)) => ebb_rt::log!("  {depth:2} {ip:#x} {:#}+{offset:#x}", demangle(name)),
                None => ebb_rt::log!("  {depth:2} {ip:#x}"),
            }
            let Ok(bytes) = call(self.vm, &ReadMemory { space, address: frame, bytes: 16 }) else { return };
            let word = |n: usize| {
                bytes.get(n * 8..n * 8 + 8).and_then(|b| b.try_into().ok()).map(u64::from_le_bytes)
            };
            let (Some(next), Some(ret)) = (word(0), word(1)) else { return };
            // Frames only go up; anything else is no frame.
            if ret == 0 || next <= frame {
                return;
            }
            (ip, frame) = (ret, next);
        }
    }
}
