// SPDX-License-Identifier: BSD-2-Clause
//! A TPM that says that it is out of order.
//!
//! OVMF waits for a TPM where there is none: QEMU reads 0 from an address without a device, which looks like a TPM that
//! is busy, and the firmware gives it two seconds. That is half of every boot, and under `-icount`, where a second is a
//! thousand million instructions, half a minute. A TPM that fails at once costs nothing: the firmware goes on without.
//! QEMU's passthrough takes any character device for one, so it gets a terminal of ours, where four commands are heard
//! at most.

use std::ffi::CStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// `TPM2_ST_NO_SESSIONS`, the tag of our answers.
const NO_SESSIONS: u16 = 0x8001;
/// `TPM2_RC_FAILURE`.
const FAILURE: u32 = 0x101;
/// `TPM2_CC_GetCapability`.
const GET_CAPABILITY: u32 = 0x17a;
/// `TPM2_CAP_TPM_PROPERTIES`, and the two of them that QEMU asks for: the largest command and response, in bytes.
const PROPERTIES: u32 = 6;
const SIZES: [(u32, u32); 2] = [(0x11e, 4096), (0x11f, 4096)];

/// The TPM; it answers until this is dropped.
pub struct FailedTpm {
    /// QEMU opens the terminal by its name, which is good as long as one side of ours is open.
    _terminal: OwnedFd,
    path: String,
    is_known: Arc<AtomicBool>,
}

impl FailedTpm {
    /// Makes one.
    ///
    /// # Errors
    /// The host has no terminals left.
    pub fn start() -> io::Result<Self> {
        let (mut ours, mut theirs) = (-1, -1);
        let null = std::ptr::null_mut();
        // SAFETY: both descriptors are written before they are read; name, mode and size may be null.
        if unsafe { libc::openpty(&raw mut ours, &raw mut theirs, null, null.cast(), null.cast()) } != 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: openpty gave us both, and nobody else knows them.
        let (mut ours, theirs) = unsafe { (File::from_raw_fd(ours), OwnedFd::from_raw_fd(theirs)) };
        let path = prepare(&theirs, &ours)?;
        let is_known = Arc::new(AtomicBool::new(false));
        let knows = is_known.clone();
        std::thread::spawn(move || {
            let mut command = [0; 4096];
            // Ends with an error when the last one on the other side has gone.
            while let Ok(n @ 1..) = ours.read(&mut command) {
                if ours.write_all(&answer(&command[..n])).is_err() {
                    return;
                }
                if code_of(&command[..n]) == Some(GET_CAPABILITY) {
                    knows.store(true, Ordering::Relaxed);
                }
            }
        });
        Ok(Self { _terminal: theirs, path, is_known })
    }

    /// Whether QEMU has taken it for a TPM: it has asked for sizes.
    pub fn is_known(&self) -> bool {
        self.is_known.load(Ordering::Relaxed)
    }

    /// QEMU's arguments for it.
    pub fn arguments(&self) -> [String; 4] {
        let back = format!("passthrough,id=tpm,path={},cancel-path=/dev/null", self.path);
        ["-tpmdev".to_string(), back, "-device".to_string(), "tpm-tis,tpmdev=tpm".to_string()]
    }
}

/// Makes the terminal pass bytes as they are, keeps both sides from QEMU, and gives the name.
fn prepare(theirs: &OwnedFd, ours: &File) -> io::Result<String> {
    let mut mode = std::mem::MaybeUninit::<libc::termios>::uninit();
    let mut name = [0; 64];
    let fd = theirs.as_raw_fd();
    // SAFETY: each call gets an open descriptor and memory of its own of the stated size; `mode` is read only after
    // tcgetattr has filled it.
    let done = unsafe {
        libc::tcgetattr(fd, mode.as_mut_ptr()) == 0
            && {
                libc::cfmakeraw(mode.as_mut_ptr());
                libc::tcsetattr(fd, libc::TCSANOW, mode.as_ptr()) == 0
            }
            && libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) == 0
            && libc::fcntl(ours.as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC) == 0
            && libc::ttyname_r(fd, name.as_mut_ptr(), name.len()) == 0
    };
    if !done {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: ttyname_r wrote a string with its end into the array.
    let name = unsafe { CStr::from_ptr(name.as_ptr()) };
    Ok(name.to_string_lossy().into_owned())
}

/// What a command asks for.
fn code_of(command: &[u8]) -> Option<u32> {
    command.get(6..10).and_then(|c| c.try_into().ok()).map(u32::from_be_bytes)
}

/// The answer to a command: that everything has failed, except what QEMU asks to size its buffers.
fn answer(command: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    let result = if code_of(command) == Some(GET_CAPABILITY) {
        body.push(0); // no more than these
        let words =
            [PROPERTIES, SIZES.len() as u32].into_iter().chain(SIZES.into_iter().flat_map(|(k, v)| [k, v]));
        words.for_each(|word| body.extend(word.to_be_bytes()));
        0
    } else {
        FAILURE
    };
    let mut answer = NO_SESSIONS.to_be_bytes().to_vec();
    answer.extend((10 + body.len() as u32).to_be_bytes());
    answer.extend(result.to_be_bytes());
    answer.extend(body);
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_fails_but_the_size_of_buffers() {
        let startup = [0x80, 1, 0, 0, 0, 12, 0, 0, 1, 0x44, 0, 0];
        assert_eq!(answer(&startup), [0x80, 1, 0, 0, 0, 10, 0, 0, 1, 1]);
        assert_eq!(answer(&[]), answer(&startup));
        let capability = [0x80, 1, 0, 0, 0, 22, 0, 0, 1, 0x7a, 0, 0, 0, 6];
        let sizes = answer(&capability);
        assert_eq!((sizes.len(), sizes[5], &sizes[6..10]), (35, 35, &[0; 4][..]));
    }

    #[test]
    fn a_client_on_the_terminal_hears_the_answer() {
        let tpm = FailedTpm::start().unwrap();
        let mut client = File::options().read(true).write(true).open(&tpm.path).unwrap();
        let command = [0x80, 1, 0, 0, 0, 10, 0, 0, 1, 0x81];
        client.write_all(&command).unwrap();
        let mut heard = [0; 10];
        client.read_exact(&mut heard).unwrap();
        assert_eq!(heard.as_slice(), answer(&command));
        assert!(!tpm.is_known());
        client.write_all(&[0x80, 1, 0, 0, 0, 22, 0, 0, 1, 0x7a, 0, 0, 0, 6]).unwrap();
        let mut sizes = [0; 35];
        client.read_exact(&mut sizes).unwrap();
        // It is noted after it is answered.
        assert!((0..1000).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(1));
            tpm.is_known()
        }));
    }
}
