// SPDX-License-Identifier: BSD-2-Clause
//! Traces: which page was referenced, in order, and whether it was written.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// What a page number is divided by where a format holds addresses.
const PAGE_SIZE: u64 = 4096;
/// Most references in a trace: positions are 32-bit numbers.
pub(crate) const MAX_REFS: usize = u32::MAX as usize - 1;

/// The formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Little-endian 32-bit page numbers; `NAME.dirty.zst` beside it says which references wrote.
    U32,
    /// libCacheSim's oracleGeneral: records of 24 bytes, of which bytes 4 to 12 name the object.
    Oracle,
    /// Lines; the second field, or the only one, names the page. A line that begins with `#`, or a first line without a number there, is skipped.
    Csv,
    /// What `valgrind --tool=lackey --trace-mem=yes` prints: `I`, `L`, `S` and `M` with address and size.
    Lackey,
}

impl Format {
    /// The format that a file's name speaks of.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        let name = name.strip_suffix(".zst").unwrap_or(name);
        match name.rsplit_once('.')?.1 {
            "u32" => Some(Self::U32),
            "bin" | "oracleGeneral" => Some(Self::Oracle),
            "csv" | "txt" => Some(Self::Csv),
            "lackey" | "log" => Some(Self::Lackey),
            _ => None,
        }
    }
}

/// Why a trace cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The file cannot be read, or is no zstd stream although it is called so.
    #[error("{0}: {1}")]
    Read(PathBuf, std::io::Error),
    /// Its name does not say what it is.
    #[error("{0}: no known format by its name: give --format")]
    Unknown(PathBuf),
    /// It breaks off in mid-record.
    #[error("{0}: {1} bytes are no whole number of records of {2}")]
    Cut(PathBuf, usize, usize),
    /// A line that cannot be understood.
    #[error("{0}: line {1}: {2}")]
    Line(PathBuf, usize, &'static str),
    /// No reference in it.
    #[error("{0}: no references")]
    Empty(PathBuf),
    /// More references than can be counted.
    #[error("{0}: more than {MAX_REFS} references")]
    Long(PathBuf),
    /// The dirty bitmap is not as long as the trace.
    #[error("{0}: {1} bytes, but {2} references take {3}")]
    Bitmap(PathBuf, usize, usize, usize),
    /// It is not what the manifest beside it says.
    #[error("{0}: the SHA-256 of its content is {1}, but its manifest says {2}")]
    Hash(PathBuf, String, String),
    /// The manifest is no JSON.
    #[error("{0}: {1}")]
    Manifest(PathBuf, serde_json::Error),
}

/// A trace in memory.
#[derive(Clone, Debug)]
pub struct Trace {
    /// Its name: the file's, up to the first dot.
    pub name: String,
    /// Pages, numbered from 0 in the order of their first reference.
    pub pages: Vec<u32>,
    /// A bit a reference, least significant first: it wrote.
    dirty: Vec<u8>,
    /// Different pages.
    pub unique: u32,
}

impl Trace {
    /// A trace of pages by any number, none written.
    ///
    /// # Panics
    /// With 2^32 or more references.
    #[must_use]
    pub fn new(name: &str, references: impl IntoIterator<Item = (u64, bool)>) -> Self {
        let mut builder = Builder::new();
        for (page, write) in references {
            assert!(builder.push(page, write), "too many references");
        }
        builder.finish(name.to_owned())
    }

    /// A nameless trace of pages that are numbered densely, and bits as [`Trace::dirty`] has them.
    pub(crate) fn dense(pages: Vec<u32>, dirty: Vec<u8>) -> Self {
        let unique = pages.iter().max().map_or(0, |most| most + 1);
        Self { name: String::new(), pages, dirty, unique }
    }

    /// Whether the reference with this number wrote.
    #[must_use]
    pub fn writes(&self, number: usize) -> bool {
        self.dirty.get(number >> 3).is_some_and(|byte| byte >> (number & 7) & 1 != 0)
    }

