// SPDX-License-Identifier: BSD-2-Clause
//! Bytes on their way to the screen: `\n` becomes `\r\n`.

use alloc::vec::Vec;

/// What is left of one write.
#[derive(Clone, Debug)]
pub struct Output {
    bytes: Vec<u8>,
    at: usize,
    /// The carriage return before the newline at `at` is out.
    returned: bool,
}

impl Output {
    /// A write of these bytes.
    pub fn new(bytes: Vec<u8>) -> Output {
        Output { bytes, at: 0, returned: false }
    }
}

impl Iterator for Output {
    type Item = u8;

    /// The next byte for the device.
    fn next(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        if byte == b'\n' && !self.returned {
            self.returned = true;
            return Some(b'\r');
        }
        self.returned = false;
        self.at += 1;
        Some(byte)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newline_is_sent_as_two_bytes_wherever_the_device_stops() {
        let text = b"a\n\nb\r\n".to_vec();
        assert_eq!(Output::new(text.clone()).collect::<Vec<_>>(), b"a\r\n\r\nb\r\r\n");
        let mut piecewise = Output::new(text);
        let mut all = Vec::new();
        loop {
            let piece: Vec<u8> = piecewise.by_ref().take(1).collect();
            if piece.is_empty() {
                break;
            }
            all.extend(piece);
        }
        assert_eq!(all, b"a\r\n\r\nb\r\r\n");
    }
}
