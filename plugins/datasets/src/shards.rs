//! The files that a dataset in several parts consists of.

use std::path::Path;

use convert_formats::files::Source;
use convert_sdk::{Error, Result};

use crate::roots::Root;

/// Endings that say that a tar file is compressed with gzip.
const GZIP: [&str; 2] = [".tar.gz", ".tgz"];

/// The files of a root that `pattern` names, or all with this extension (a compressed tar file counts as one), in the order of their names. A pattern is a file's name, with `*` for any text and `{000..146}` for a
/// range of numbers, each of which must be there.
///
/// # Errors
/// A folder that cannot be listed, a pattern that names no file, a number of a range without its file, compressed archives.
pub fn find(root: &Root, pattern: Option<&str>, extension: &str) -> Result<Vec<Source>> {
    let (names, sources): (Vec<String>, Vec<Source>) = root.files()?.into_iter().unzip();
    let shown = root.path().display();
    let mut found: Vec<&String> = Vec::new();
    match pattern {
        None => found.extend(names.iter().filter(|name| {
            Path::new(name).extension().is_some_and(|ending| ending.eq_ignore_ascii_case(extension)) || extension == "tar" && is_gzip(name)
        })),
        Some(pattern) => {
            for pattern in expand(pattern)? {
                let before = found.len();
                found.extend(names.iter().filter(|name| matches(&pattern, name)));
                if found.len() == before {
                    return Err(Error::config(format!("{shown} has no file {pattern:?}: check `files`")));
                }
            }
        }
    }
    found.sort();
    found.dedup();
    let compressed = |name: &&String| [".tar.zst", ".tar.bz2", ".tar.xz"].iter().any(|ending| name.ends_with(ending));
    let wrong = found.iter().copied().find(compressed).or_else(|| names.iter().find(compressed).filter(|_| found.is_empty() && extension == "tar"));
    match wrong {
        Some(name) => {
            Err(Error::config(format!("{shown}/{name} is compressed in a way that is not read: unpack it to a .tar, or compress it with gzip")))
        }
        None if found.is_empty() => Err(Error::config(format!("{shown} has no .{extension} files"))),
        None => Ok(names.iter().zip(sources).filter(|(name, _)| found.binary_search(name).is_ok()).map(|(_, source)| source).collect()),
    }
}

/// Whether a file's name says that it is a tar file compressed with gzip.
pub fn is_gzip(name: &str) -> bool {
    gzip_ending(name).is_some()
}

fn gzip_ending(name: &str) -> Option<&'static str> {
    let lower = name.to_ascii_lowercase();
    GZIP.into_iter().find(|ending| lower.ends_with(ending))
}

/// The file's name without the extension; that of a compressed tar file has two parts.
pub fn stem(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    match gzip_ending(&name) {
        Some(ending) => name[..name.len() - ending.len()].to_owned(),
        None => path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
    }
}

/// A pattern's range written out.
fn expand(pattern: &str) -> Result<Vec<String>> {
    let Some((before, rest)) = pattern.split_once('{') else { return Ok(vec![pattern.to_owned()]) };
    let broken = || Error::config(format!("the pattern {pattern:?} cannot be read: a range of numbers is written {{000..146}}"));
    let (range, after) = rest.split_once('}').ok_or_else(broken)?;
    let (first, last) = range.split_once("..").ok_or_else(broken)?;
    let number = |text: &str| text.parse::<u32>().map_err(|_| broken());
    let (width, from, to) = (first.len(), number(first)?, number(last)?);
    if from > to || to - from > 1_000_000 || after.contains('{') {
        return Err(broken());
    }
    Ok((from..=to).map(|number| format!("{before}{number:0width$}{after}")).collect())
}

/// Whether a name fits a pattern with `*` for any text.
fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    // Each part at its first place leaves the most for those behind it.
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(names: &[&str], pattern: Option<&str>, expected: Result<&[&str], &str>) {
        let folder = tempfile::tempdir().unwrap();
        names.iter().for_each(|name| std::fs::write(folder.path().join(name), "").unwrap());
        let found = find(&Root::Folder(folder.path().to_owned()), pattern, "tar")
            .map(|files| files.iter().map(|file| file.path().file_name().unwrap().to_str().unwrap().to_owned()).collect::<Vec<_>>());
        match (found, expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{pattern:?}"),
            (Err(error), Err(what)) => assert!(error.to_string().contains(what), "{pattern:?}: {error}"),
            (found, _) => panic!("{pattern:?}: {found:?}"),
        }
    }

    #[test]
    fn a_pattern_chooses_files_and_a_range_wants_each() {
        let names = ["a-09.tar", "a-10.tar", "b-10.tar", ".hidden.tar", "notes.txt"];
        check(&names, None, Ok(&names[..3]));
        check(&names, Some("a-*.tar"), Ok(&names[..2]));
        check(&names, Some("*-1*r"), Ok(&names[1..3]));
        check(&names, Some("a-{09..10}.tar"), Ok(&names[..2]));
        check(&names, Some("a-{09..11}.tar"), Err("has no file \"a-11.tar\": check `files`"));
        check(&names, Some("a-{9..}.tar"), Err("a range of numbers is written {000..146}"));
        check(&names, Some("a-{10..9}.tar"), Err("cannot be read"));
        check(&["x.txt"], None, Err("has no .tar files"));
        check(&["x.tar.gz", "y.TGZ", "z.tar"], None, Ok(&["x.tar.gz", "y.TGZ", "z.tar"]));
        check(&["x.tar.zst"], None, Err("x.tar.zst is compressed in a way that is not read"));
        assert_eq!(["x.tar.gz", "y.b.TGZ", "z.tar"].map(|name| stem(Path::new(name))), ["x", "y.b", "z"]);
    }
}
