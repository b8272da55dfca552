// SPDX-License-Identifier: BSD-2-Clause
//! What is drawn where: the shell's terminal, and beside or above it what the machine's records say. Every number stands beside its bar, every
//! colour beside a word.

use ratatui_core::buffer::Buffer;
use ratatui_core::layout::{Constraint, Layout, Position, Rect};
use ratatui_core::style::{Color, Modifier, Style};
use ratatui_core::terminal::Frame;
use ratatui_core::text::{Line, Span};
use ratatui_core::widgets::Widget;
use ratatui_widgets::block::Block;
use ratatui_widgets::paragraph::Paragraph;
use ratatui_widgets::sparkline::{RenderDirection, Sparkline};

use super::record::{History, RATES, Record};

/// Columns that the machine believes its terminal to have if nobody tells it.
const SHELL: u16 = 80;
/// Columns of the panel beside the shell.
const BESIDE: u16 = 60;
/// Lines of the panel above it.
const ABOVE: u16 = 10;
/// With fewer columns or lines the panel is a few lines of text.
const ROOMY: (u16, u16) = (60, 20);
/// With fewer there is one line.
const TINY: (u16, u16) = (40, 10);
/// Columns of a name in the list of programs.
const NAME: usize = 11;

/// Where things are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// The shell's terminal.
    pub shell: Rect,
    /// Queues and thresholds.
    memory: Option<Rect>,
    /// Rates.
    rates: Option<Rect>,
    /// Programs.
    programs: Option<Rect>,
    /// A few lines of text instead.
    lines: Option<Rect>,
}

impl Places {
    /// Divides a terminal.
    pub fn of(area: Rect) -> Self {
        let Rect { width, height, .. } = area;
        if height < 2 {
            return Self { shell: area, ..Self::default() };
        }
        if width < TINY.0 || height < TINY.1 {
            let [line, shell] = Layout::vertical([Constraint::Length(1), Constraint::Min(1)]).areas(area);
            return Self { shell, lines: Some(line), ..Self::default() };
        }
        if width < ROOMY.0 || height < ROOMY.1 {
            let [lines, shell] = Layout::vertical([Constraint::Length(3), Constraint::Min(1)]).areas(area);
            return Self { shell, lines: Some(lines), ..Self::default() };
        }
        if width >= SHELL + BESIDE {
            let [shell, panel] =
                Layout::horizontal([Constraint::Min(SHELL), Constraint::Length(BESIDE)]).areas(area);
            let [memory, rates, programs] =
                Layout::vertical([Constraint::Length(ABOVE), Constraint::Length(7), Constraint::Min(3)])
                    .areas(panel);
            return Self {
                shell,
                memory: Some(memory),
                rates: Some(rates),
                programs: Some(programs),
                lines: None,
            };
        }
        let [panel, shell] = Layout::vertical([Constraint::Length(ABOVE), Constraint::Min(1)]).areas(area);
        let parts = [Constraint::Fill(3), Constraint::Fill(2), Constraint::Length(28)];
        let [memory, rates, programs] = Layout::horizontal(parts).areas(panel);
        Self { shell, memory: Some(memory), rates: Some(rates), programs: Some(programs), lines: None }
    }
}

/// Draws everything.
pub fn draw(frame: &mut Frame<'_>, history: &History, screen: &vt100::Screen) {
    let places = Places::of(frame.area());
    shell(frame.buffer_mut(), places.shell, screen);
    let (row, column) = screen.cursor_position();
    if !screen.hide_cursor() && row < places.shell.height && column < places.shell.width {
        frame.set_cursor_position(Position::new(places.shell.x + column, places.shell.y + row));
    }
    let Some(record) = &history.last else {
        let told = "no record of the machine yet";
        let area = places.lines.or(places.memory).unwrap_or_default();
        return frame.render_widget(Paragraph::new(told), area);
    };
    if let Some(area) = places.lines {
        frame.render_widget(Paragraph::new(lines(record, history, area.height == 1)), area);
    }
    if let Some(area) = places.memory {
        memory(frame, area, record);
    }
    if let Some(area) = places.rates {
        rates(frame, area, history);
    }
    if let Some(area) = places.programs {
        programs(frame, area, record, history.interval_s);
    }
}

