// SPDX-License-Identifier: BSD-2-Clause
//! Writes traces: references to pages by any number become a trace of [`crate::Format::U32`], through a small filter.
//!
//! A reference is dropped while its page is among the `filter` most recently used ones (`filter` 1: consecutive repeats are one reference). A page counts as written
//! at a reference if it was written then, or later while it stayed in the filter.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::trace::MAX_REFS;

/// Compression of traces: quick, for they are written as fast as they come.
const LEVEL: i32 = 6;

/// Why a trace cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The file's name does not end as that of such a trace does.
    #[error("{0}: a trace is called NAME.u32 or NAME.u32.zst")]
    Name(PathBuf),
    /// A file cannot be written.
    #[error("{0}: {1}")]
    Write(PathBuf, std::io::Error),
    /// More references than a trace can have.
    #[error("{0}: more than {MAX_REFS} references")]
    Long(PathBuf),
}

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// References that came.
    pub seen: u64,
    /// References that are in the trace.
    pub refs: u64,
    /// Different pages.
    pub pages: u32,
    /// References that wrote.
    pub writes: u64,
}

enum Sink {
    Plain(BufWriter<File>),
    Zstd(zstd::Encoder<'static, BufWriter<File>>),
}

impl Sink {
    fn create(path: &Path) -> std::io::Result<Self> {
        let file = BufWriter::new(File::create(path)?);
        Ok(if path.extension().is_some_and(|e| e == "zst") {
            Self::Zstd(zstd::Encoder::new(file, LEVEL)?)
        } else {
            Self::Plain(file)
        })
    }

    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        match self {
            Self::Plain(file) => file.write_all(bytes),
            Self::Zstd(file) => file.write_all(bytes),
        }
    }

    fn finish(self) -> std::io::Result<()> {
        match self {
            Self::Plain(mut file) => file.flush(),
            Self::Zstd(file) => file.finish()?.flush(),
        }
    }
}

/// Writes a file of a trace, compressed if its name says so.
///
/// # Errors
/// It cannot be written.
pub fn store(path: &Path, bytes: &[u8]) -> Result<(), RecordError> {
    Sink::create(path)
        .and_then(|mut sink| sink.write(bytes).and_then(|()| sink.finish()))
        .map_err(|e| RecordError::Write(path.into(), e))
}

/// The files of a trace called `path`: the trace, its dirty bits, and what is told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// `NAME.u32` or `NAME.u32.zst`.
    pub refs: PathBuf,
    /// `NAME.dirty` or `NAME.dirty.zst`.
    pub dirty: PathBuf,
    /// `NAME.json`.
    pub about: PathBuf,
    /// `NAME`.
    pub name: String,
}

impl Files {
    /// By the name of the trace.
    ///
    /// # Errors
    /// [`RecordError::Name`].
    pub fn of(path: &Path) -> Result<Self, RecordError> {
        let wrong = || RecordError::Name(path.into());
        let file = path.file_name().and_then(|n| n.to_str()).ok_or_else(wrong)?;
        let (bare, end) = file.strip_suffix(".zst").map_or((file, ""), |bare| (bare, ".zst"));
        // What reads traces takes the name to end at the first dot.
        let name =
            bare.strip_suffix(".u32").filter(|n| !n.is_empty() && !n.contains('.')).ok_or_else(wrong)?;
        Ok(Self {
            refs: path.into(),
            dirty: path.with_file_name(format!("{name}.dirty{end}")),
            about: path.with_file_name(format!("{name}.json")),
            name: name.into(),
        })
    }
}

/// A trace that is being written.
pub struct Recorder {
    files: Files,
    sink: Sink,
    filter: usize,
    /// The pages in the filter, the last one used first, with the reference that brought each there.
    recent: Vec<(u64, u64)>,
    numbers: HashMap<u64, u32>,
    dirty: Vec<u8>,
    summary: Summary,
}

impl Recorder {
    /// Begins a trace. `filter`: pages of the filter; 0 is 1.
    ///
    /// # Errors
    /// A name that no trace has, or a file that cannot be written.
    pub fn create(path: &Path, filter: usize) -> Result<Self, RecordError> {
        let files = Files::of(path)?;
        let sink = Sink::create(&files.refs).map_err(|e| RecordError::Write(files.refs.clone(), e))?;
        let filter = filter.max(1);
        Ok(Self {
            files,
            sink,
            filter,
            recent: Vec::with_capacity(filter),
            numbers: HashMap::new(),
            dirty: Vec::new(),
            summary: Summary::default(),
        })
    }

    /// Takes a reference.
    ///
    /// # Errors
    /// The file cannot be written, or there are too many references.
    pub fn push(&mut self, page: u64, write: bool) -> Result<(), RecordError> {
        self.summary.seen += 1;
        if let Some(at) = self.recent.iter().position(|(p, _)| *p == page) {
            // What was used last is used again: nothing moves.
            self.recent[..=at].rotate_right(1);
        } else {
            let reference = self.append(page)?;
            self.recent.truncate(self.filter - 1);
            self.recent.insert(0, (page, reference));
        }
        if write {
            let (_, reference) = self.recent[0];
            self.wrote(reference);
        }
        Ok(())
    }

    /// Takes a reference that went through a filter already, without filtering. Returns its number, for [`Recorder::wrote`].
    ///
    /// # Errors
    /// As [`Recorder::push`].
    pub fn append(&mut self, page: u64) -> Result<u64, RecordError> {
        if self.summary.refs >= MAX_REFS as u64 {
            return Err(RecordError::Long(self.files.refs.clone()));
        }
        let next = self.numbers.len() as u32;
        let number = *self.numbers.entry(page).or_insert(next);
        self.sink.write(&number.to_le_bytes()).map_err(|e| RecordError::Write(self.files.refs.clone(), e))?;
        self.summary.refs += 1;
        Ok(self.summary.refs - 1)
    }

