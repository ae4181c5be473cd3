//! How wide the terminal is that people read on.

use std::io::{IsTerminal, stderr, stdout};

use comfy_table::{ContentArrangement, Table};
use terminal_size::{Width, terminal_size_of};

/// Columns of the terminal that answers go to; nothing where they go to a file or another program, which wants whole lines.
pub fn width() -> Option<usize> {
    terminal_size_of(stdout()).filter(|_| stdout().is_terminal()).map(|(Width(columns), _)| usize::from(columns))
}

/// The same for what goes to standard error.
pub fn error_width() -> Option<usize> {
    terminal_size_of(stderr()).filter(|_| stderr().is_terminal()).map(|(Width(columns), _)| usize::from(columns))
}

/// A table whose cells are broken into lines, so that it is at most so wide.
pub fn fitted(mut table: Table, width: Option<usize>) -> Table {
    if let Some(columns) = width {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(columns.min(usize::from(u16::MAX)) as u16);
    }
    table
}
