// SPDX-License-Identifier: BSD-2-Clause
//! Traces in all formats, and what is said of bad ones.

use std::path::{Path, PathBuf};

use ebb_sim::trace::TraceError;
use ebb_sim::{Format, Trace};
use sha2::{Digest, Sha256};

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("ebb-sim-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        let bytes = if name.ends_with(".zst") { zstd::encode_all(bytes, 3).unwrap() } else { bytes.to_vec() };
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left is in a folder for temporary files.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn words(pages: &[u32]) -> Vec<u8> {
    pages.iter().flat_map(|p| p.to_le_bytes()).collect()
}

fn read(path: &Path) -> Result<Trace, TraceError> {
    Trace::read(path, None)
}

#[test]
fn words_with_their_bitmap() {
    let folder = Folder::new("words");
    let path = folder.write("t.u32.zst", &words(&[7, 8, 7, 9, 7, 7, 7, 7, 8]));
    folder.write("t.dirty.zst", &[0b1000_0010, 1]);
    let trace = read(&path).unwrap();
    assert_eq!((trace.name.as_str(), trace.unique), ("t", 3));
    // Numbered as they come.
    assert_eq!(trace.pages, [0, 1, 0, 2, 0, 0, 0, 0, 1]);
    let written: Vec<usize> = (0..9).filter(|i| trace.writes(*i)).collect();
    assert_eq!(written, [1, 7, 8]);
}

#[test]
fn a_bitmap_of_another_length_is_refused() {
    let folder = Folder::new("bitmap");
    let path = folder.write("t.u32", &words(&[1; 9]));
    folder.write("t.dirty", &[0]);
    assert!(matches!(read(&path), Err(TraceError::Bitmap(_, 1, 9, 2))));
}

#[test]
fn what_the_manifest_says_is_checked() {
    let folder = Folder::new("manifest");
    let content = words(&[1, 2, 3]);
    let path = folder.write("t.u32.zst", &content);
    let hash: String = Sha256::digest(&content).iter().map(|b| format!("{b:02x}")).collect();
    let manifest = |hash: &str| {
        format!("{{\"traces\": [{{\"name\": \"t\", \"refs_sha256\": \"{hash}\"}}]}}").into_bytes()
    };
    folder.write("manifest.json", &manifest(&hash));
    assert!(read(&path).is_ok());
    folder.write("manifest.json", &manifest("00"));
    assert!(matches!(read(&path), Err(TraceError::Hash(..))));
    folder.write("manifest.json", b"{");
    assert!(matches!(read(&path), Err(TraceError::Manifest(..))));
}

#[test]
fn oracle_records() {
    let folder = Folder::new("oracle");
    let record = |id: u64| [&[1, 0, 0, 0][..], &id.to_le_bytes(), &[0, 16, 0, 0], &[255; 8]].concat();
    let path = folder.write("t.oracleGeneral.zst", &[record(1 << 40), record(5), record(1 << 40)].concat());
    assert_eq!(read(&path).unwrap().pages, [0, 1, 0]);
    let cut = folder.write("cut.bin", &record(5)[..23]);
    assert!(matches!(read(&cut), Err(TraceError::Cut(_, 23, 24))));
}

#[test]
fn lines_of_fields() {
    let folder = Folder::new("csv");
    let path = folder.write("t.csv", b"time,page,size\n1,77,4096\n# no\n\n2,0x4e,1\n3,77,1\n");
    assert_eq!(read(&path).unwrap().pages, [0, 1, 0]);
    let one = folder.write("one.txt", b"5\n6\n5\n");
    assert_eq!(read(&one).unwrap().pages, [0, 1, 0]);
    let bad = folder.write("bad.csv", b"1,2\n1,x\n");
    assert!(matches!(read(&bad), Err(TraceError::Line(_, 2, _))));
}

#[test]
fn what_lackey_prints() {
    let folder = Folder::new("lackey");
    let text = b"==1== Lackey\nI  04000000,3\n L 1ffeffeff8,8\n S 04000ffc,8\n M 1ffeffeff8,4\n";
    let path = folder.write("t.lackey", text);
    let trace = read(&path).unwrap();
    // The store lies across two pages.
    assert_eq!(trace.pages, [0, 1, 0, 2, 1]);
    let written: Vec<usize> = (0..5).filter(|i| trace.writes(*i)).collect();
    assert_eq!(written, [2, 3, 4]);
    for bad in ["X 1,2", " L zz,1", " L 10", " L 10,x", " L 10,999999"] {
        let path = folder.write("bad.lackey", bad.as_bytes());
        assert!(matches!(read(&path), Err(TraceError::Line(_, 1, _))), "{bad}");
    }
}

#[test]
fn what_cannot_be_read() {
    let folder = Folder::new("bad");
    assert!(matches!(read(&folder.0.join("none.u32")), Err(TraceError::Read(..))));
    assert!(matches!(read(&folder.write("t.what", b"")), Err(TraceError::Unknown(_))));
    assert!(matches!(read(&folder.write("t.u32", b"")), Err(TraceError::Empty(_))));
    assert!(matches!(read(&folder.write("t.u32", b"abc")), Err(TraceError::Cut(_, 3, 4))));
    let path = folder.0.join("t.u32.zst");
    std::fs::write(&path, b"no such stream").unwrap();
    assert!(matches!(read(&path), Err(TraceError::Read(..))));
    // A name that says nothing, and a format that is given.
    let path = folder.write("plain", &words(&[3]));
    assert_eq!(Trace::read(&path, Some(Format::U32)).unwrap().pages, [0]);
}