/// What stands in the shell's terminal, as far as there is room.
fn shell(buffer: &mut Buffer, area: Rect, screen: &vt100::Screen) {
    for (x, y) in (0..area.height).flat_map(|y| (0..area.width).map(move |x| (x, y))) {
        let Some(from) = screen.cell(y, x) else { continue };
        let Some(to) = buffer.cell_mut((area.x + x, area.y + y)) else { continue };
        if from.has_contents() {
            // One of two columns has no room at the edge.
            to.set_symbol(if from.is_wide() && x + 1 == area.width { " " } else { from.contents() });
        }
        let modifiers = [
            (from.bold(), Modifier::BOLD),
            (from.dim(), Modifier::DIM),
            (from.italic(), Modifier::ITALIC),
            (from.underline(), Modifier::UNDERLINED),
            (from.inverse(), Modifier::REVERSED),
        ];
        let set = modifiers.iter().filter(|(on, _)| *on).fold(Modifier::empty(), |all, (_, m)| all | *m);
        let style = Style::new().fg(color(from.fgcolor())).bg(color(from.bgcolor())).add_modifier(set);
        to.set_style(style);
    }
}

fn color(color: vt100::Color) -> Color {
    match color {
        vt100::Color::Default => Color::Reset,
        vt100::Color::Idx(index) => Color::Indexed(index),
        vt100::Color::Rgb(r, g, b) => Color::Rgb(r, g, b),
    }
}

/// How free memory stands to its thresholds.
fn shortage(record: &Record) -> (&'static str, Color) {
    let free = record.get("v_free_count");
    if free < record.get("v_free_severe") {
        ("SEVERE", Color::Red)
    } else if free < record.get("v_free_min") {
        ("BELOW MIN", Color::Magenta)
    } else if free < record.get("v_free_target") {
        ("below target", Color::Yellow)
    } else {
        ("enough", Color::Green)
    }
}

/// Who plays a role.
fn role(record: &Record, name: &str) -> String {
    match record.service(name) {
        Some(s) if s.state != "running" => format!("{} ({})", s.image, s.state),
        Some(s) if s.deaths > 0 => format!("{} ({} died)", s.image, s.deaths),
        Some(s) => s.image.clone(),
        None => "none".into(),
    }
}

fn up(record: &Record) -> String {
    let s = record.us / 1_000_000;
    format!("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)
}

fn lines(record: &Record, history: &History, one: bool) -> Vec<Line<'static>> {
    let (word, color) = shortage(record);
    let get = |name: &str| record.get(name);
    let free = vec![
        Span::raw(format!("free {} ", get("v_free_count"))),
        Span::styled(word, color),
        Span::raw(format!(" flt {} in {} out {}/s", history.rate(0), history.rate(2), history.rate(3))),
    ];
    if one {
        return vec![Line::from(free).style(Modifier::REVERSED)];
    }
    vec![
        Line::from(free),
        Line::from(format!(
            "act {} inact {} lndry {} wired {} swap {}/{}",
            get("v_active_count"),
            get("v_inactive_count"),
            get("v_laundry_count"),
            get("v_wire_count"),
            get("swap_used"),
            get("swap_total")
        )),
        Line::from(format!("policy {}, pager {}", role(record, "pageout"), role(record, "swap-pager")))
            .style(Modifier::UNDERLINED),
    ]
}

/// A bar of so many columns, with eighths.
fn bar(part: u64, whole: u64, width: u16) -> String {
    const EIGHTHS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
    let most = u128::from(width) * 8;
    let eighths = (u128::from(part) * most).checked_div(u128::from(whole)).unwrap_or(0).min(most) as usize;
    let mut text = "█".repeat(eighths / 8);
    // Something is never shown as nothing.
    let rest = if eighths == 0 && part > 0 { 1 } else { eighths % 8 };
    if rest > 0 && width > 0 {
        text.push(EIGHTHS[rest]);
    }
    text
}

