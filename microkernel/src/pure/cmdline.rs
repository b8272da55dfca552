// SPDX-License-Identifier: BSD-2-Clause
//! The kernel's command line: words separated by blanks, `key=value`.

/// What the kernel itself understands of its command line; the rest belongs to `init`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Options {
    /// `mem=`: use at most so many bytes of memory.
    pub memory: Option<u64>,
    /// `log=com2`: the log goes to the second serial port.
    pub log_com2: bool,
    /// `exit=qemu`: the end of the machine is reported through QEMU's isa-debug-exit device.
    pub exit_qemu: bool,
}

/// A word of the command line that the kernel knows, with a value that it does not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bad<'a>(pub &'a str);

impl Options {
    /// Reads the command line. The first bad word ends it.
    pub fn parse(line: &str) -> Result<Options, Bad<'_>> {
        let mut options = Options::default();
        for word in line.split_ascii_whitespace() {
            let Some((key, value)) = word.split_once('=') else { continue };
            match (key, value) {
                ("mem", _) => options.memory = Some(size(value).ok_or(Bad(word))?),
                ("log", "com1") => options.log_com2 = false,
                ("log", "com2") => options.log_com2 = true,
                ("log", _) => return Err(Bad(word)),
                ("exit", "qemu") => options.exit_qemu = true,
                ("exit", "halt") => options.exit_qemu = false,
                ("exit", _) => return Err(Bad(word)),
                _ => {}
            }
        }
        Ok(options)
    }
}

/// Bytes, with an optional suffix K, M or G (powers of 1024).
fn size(text: &str) -> Option<u64> {
    let (digits, shift) = match text.as_bytes().last()? {
        b'K' | b'k' => (&text[..text.len() - 1], 10),
        b'M' | b'm' => (&text[..text.len() - 1], 20),
        b'G' | b'g' => (&text[..text.len() - 1], 30),
        _ => (text, 0),
    };
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn understands_its_own_words_and_leaves_the_rest() {
        let options = Options::parse("mem=64M log=com2 exit=qemu exec=true quiet").unwrap();
        assert_eq!(options, Options { memory: Some(64 << 20), log_com2: true, exit_qemu: true });
        assert_eq!(Options::parse(""), Ok(Options::default()));
        assert_eq!(Options::parse("mem=33554432").unwrap().memory, Some(32 << 20));
    }

    #[test]
    fn refuses_values_that_it_does_not_know() {
        for bad in ["mem=", "mem=M", "mem=-1", "mem=12Q", "mem=99999999999G", "log=com3", "exit=now"] {
            assert_eq!(Options::parse(bad), Err(Bad(bad)));
        }
    }
}
