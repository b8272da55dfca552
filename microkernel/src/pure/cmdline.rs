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
    /// `align=`: the kernel begins when the time-stamp counter is a multiple of so many cycles, so that a machine that counts instructions goes on
    /// from there the same way however long its firmware took.
    pub align: Option<u64>,
    /// `fail=`: the kernel fails on purpose when it has booted, so that tests see its epitaph.
    pub fail: Option<Fail>,
}

/// Ways to fail on purpose.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fail {
    /// `fail=assertion`: something that the kernel relies on does not hold.
    Assertion,
    /// `fail=fault`: an access to memory that is not there.
    Fault,
    /// `fail=text`: a write to the kernel's own text.
    Text,
    /// `fail=stack`: the stack overflows into its guard page.
    Stack,
}

impl Options {
    /// Reads the command line. Also returns the last word, if any, that the kernel knows with a value that it does not.
    pub fn parse(line: &str) -> (Options, Option<&str>) {
        let mut options = Options::default();
        let mut bad = None;
        for word in line.split_ascii_whitespace() {
            let Some((key, value)) = word.split_once('=') else { continue };
            match (key, value) {
                ("mem", _) => {
                    options.memory = size(value);
                    if options.memory.is_none() {
                        bad = Some(word);
                    }
                }
                ("align", _) => {
                    options.align = size(value).filter(|cycles| *cycles > 0);
                    if options.align.is_none() {
                        bad = Some(word);
                    }
                }
                ("log", "com1") => options.log_com2 = false,
                ("log", "com2") => options.log_com2 = true,
                ("exit", "qemu") => options.exit_qemu = true,
                ("exit", "halt") => options.exit_qemu = false,
                ("fail", "assertion") => options.fail = Some(Fail::Assertion),
                ("fail", "fault") => options.fail = Some(Fail::Fault),
                ("fail", "text") => options.fail = Some(Fail::Text),
                ("fail", "stack") => options.fail = Some(Fail::Stack),
                ("log" | "exit" | "fail", _) => bad = Some(word),
                _ => {}
            }
        }
        (options, bad)
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
        let options = Options::parse("mem=64M log=com2 exit=qemu exec=true quiet");
        let expected =
            Options { memory: Some(64 << 20), log_com2: true, exit_qemu: true, ..Options::default() };
        assert_eq!(options, (expected, None));
        assert_eq!(Options::parse("fail=stack").0.fail, Some(Fail::Stack));
        assert_eq!(Options::parse(""), (Options::default(), None));
        assert_eq!(Options::parse("mem=33554432").0.memory, Some(32 << 20));
        assert_eq!(Options::parse("align=8000").0.align, Some(8000));
    }

    #[test]
    fn refuses_values_that_it_does_not_know() {
        for bad in [
            "mem=",
            "mem=M",
            "mem=-1",
            "mem=12Q",
            "mem=99999999999G",
            "align=0",
            "align=soon",
            "log=com3",
            "exit=now",
            "fail=",
            "fail=maybe",
        ] {
            assert_eq!(Options::parse(bad).1, Some(bad));
            let line = std::format!("{bad} exit=qemu");
            assert!(Options::parse(&line).0.exit_qemu, "how to end is known all the same");
        }
    }
}