fn memory(frame: &mut Frame<'_>, area: Rect, record: &Record) {
    let title = format!(" memory: {} pages ", record.get("v_page_count"));
    let block = Block::bordered().title(title).title_bottom(format!(
        " up {}, {} ",
        up(record),
        role(record, "swap-pager")
    ));
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let get = |name: &str| record.get(name);
    let total = get("v_page_count");
    let queue = |name: &'static str, counter: &str, color: Color| (name, get(counter), total, color);
    let rows = [
        queue("wired", "v_wire_count", Color::Gray),
        queue("active", "v_active_count", Color::Cyan),
        queue("inactive", "v_inactive_count", Color::Blue),
        queue("laundry", "v_laundry_count", Color::Magenta),
        ("swap", get("swap_used"), get("swap_total"), Color::Yellow),
    ];
    let width = inner.width.saturating_sub(16);
    let mut text: Vec<Line<'_>> = rows
        .iter()
        .map(|(name, part, whole, color)| {
            let bar = bar(*part, *whole, width);
            Line::from(vec![Span::raw(format!("{name:<8} {part:>6} ")), Span::styled(bar, *color)])
        })
        .collect();
    // Free memory against its thresholds, on a scale of its own: they are small beside the whole.
    let (word, color) = shortage(record);
    let scale = (get("v_free_target") * 2).max(1);
    text.push(Line::from(vec![
        Span::raw(format!("{:<8} {:>6} ", "free", get("v_free_count"))),
        Span::styled(bar(get("v_free_count"), scale, width), color),
    ]));
    let mut marks = vec![' '; usize::from(width)];
    for (name, mark) in [("v_free_target", 't'), ("v_free_min", 'm'), ("v_free_severe", 's')] {
        let at = (get(name) * u64::from(width) / scale) as usize;
        // Two at one place: the graver stands before the other.
        let at = (0..=at.min(marks.len().saturating_sub(1))).rev().find(|at| marks.get(*at) == Some(&' '));
        if let Some(place) = at.and_then(|at| marks.get_mut(at)) {
            *place = mark;
        }
    }
    text.push(Line::from(vec![
        Span::styled(format!("{word:<16}"), color),
        Span::raw(marks.into_iter().collect::<String>()),
    ]));
    text.push(Line::from(format!("policy   {}", role(record, "pageout"))));
    frame.render_widget(Paragraph::new(text), inner);
}

fn rates(frame: &mut Frame<'_>, area: Rect, history: &History) {
    let idle = history.last.as_ref().map_or(0, |r| r.idle);
    let block = Block::bordered().title(" a second ").title_bottom(format!(" {idle} % idle "));
    let inner = block.inner(area);
    frame.render_widget(block, area);
    for (number, (name, _)) in RATES.iter().enumerate() {
        let Some(y) = inner.y.checked_add(number as u16).filter(|y| *y < inner.bottom()) else { return };
        let row = Rect { y, height: 1, ..inner };
        let [label, picture] = Layout::horizontal([Constraint::Length(13), Constraint::Min(0)]).areas(row);
        frame.render_widget(Paragraph::new(format!("{name:<6}{:>6} ", history.rate(number))), label);
        let Some(values) = history.rates.get(number) else { continue };
        // The newest at the right.
        Sparkline::default()
            .data(values.iter().rev().copied())
            .direction(RenderDirection::RightToLeft)
            .style(Style::new().fg(Color::Cyan))
            .render(picture, frame.buffer_mut());
    }
}

fn programs(frame: &mut Frame<'_>, area: Rect, record: &Record, interval_s: f64) {
    let block = Block::bordered().title(format!(" programs: {} ", record.spaces));
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let a_second = |n: u64| if interval_s > 0.0 { (n as f64 / interval_s).round() } else { 0.0 };
    let wide = inner.width >= 46;
    let heading = if wide {
        format!("{:<NAME$} {:>7} {:>7} {:>7} {:>7}  {}", "", "flt/s", "i/o", "res", "swap", "waits")
    } else {
        format!("{:<NAME$} {:>6} {:>6}", "", "flt/s", "res")
    };
    let mut text = vec![Line::from(heading).style(Modifier::BOLD)];
    for p in &record.programs {
        let name: String = p.name.chars().take(NAME).collect();
        let (all, io) = (a_second(p.faults.0), a_second(p.faults.1));
        let line = if wide {
            format!("{name:<NAME$} {all:>7} {io:>7} {:>7} {:>7}  {}", p.resident, p.swapped, p.waiting)
        } else {
            format!("{name:<NAME$} {all:>6} {:>6}", p.resident)
        };
        text.push(Line::from(line).style(if p.server { Modifier::DIM } else { Modifier::empty() }));
    }
    frame.render_widget(Paragraph::new(text), inner);
}