    /// Which references wrote, as [`Trace::writes`] says: bit `n & 7` of byte `n >> 3`. Those beyond its end did not.
    #[must_use]
    pub fn dirty(&self) -> &[u8] {
        &self.dirty
    }

    /// Reads a trace; `.zst` at the end of the name says that it is compressed. A `manifest.json` beside it that names it is checked.
    ///
    /// # Errors
    /// The file cannot be read or understood, or is not what its manifest says.
    pub fn read(path: &Path, format: Option<Format>) -> Result<Self, TraceError> {
        let format = match format.or_else(|| Format::of(path)) {
            Some(format) => format,
            None => return Err(TraceError::Unknown(path.into())),
        };
        let file = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        let name = file.split('.').next().unwrap_or_default().to_owned();
        let mut builder = Builder::new();
        match format {
            Format::U32 => {
                let bytes = bytes(path)?;
                check(path, &name, "refs_sha256", &bytes)?;
                for record in records::<4>(path, &bytes)? {
                    builder.take(path, u64::from(u32::from_le_bytes(*record)), false)?;
                }
                let mut trace = builder.finish(name.clone());
                if let Some(dirty) = dirty_path(path).filter(|p| p.is_file()) {
                    trace.dirty = self::bytes(&dirty)?;
                    check(&dirty, &name, "dirty_sha256", &trace.dirty)?;
                    let (refs, bytes) = (trace.pages.len(), trace.pages.len().div_ceil(8));
                    if trace.dirty.len() != bytes {
                        return Err(TraceError::Bitmap(dirty, trace.dirty.len(), refs, bytes));
                    }
                }
                return trace.not_empty(path);
            }
            Format::Oracle => {
                for record in records::<24>(path, &bytes(path)?)? {
                    let mut id = [0; 8];
                    id.copy_from_slice(&record[4..12]);
                    builder.take(path, u64::from_le_bytes(id), false)?;
                }
            }
            Format::Csv => lines(path, |number, line| csv(number, line, &mut builder, path))?,
            Format::Lackey => lines(path, |number, line| lackey(number, line, &mut builder, path))?,
        }
        builder.finish(name).not_empty(path)
    }

    fn not_empty(self, path: &Path) -> Result<Self, TraceError> {
        if self.pages.is_empty() { Err(TraceError::Empty(path.into())) } else { Ok(self) }
    }
}

/// Numbers pages as they come.
struct Builder {
    numbers: HashMap<u64, u32>,
    pages: Vec<u32>,
    dirty: Vec<u8>,
}

impl Builder {
    fn new() -> Self {
        Self { numbers: HashMap::new(), pages: Vec::new(), dirty: Vec::new() }
    }

    fn push(&mut self, page: u64, write: bool) -> bool {
        let at = self.pages.len();
        if at >= MAX_REFS {
            return false;
        }
        let next = self.numbers.len() as u32;
        self.pages.push(*self.numbers.entry(page).or_insert(next));
        if write {
            self.dirty.resize((at >> 3) + 1, 0);
            self.dirty[at >> 3] |= 1 << (at & 7);
        }
        true
    }

    fn take(&mut self, path: &Path, page: u64, write: bool) -> Result<(), TraceError> {
        if self.push(page, write) { Ok(()) } else { Err(TraceError::Long(path.into())) }
    }

    fn finish(self, name: String) -> Trace {
        Trace { name, pages: self.pages, dirty: self.dirty, unique: self.numbers.len() as u32 }
    }
}

/// `NAME.dirty.zst` for `NAME.u32.zst`.
fn dirty_path(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?;
    name.contains(".u32").then(|| path.with_file_name(name.replacen(".u32", ".dirty", 1)))
}

fn open(path: &Path) -> Result<Box<dyn Read>, TraceError> {
    let wrong = |error| TraceError::Read(path.into(), error);
    let file = File::open(path).map_err(wrong)?;
    if path.extension().is_some_and(|e| e == "zst") {
        Ok(Box::new(zstd::Decoder::new(file).map_err(wrong)?))
    } else {
        Ok(Box::new(file))
    }
}