    /// Notes that the page of an earlier reference was written.
    pub fn wrote(&mut self, reference: u64) {
        let (byte, bit) = ((reference >> 3) as usize, 1 << (reference & 7));
        if byte >= self.dirty.len() {
            self.dirty.resize(byte + 1, 0);
        }
        self.summary.writes += u64::from(self.dirty[byte] & bit == 0);
        self.dirty[byte] |= bit;
    }

    /// How far it is.
    #[must_use]
    pub fn summary(&self) -> Summary {
        Summary { pages: self.numbers.len() as u32, ..self.summary }
    }

    /// Ends the trace: writes its dirty bits, and beside it what `about` and the summary say.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn finish(mut self, about: Value) -> Result<Summary, RecordError> {
        let summary = self.summary();
        let Files { refs, dirty, about: beside, name } = self.files;
        self.sink.finish().map_err(|e| RecordError::Write(refs, e))?;
        self.dirty.resize(summary.refs.div_ceil(8) as usize, 0);
        store(&dirty, &self.dirty)?;
        let mut all = json!({
            "name": name,
            "page_size": 4096,
            "filter_k": self.filter,
            "refs": summary.refs,
            "unique_pages": summary.pages,
            "dirty_refs": summary.writes,
        });
        if let (Some(all), Value::Object(about)) = (all.as_object_mut(), about) {
            all.extend(about);
        }
        store(&beside, format!("{all:#}\n").as_bytes())?;
        Ok(summary)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::Trace;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("ebb-record-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    fn recorded(name: &str, file: &str, filter: usize, refs: &[(u64, bool)]) -> (Trace, Summary) {
        let folder = folder(name);
        let path = folder.join(file);
        let mut recorder = Recorder::create(&path, filter).unwrap();
        refs.iter().for_each(|(page, write)| recorder.push(*page, *write).unwrap());
        let summary = recorder.finish(json!({"source": "test"})).unwrap();
        let trace = Trace::read(&path, None).unwrap();
        let about: Value =
            serde_json::from_str(&std::fs::read_to_string(Files::of(&path).unwrap().about).unwrap()).unwrap();
        assert_eq!((about["refs"].as_u64(), about["source"].as_str()), (Some(summary.refs), Some("test")));
        std::fs::remove_dir_all(&folder).unwrap();
        (trace, summary)
    }

    #[test]
    fn what_is_recorded_is_read_again() {
        let refs: Vec<(u64, bool)> = (0..1000).map(|n| (1 << 40 | (n * n % 37), n % 5 == 0)).collect();
        for file in ["a.u32", "a.u32.zst"] {
            let (trace, summary) = recorded(file, file, 1, &refs);
            let naive = Trace::new("a", dedup(&refs));
            assert_eq!((trace.pages.len(), trace.unique), (naive.pages.len(), summary.pages));
            assert_eq!(trace.pages, naive.pages);
            assert!((0..trace.pages.len()).all(|n| trace.writes(n) == naive.writes(n)));
            assert_eq!(summary.seen, 1000);
        }
    }

    /// Consecutive repeats as one.
    fn dedup(refs: &[(u64, bool)]) -> Vec<(u64, bool)> {
        let mut all: Vec<(u64, bool)> = Vec::new();
        for (page, write) in refs {
            match all.last_mut() {
                Some((last, wrote)) if last == page => *wrote |= write,
                _ => all.push((*page, *write)),
            }
        }
        all
    }

    #[test]
    fn the_filter_drops_what_was_used_just_now() {
        // 1 2 1 2 3 1: with two pages remembered 1 goes when 3 comes.
        let refs = [(1, false), (2, false), (1, true), (2, false), (3, false), (1, false)];
        let (trace, summary) = recorded("filter", "f.u32", 2, &refs);
        assert_eq!(trace.pages, [0, 1, 2, 0]);
        assert!(trace.writes(0), "a write while it stayed in the filter is its reference's");
        assert!(!trace.writes(1) && !trace.writes(3));
        assert_eq!((summary.seen, summary.refs, summary.pages, summary.writes), (6, 4, 3, 1));
    }

    #[test]
    fn names_are_those_of_traces() {
        let files = Files::of(Path::new("/x/gcc.u32.zst")).unwrap();
        assert_eq!(files.dirty, Path::new("/x/gcc.dirty.zst"));
        assert_eq!(files.about, Path::new("/x/gcc.json"));
        for bad in ["gcc", "gcc.zst", ".u32", "a.b.u32", "gcc.csv", "/"] {
            assert!(matches!(Files::of(Path::new(bad)), Err(RecordError::Name(_))), "{bad}");
        }
        assert!(matches!(
            Recorder::create(Path::new("/no/such/folder/a.u32"), 1),
            Err(RecordError::Write(..))
        ));
    }

    #[test]
    fn writes_can_be_noted_later() {
        let folder = folder("later");
        let path = folder.join("l.u32");
        let mut recorder = Recorder::create(&path, 8).unwrap();
        for page in [5, 6, 5] {
            recorder.append(page).unwrap();
        }
        recorder.wrote(1);
        recorder.wrote(1);
        assert_eq!(recorder.finish(json!({})).unwrap().writes, 1);
        let trace = Trace::read(&path, None).unwrap();
        assert_eq!(trace.pages, [0, 1, 0]);
        assert!(trace.writes(1) && !trace.writes(0) && !trace.writes(2));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