#[cfg(test)]
mod tests {
    use ratatui_core::backend::TestBackend;
    use ratatui_core::terminal::Terminal;

    use super::super::record::tests::text;
    use super::*;

    fn history(free: u64) -> History {
        let mut history = History::default();
        for n in 0..30 {
            let text = text(1_000_000 * (n + 1), 100 * n * n, free);
            history.add(Record::parse(text.as_bytes()).unwrap());
        }
        history
    }

    /// What is drawn on a terminal of that size, line by line.
    fn drawn(width: u16, height: u16, history: &History, typed: &str) -> Vec<String> {
        let area = Rect::new(0, 0, width, height);
        let shell = Places::of(area).shell;
        let mut screen = super::super::terminal(shell.height, shell.width);
        screen.process(typed.as_bytes());
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, history, screen.screen())).unwrap();
        let buffer = terminal.backend().buffer();
        (0..height).map(|y| (0..width).map(|x| buffer[(x, y)].symbol()).collect()).collect()
    }

    #[test]
    fn the_usual_terminal_has_all_panels_above_the_shell() {
        let lines = drawn(80, 24, &history(390), "ebb# vmstat\r\n  memory\r\nebb# ");
        assert_eq!(lines[10].trim_end(), "ebb# vmstat", "the shell is as wide as the terminal");
        let all = lines.join("\n");
        for part in [
            "memory: 16384 pages",
            "wired      2100",
            "inactive   3000",
            "free        390",
            "BELOW MIN",
            "swap      20000",
            "policy   sieve (2 died)",
            "faults  5700",
            "thrash         950  11000",
            "40 % idle",
            "up 0:00:30, swap-pager",
        ] {
            assert!(all.contains(part), "{part:?} is not in\n{all}");
        }
        // The graver threshold stands before the other, also where the bar has no room for both.
        assert!(
            lines.iter().any(|l| l.contains("BELOW MIN") && l.contains("sm") && l.contains(" t")),
            "{all}"
        );
        assert!(all.contains('█') && all.contains('▇'), "{all}");
    }

    #[test]
    fn a_wide_terminal_has_them_beside_it() {
        let lines = drawn(160, 50, &history(390), "ebb# ");
        assert!(lines[0].starts_with("ebb# "));
        assert!(lines[0].contains("memory: 16384 pages"));
        assert!(lines.iter().any(|l| l.contains("thrash") && l.contains("700") && l.contains("page")));
    }

    #[test]
    fn a_small_one_has_a_few_lines_or_one() {
        let three = drawn(50, 15, &history(9000), "ebb# ");
        assert!(three[0].starts_with("free 9000 enough flt 5700"), "{three:?}");
        assert!(three[2].starts_with("policy sieve"));
        assert!(three[3].starts_with("ebb# "));
        let one = drawn(30, 8, &history(100), "ebb# ");
        assert!(one[0].starts_with("free 100 SEVERE"), "{one:?}");
        assert!(one[1].starts_with("ebb# "));
        assert!(drawn(20, 1, &history(100), "ebb# ")[0].starts_with("ebb# "));
    }

    #[test]
    fn before_the_first_record_it_says_so() {
        assert!(drawn(80, 24, &History::default(), "")[0].contains("no record of the machine yet"));
    }

    #[test]
    fn no_size_makes_it_panic() {
        let history = history(1);
        for width in [1, 2, 3, 16, 39, 40, 41, 59, 60, 61, 80, 139, 140, 200] {
            for height in [1, 2, 3, 4, 9, 10, 11, 19, 20, 21, 60] {
                drawn(width, height, &history, "some text that is longer than the line\r\n\x1b[31mred\x1b[m");
            }
        }
    }

    #[test]
    fn bars_never_show_something_as_nothing_nor_more_than_all() {
        assert_eq!(bar(0, 100, 10), "");
        assert_eq!(bar(1, 1_000_000, 10), "▏");
        assert_eq!(bar(50, 100, 10), "█████");
        assert_eq!(bar(u64::MAX, 1, 4), "████");
        assert_eq!(bar(5, 0, 4), "▏");
        assert_eq!(bar(5, 5, 0), "");
    }
}