fn bytes(path: &Path) -> Result<Vec<u8>, TraceError> {
    let mut bytes = Vec::new();
    open(path)?.read_to_end(&mut bytes).map_err(|error| TraceError::Read(path.into(), error))?;
    Ok(bytes)
}

fn records<'a, const SIZE: usize>(
    path: &Path,
    bytes: &'a [u8],
) -> Result<impl Iterator<Item = &'a [u8; SIZE]>, TraceError> {
    if !bytes.len().is_multiple_of(SIZE) {
        return Err(TraceError::Cut(path.into(), bytes.len(), SIZE));
    }
    Ok(bytes.chunks_exact(SIZE).filter_map(|chunk| chunk.try_into().ok()))
}

fn lines(path: &Path, mut each: impl FnMut(usize, &str) -> Result<(), TraceError>) -> Result<(), TraceError> {
    for (number, line) in BufReader::new(open(path)?).lines().enumerate() {
        each(number + 1, &line.map_err(|error| TraceError::Read(path.into(), error))?)?;
    }
    Ok(())
}

fn csv(number: usize, line: &str, builder: &mut Builder, path: &Path) -> Result<(), TraceError> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(());
    }
    let mut fields = line.split([',', ';', '\t', ' ']).map(str::trim).filter(|f| !f.is_empty());
    let first = fields.next();
    let Some(field) = fields.next().or(first) else { return Ok(()) };
    let parsed = match field.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => field.parse(),
    };
    match parsed {
        Ok(page) => builder.take(path, page, false),
        // The names of the fields.
        Err(_) if number == 1 => Ok(()),
        Err(_) => Err(TraceError::Line(path.into(), number, "the second field is not a page's number")),
    }
}

fn lackey(number: usize, line: &str, builder: &mut Builder, path: &Path) -> Result<(), TraceError> {
    let access = lackey_line(line).map_err(|what| TraceError::Line(path.into(), number, what))?;
    let Some((pages, write)) = access else { return Ok(()) };
    for page in pages {
        builder.take(path, page, write)?;
    }
    Ok(())
}

/// The pages that a line of valgrind's lackey is about, and whether they are written: `I  04000a90,3`, ` L 1ffeffe7b,1`, ` S …`, ` M …`.
/// `None`: what valgrind says itself, which begins with `==`.
///
/// # Errors
/// What is wrong with it.
pub fn lackey_line(line: &str) -> Result<Option<(RangeInclusive<u64>, bool)>, &'static str> {
    let text = line.trim();
    if text.is_empty() || text.starts_with("==") || text.starts_with("--") {
        return Ok(None);
    }
    let (kind, place) = text.split_once(' ').ok_or("no kind and address")?;
    let write = match kind {
        "I" | "L" => false,
        "S" | "M" => true,
        _ => return Err("a kind of access that is none of I, L, S, M"),
    };
    let (address, size) = place.trim().split_once(',').ok_or("no size behind the address")?;
    let address = u64::from_str_radix(address, 16).map_err(|_| "the address is not hexadecimal")?;
    let size: u64 = size.trim().parse().map_err(|_| "the size is not a number")?;
    let last = address.saturating_add(size.max(1) - 1);
    if last - address > PAGE_SIZE {
        return Err("an access of more than a page");
    }
    Ok(Some((address / PAGE_SIZE..=last / PAGE_SIZE, write)))
}

/// Checks a file's content against the manifest beside it, where there is one that names it.
fn check(path: &Path, name: &str, key: &str, content: &[u8]) -> Result<(), TraceError> {
    let manifest = path.with_file_name("manifest.json");
    let Ok(text) = std::fs::read_to_string(&manifest) else { return Ok(()) };
    let json: serde_json::Value =
        serde_json::from_str(&text).map_err(|error| TraceError::Manifest(manifest, error))?;
    let named = json["traces"].as_array().into_iter().flatten().find(|t| t["name"] == name);
    let Some(expected) = named.and_then(|t| t[key].as_str()) else { return Ok(()) };
    let found: String = Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect();
    if found == expected { Ok(()) } else { Err(TraceError::Hash(path.into(), found, expected.into())) }
}
