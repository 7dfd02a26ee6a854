//! What the terminal shows. Colour and lines that change in place only where there is a terminal.

use std::{
    cell::RefCell,
    io::{IsTerminal as _, Write as _, stdout},
};

const BOLD: &str = "1";
const DIM: &str = "2";
const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";

/// The column in which the words of a step begin.
const INDENT: usize = 23;

/// How a step of the story reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// As the rest.
    Plain,
    /// Something is well.
    Good,
    /// Something waits or was refused.
    Warning,
    /// Something is broken.
    Bad,
}

/// Writes to standard output; who has closed it is not told anything more.
pub struct Printer {
    terminal: bool,
    colour: bool,
    /// What is being waited for, once it was shown.
    progress: RefCell<String>,
}

impl Printer {
    /// For standard output.
    pub fn new() -> Self {
        let terminal = stdout().is_terminal();
        Self {
            terminal,
            colour: terminal && std::env::var_os("NO_COLOR").is_none(),
            progress: RefCell::default(),
        }
    }

    /// A line as it is.
    pub fn line(&self, text: &str) {
        self.clear();
        let _ = writeln!(stdout(), "{text}");
    }

    /// An empty line.
    pub fn blank(&self) {
        self.line("");
    }

    /// The title of a part.
    pub fn heading(&self, text: &str) {
        self.blank();
        self.line(&self.paint(text, BOLD));
    }

    /// Something that is ready.
    pub fn ready(&self, text: &str) {
        self.line(&format!("  {} {text}", self.paint("✓", GREEN)));
    }

    /// Something beside the point.
    pub fn note(&self, text: &str) {
        self.line(&self.paint(text, DIM));
    }

    /// Why it did not work.
    pub fn failed(&self, text: &str) {
        self.blank();
        self.line(&self.paint(text, RED));
    }

    /// That it worked.
    pub fn succeeded(&self, text: &str) {
        self.blank();
        self.line(&self.paint(text, GREEN));
    }

    /// A step of the story: when, what in a word, and the words, which may have several lines.
    pub fn step(&self, seconds: f64, what: &str, tone: Tone, words: &str) {
        let colour = match tone {
            Tone::Plain => BOLD,
            Tone::Good => GREEN,
            Tone::Warning => YELLOW,
            Tone::Bad => RED,
        };
        let mut lines = words.lines();
        let first = lines.next().unwrap_or_default();
        let what = self.paint(&format!("{what:<10}"), colour);
        self.line(&format!("  {seconds:>6.1} s  {what} {first}"));
        for line in lines {
            self.line(&format!("{:INDENT$}{line}", ""));
        }
    }

    /// What takes long, and how far it is: in place on a terminal, elsewhere once and without the second part.
    pub fn progress(&self, what: &str, how_far: &str) {
        if self.terminal {
            self.waiting(&format!("{what} {how_far}"));
        } else if *self.progress.borrow() != what {
            self.line(&format!("{:INDENT$}{what}", ""));
            what.clone_into(&mut self.progress.borrow_mut());
        }
    }

    /// What takes a moment: in place on a terminal, and nowhere else.
    pub fn waiting(&self, what: &str) {
        if self.terminal {
            let text = self.paint(&format!("{:INDENT$}{what}", ""), DIM);
            let _ = write!(stdout(), "\r\x1b[2K{text}");
            let _ = stdout().flush();
            what.clone_into(&mut self.progress.borrow_mut());
        }
    }

    fn clear(&self) {
        if self.terminal && !self.progress.take().is_empty() {
            let _ = write!(stdout(), "\r\x1b[2K");
        }
    }

    fn paint(&self, text: &str, colour: &str) -> String {
        if self.colour {
            format!("\x1b[{colour}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}
