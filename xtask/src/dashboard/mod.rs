// SPDX-License-Identifier: BSD-2-Clause
//! `cargo xtask run --dashboard`: what the machine does, live, beside its shell.
//!
//! The machine writes a record a second to its log ([`record`]); here the records are taken out of the log, and drawn ([`view`]) together with a terminal of
//! the shell's own. Keys go to the machine as without the dashboard. The terminal is as it was on every way out.

mod record;
mod view;

use std::io::{self, IsTerminal, Write};
use std::num::NonZeroU16;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use ratatui_core::layout::Rect;
use ratatui_core::terminal::Terminal;
use ratatui_crossterm::CrosstermBackend;
use ratatui_crossterm::crossterm::terminal::size;

pub use record::{Record, Splitter};

use crate::terminal::Whole;
use record::History;
use view::Places;

/// A record as the machine writes it, for others' tests.
#[cfg(test)]
pub fn record_text() -> String {
    record::tests::text(1, 2, 3)
}

/// Milliseconds between two records.
const INTERVAL_MS: u64 = 1000;
/// How often the screen is drawn if something has changed: what is typed must not seem slow.
const FRAME: Duration = Duration::from_millis(25);

struct State {
    history: History,
    shell: vt100::Parser,
    changed: bool,
}

/// A dashboard that is drawn as long as this lives.
pub struct Dashboard {
    state: Arc<Mutex<State>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<io::Result<()>>>,
    /// Size of the shell's terminal.
    shell: Rect,
}

impl Dashboard {
    /// Takes the size of this terminal.
    ///
    /// # Errors
    /// It is none.
    pub fn new() -> Result<Self> {
        if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
            bail!("--dashboard needs a terminal");
        }
        let (columns, rows) = size().context("the terminal does not tell its size")?;
        let shell = Places::of(Rect::new(0, 0, columns, rows)).shell;
        let state =
            State { history: History::default(), shell: terminal(shell.height, shell.width), changed: true };
        Ok(Self { state: Arc::new(Mutex::new(state)), stop: Arc::default(), thread: None, shell })
    }

    /// Words on the kernel's command line: that there are records, and how large the shell's terminal is.
    pub fn words(&self) -> String {
        format!("dashboard={INTERVAL_MS} cols={} rows={}", self.shell.width.max(1), self.shell.height.max(1))
    }

    /// Where the console's bytes go.
    pub fn console(&self) -> Box<dyn Write + Send> {
        Box::new(Console(self.state.clone()))
    }

    /// Where the log's bytes go; what is no record goes on to `log`.
    pub fn log(&self, log: impl Write + Send + 'static) -> Box<dyn Write + Send> {
        Box::new(Log { state: self.state.clone(), splitter: Splitter::default(), log })
    }

    /// Begins to draw. The whole screen must be ours.
    ///
    /// # Errors
    /// The terminal cannot be drawn on.
    pub fn start(&mut self, _whole: &Whole) -> Result<()> {
        let mut terminal = Terminal::new(CrosstermBackend::new(io::stdout()))?;
        let (state, stop) = (self.state.clone(), self.stop.clone());
        self.thread = Some(std::thread::spawn(move || {
            let mut drawn = (0, 0);
            while !stop.load(Ordering::Relaxed) {
                let now = size()?;
                let mut state = lock(&state);
                if std::mem::take(&mut state.changed) || now != drawn {
                    drawn = now;
                    fit(&mut state.shell, Places::of(Rect::new(0, 0, now.0, now.1)).shell.height);
                    terminal.draw(|frame| view::draw(frame, &state.history, state.shell.screen()))?;
                }
                drop(state);
                std::thread::sleep(FRAME);
            }
            Ok(())
        }));
        Ok(())
    }

    /// Ends drawing. Returns what stands in the shell's terminal, to be left behind.
    ///
    /// # Errors
    /// The terminal could not be drawn on.
    pub fn stop(mut self) -> Result<String> {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let ended = thread.join().map_err(|_| anyhow::anyhow!("the dashboard panicked"))?;
            ended.context("the dashboard could not be drawn")?;
        }
        Ok(lock(&self.state).shell.screen().contents().trim_end().to_string())
    }
}

/// A terminal of that size, or the smallest there is.
fn terminal(rows: u16, columns: u16) -> vt100::Parser {
    vt100::Parser::new(at_least_one(rows), at_least_one(columns), 0)
}

fn at_least_one(n: u16) -> NonZeroU16 {
    NonZeroU16::new(n).unwrap_or(NonZeroU16::MIN)
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Gives the shell's terminal so many rows. Its width is what the machine was told at its start. Where rows go, the upper ones do.
fn fit(shell: &mut vt100::Parser, rows: u16) {
    let rows = at_least_one(rows);
    let (had, columns) = shell.screen().size();
    if rows == had {
        return;
    }
    shell.set_size(rows, columns);
}

struct Console(Arc<Mutex<State>>);

impl Write for Console {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = lock(&self.0);
        state.shell.process(bytes);
        state.changed = true;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Log<W> {
    state: Arc<Mutex<State>>,
    splitter: Splitter,
    log: W,
}

impl<W: Write> Write for Log<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let state = &self.state;
        let rest = self.splitter.take(bytes, |text| {
            let Some(record) = Record::parse(text) else { return false };
            let mut state = lock(state);
            state.history.add(record);
            state.changed = true;
            true
        });
        self.log.write_all(&rest)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.log.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lower_terminal_keeps_the_line_that_is_typed_on() {
        let mut shell = terminal(10, 20);
        for n in 0..9 {
            shell.process(format!("line {n}\r\n").as_bytes());
        }
        shell.process(b"ebb# typed");
        fit(&mut shell, 4);
        assert_eq!(shell.screen().contents(), "line 6\nline 7\nline 8\nebb# typed");
        assert_eq!(shell.screen().cursor_position(), (3, 10));
        fit(&mut shell, 12);
        shell.process(b" on\r\n");
        assert!(shell.screen().contents().contains("ebb# typed on"));
        fit(&mut shell, 0);
        assert_eq!(shell.screen().size(), (at_least_one(1), at_least_one(20)));
    }

    #[test]
    fn the_log_gets_what_is_no_record() {
        let state = State { history: History::default(), shell: terminal(5, 5), changed: false };
        let state = Arc::new(Mutex::new(state));
        let mut log = Log { state: state.clone(), splitter: Splitter::default(), log: Vec::new() };
        let record = record::tests::text(5, 6, 7);
        write!(log, "one\n\x1e{record}\ntwo\n\x1eno record\n").unwrap();
        assert_eq!(log.log, b"one\ntwo\nno record\n");
        let state = lock(&state);
        assert_eq!(state.history.last.as_ref().map(|r| r.us), Some(5));
        assert!(state.changed);
    }
}
