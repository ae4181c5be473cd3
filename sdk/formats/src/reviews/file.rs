//! `reviews.jsonl`: lines are only ever added, by several threads, processes and machines.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::Event;
use crate::files;
use crate::whole_file;
use convert_sdk::{Error, Result, ResultExt};

/// Most bytes of a line: a drawn mask has some thousands.
const LONGEST_LINE: u64 = 16 << 20;

/// A file of reviews, which need not be there yet.
#[derive(Clone, Debug)]
pub struct ReviewFile {
    path: PathBuf,
}

/// How far a file was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Bytes.
    pub offset: u64,
    /// Lines.
    pub line: u64,
}

/// What a file holds from a place on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lines {
    /// The events, in the file's order.
    pub events: Vec<Event>,
    /// Where to read on.
    pub end: Position,
    /// Lines that were cut off, as by a process that was killed while it wrote; they are left out.
    pub torn: u64,
}

/// What a line is.
enum Line {
    Event(Box<Event>),
    Blank,
    /// The beginning of something.
    Torn,
    /// No event, and why.
    Wrong(String),
}

impl ReviewFile {
    /// The file at a path. Nothing is made before the first event is added.
    ///
    /// # Errors
    /// Something other than a regular file in its place.
    pub fn open(path: &Path) -> Result<Self> {
        let path = whole_file::destination(path).context(|| format!("cannot keep reviews in {}", path.display()))?;
        Ok(Self { path })
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How long it is; 0 where it is not there.
    ///
    /// # Errors
    /// A file that cannot be looked at.
    pub fn length(&self) -> Result<u64> {
        match std::fs::metadata(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            other => Ok(other.context(|| format!("cannot read {}", self.path.display()))?.len()),
        }
    }

    /// Adds an event: once this returns it is on the disk. Of several processes that add at once each adds whole lines.
    ///
    /// # Errors
    /// An event that makes no sense; a file that cannot be written, of which nothing is changed then.
    pub fn append(&self, event: &Event) -> Result<()> {
        self.append_all(std::slice::from_ref(event))
    }

    /// Adds events, all or none.
    ///
    /// # Errors
    /// As [`ReviewFile::append`].
    pub fn append_all(&self, events: &[Event]) -> Result<()> {
        let mut text = String::new();
        for event in events {
            let line = event.to_line().map_err(|error| Error::invalid(format!("a review of `{}` makes no sense: {error}", event.sample)))?;
            if line.len() as u64 >= LONGEST_LINE {
                return Err(Error::invalid(format!(
                    "a review of `{}` has {} bytes, more than the limit of {LONGEST_LINE}",
                    event.sample,
                    line.len()
                )));
            }
            text += &line;
            text.push('\n');
        }
        if text.is_empty() {
            return Ok(());
        }
        self.write(text).context(|| format!("cannot add to {}", self.path.display()))
    }

    fn write(&self, mut text: String) -> io::Result<()> {
        // A device or pipe that has come into the place since must not be waited for.
        let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
        let mut file = OpenOptions::new().read(true).append(true).create(true).custom_flags(flags).open(&self.path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
        }
        lock(&file)?;
        let before = file.metadata()?.len();
        let mut last = [b'\n'];
        if before > 0 {
            file.read_exact_at(&mut last, before - 1)?;
        }
        if last != [b'\n'] {
            // What a killed process left stays, as a line of its own.
            text.insert(0, '\n');
        }
        let written = match file.write(text.as_bytes()) {
            Ok(count) if count < text.len() => Err(io::Error::from_raw_os_error(libc::ENOSPC)),
            other => other.map(drop),
        };
        if let Err(error) = written.and_then(|()| file.sync_data()) {
            // The disk may be full: half a line is of no use to anybody.
            let _ = file.set_len(before);
            return Err(error);
        }
        if before == 0 {
            whole_file::sync_folder(&self.path)?;
        }
        Ok(())
    }

    /// All events; of a file that is not there, none.
    ///
    /// # Errors
    /// A file that cannot be read, and a line that is no event.
    pub fn read(&self) -> Result<Lines> {
        self.read_since(Position::default())
    }

    /// The events after a place up to which the file was read before.
    ///
    /// # Errors
    /// As [`ReviewFile::read`], and a file that has become shorter than that, since lines are only ever added.
    pub fn read_since(&self, begin: Position) -> Result<Lines> {
        let cannot = || format!("cannot read {}", self.path.display());
        let mut file = match files::open_regular(&self.path, files::MAX_STREAM) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && begin == Position::default() => return Ok(Lines::default()),
            other => other.context(cannot)?,
        };
        if file.length() < begin.offset {
            return Err(Error::invalid(format!(
                "{} has become shorter since it was read ({} bytes, not {}): somebody has replaced it",
                self.path.display(),
                file.length(),
                begin.offset
            )));
        }
        file.seek(SeekFrom::Start(begin.offset)).context(cannot)?;
        let (mut reader, mut read) = (BufReader::with_capacity(1 << 20, file), Lines { end: begin, ..Lines::default() });
        let mut line = Vec::new();
        loop {
            line.clear();
            reader.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line).context(cannot)?;
            let ended = line.last() == Some(&b'\n');
            let wrong = |why: String| {
                let (path, number) = (self.path.display(), read.end.line + 1);
                Error::invalid(format!("{path}, line {number} is no review: {why}; correct the line or delete it"))
            };
            match parse(&line) {
                // Another process may be writing it: it is read once it has an end.
                Line::Torn | Line::Blank if !ended && (line.len() as u64) < LONGEST_LINE => {
                    read.torn += u64::from(!line.trim_ascii().is_empty());
                    return Ok(read);
                }
                _ if !ended && line.len() as u64 >= LONGEST_LINE => return Err(wrong(format!("it has more than {LONGEST_LINE} bytes"))),
                Line::Event(event) => read.events.push(*event),
                Line::Torn => read.torn += 1,
                Line::Blank => {}
                Line::Wrong(why) => return Err(wrong(why)),
            }
            read.end.offset += line.len() as u64;
            // A whole event without an end, as some editors leave the last line: its end is the rest of that line.
            read.end.line += u64::from(ended);
        }
    }
}

fn parse(line: &[u8]) -> Line {
    let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line).trim_ascii();
    if line.is_empty() {
        return Line::Blank;
    }
    match serde_json::from_slice(line) {
        Ok(event) => Line::Event(Box::new(event)),
        Err(error) if error.is_eof() => Line::Torn,
        Err(error) => {
            // There is one line only, which the message has named.
            let text = error.to_string();
            Line::Wrong(text.split(" at line ").next().unwrap_or(&text).to_owned())
        }
    }
}

/// Whether a file begins with a review. One that cannot be read does not: who reads it will say so.
pub(crate) fn is_review_file(path: &Path) -> bool {
    /// What no other file that begins with an object has.
    #[derive(serde::Deserialize)]
    struct Probe {
        #[serde(rename = "version")]
        _version: u32,
        #[serde(rename = "sample")]
        _sample: String,
        #[serde(rename = "action")]
        _action: String,
    }
    let Ok(file) = files::open_regular(path, files::MAX_STREAM) else { return false };
    let first = serde_json::Deserializer::from_reader(BufReader::new(file.take(LONGEST_LINE))).into_iter::<Probe>().next();
    matches!(first, Some(Ok(_)))
}

/// Keeps others from writing until the file is closed; some network file systems know no locks, and add a line of this length in one piece all the same.
fn lock(file: &File) -> io::Result<()> {
    match file.lock() {
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOTSUP | libc::ENOSYS | libc::ENOLCK | libc::EINVAL)) => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Action;
    use super::*;

    fn event(who: &str, sample: &str) -> Event {
        Event::new(who, sample, Action::Accept { class: "cup".into() })
    }

    fn samples(lines: &Lines) -> Vec<&str> {
        lines.events.iter().map(|event| event.sample.as_str()).collect()
    }

    #[test]
    fn what_others_add_comes_in() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (ReviewFile::open(&folder.path().join("r.jsonl")).unwrap(), ReviewFile::open(&folder.path().join("r.jsonl")).unwrap());
        assert_eq!(one.read().unwrap(), Lines::default());
        one.append(&event("anna", "a")).unwrap();
        let first = other.read().unwrap();
        other.append_all(&[event("bob", "b"), event("bob", "c")]).unwrap();
        let second = one.read_since(first.end).unwrap();
        assert_eq!((samples(&first), samples(&second), second.end.line), (vec!["a"], vec!["b", "c"], 3));
        assert_eq!(one.read_since(second.end).unwrap().events, []);
        std::fs::write(one.path(), "").unwrap();
        let error = one.read_since(second.end).unwrap_err().to_string();
        assert!(error.contains("has become shorter since it was read (0 bytes, not "), "{error}");
    }

    #[test]
    fn lines_of_many_writers_stay_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r.jsonl");
        std::thread::scope(|scope| {
            for writer in 0..8 {
                let path = &path;
                scope.spawn(move || {
                    let file = ReviewFile::open(path).unwrap();
                    for number in 0..25 {
                        file.append(&event(&format!("writer {writer}"), &format!("{number}").repeat(500))).unwrap();
                    }
                });
            }
        });
        let lines = ReviewFile::open(&path).unwrap().read().unwrap();
        assert_eq!((lines.events.len(), lines.torn), (200, 0));
        for writer in 0..8 {
            let of_writer = lines.events.iter().filter(|event| event.who == format!("writer {writer}"));
            let order: Vec<String> = of_writer.map(|event| event.sample.clone()).collect();
            assert_eq!(order, (0..25).map(|number| format!("{number}").repeat(500)).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_line_that_was_cut_off_is_left_out_and_the_next_one_stands_by_itself() {
        let folder = tempfile::tempdir().unwrap();
        let file = ReviewFile::open(&folder.path().join("r.jsonl")).unwrap();
        file.append(&event("anna", "a")).unwrap();
        let whole = std::fs::read(file.path()).unwrap();
        let line = event("anna", "b").to_line().unwrap();
        for cut in 1..line.len() {
            std::fs::write(file.path(), [&whole[..], &line.as_bytes()[..cut]].concat()).unwrap();
            let read = file.read().unwrap();
            assert_eq!((samples(&read), read.torn, read.end.offset), (vec!["a"], 1, whole.len() as u64), "{cut}");
            file.append(&event("anna", "c")).unwrap();
            assert_eq!(samples(&file.read_since(read.end).unwrap()), ["c"], "{cut}");
            assert_eq!(samples(&file.read().unwrap()), ["a", "c"], "{cut}");
        }
        // All of it but its end: an editor may have taken that away.
        std::fs::write(file.path(), [&whole[..], line.as_bytes()].concat()).unwrap();
        let read = file.read().unwrap();
        file.append(&event("anna", "c")).unwrap();
        assert_eq!((samples(&read), samples(&file.read_since(read.end).unwrap())), (vec!["a", "b"], vec!["c"]));
        assert_eq!((samples(&file.read().unwrap()), file.read().unwrap().end.line), (vec!["a", "b", "c"], 3));
    }

    #[test]
    fn a_line_that_is_no_event_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = ReviewFile::open(&folder.path().join("r.jsonl")).unwrap();
        for (line, why) in [("{\"a\": 1}", "missing field `version`"), ("hello", "expected value"), ("{\"version\": 1,}", "trailing comma")] {
            std::fs::remove_file(file.path()).ok();
            file.append(&event("anna", "a")).unwrap();
            let mut text = std::fs::read_to_string(file.path()).unwrap();
            text += &format!("\n{line}\n");
            std::fs::write(file.path(), text).unwrap();
            let error = file.read().unwrap_err().to_string();
            let expected = format!("r.jsonl, line 3 is no review: {why}");
            assert!(error.contains(&expected) && error.ends_with("; correct the line or delete it"), "{error}");
        }
        let error = ReviewFile::open(folder.path()).unwrap_err().to_string();
        assert!(error.contains("is a folder"), "{error}");
    }
}
