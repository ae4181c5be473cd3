//! The rows of a manifest file.

use std::borrow::Cow;
use std::io::{BufRead, BufReader};
use std::path::Path;

use convert_formats::files;
use convert_sdk::{Error, ErrorKind, Result, ResultExt};
use serde_json::{Map, Value};

/// The names of the columns that matter.
pub(super) struct Columns<'a> {
    pub path: &'a str,
    pub label: &'a str,
    /// The path is the id where there is none.
    pub id: Option<&'a str>,
}

/// A row: no field is empty.
pub(super) struct Row<'a> {
    /// Counted from 1.
    pub line: usize,
    pub id: Cow<'a, str>,
    pub path: Cow<'a, str>,
    pub label: Cow<'a, str>,
}

impl<'a> Row<'a> {
    /// A row from what `field` finds under a column's name.
    fn new(line: usize, columns: &Columns<'_>, field: impl Fn(&str) -> Result<Cow<'a, str>>) -> Result<Self> {
        let path = field(columns.path)?;
        let id = columns.id.map_or_else(|| Ok(path.clone()), &field)?;
        Ok(Self { line, id, label: field(columns.label)?, path })
    }
}

/// Visits the rows of a file, at least one, without keeping them.
///
/// # Errors
/// A format other than the four, a file that cannot be read, no rows, everything wrong with a row, with line and column, and what `visit` says.
pub(super) fn each(file: &Path, columns: &Columns<'_>, mut visit: impl FnMut(Row<'_>) -> Result<()>) -> Result<()> {
    let extension = file.extension().and_then(|extension| extension.to_str()).unwrap_or_default().to_ascii_lowercase();
    let opened = files::open_regular(file, files::MAX_STREAM).context(|| format!("cannot read the manifest {}", file.display()))?;
    let mut empty = true;
    let mut visit = |row: Row<'_>| {
        empty = false;
        visit(row)
    };
    match extension.as_str() {
        "csv" => each_of_csv(opened, b',', file, columns, &mut visit)?,
        "tsv" => each_of_csv(opened, b'\t', file, columns, &mut visit)?,
        "jsonl" | "ndjson" => each_of_json_lines(opened, file, columns, &mut visit)?,
        _ => return Err(Error::config(format!("the manifest {} is not a .csv, .tsv, .jsonl or .ndjson file", file.display()))),
    }
    if empty {
        return Err(Error::config(format!("the manifest {} lists no images", file.display())));
    }
    Ok(())
}

fn at(file: &Path, line: usize, column: &str, what: &str) -> Error {
    Error::config(format!("{} line {line}, column {column:?}: {what}", file.display()))
}

type Visit<'v> = dyn FnMut(Row<'_>) -> Result<()> + 'v;

fn each_of_csv(opened: files::Regular, delimiter: u8, file: &Path, columns: &Columns<'_>, visit: &mut Visit<'_>) -> Result<()> {
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).trim(csv::Trim::All).from_reader(opened);
    let header = reader.headers().map_err(|error| csv_error(&error, file))?.clone();
    if let Some(twice) = header.iter().enumerate().find_map(|(at, name)| header.iter().take(at).find(|before| !name.is_empty() && *before == name)) {
        return Err(Error::config(format!("{} has two columns {twice:?}: rename one of them", file.display())));
    }
    let position = |column: &str| {
        header.iter().position(|name| name == column).ok_or_else(|| {
            let names: Vec<&str> = header.iter().collect();
            let semicolons = names.len() == 1 && names[0].contains(';');
            let hint = if semicolons { "; it is separated by semicolons, and commas or tabs are read" } else { "" };
            Error::config(format!("{} has no column {column:?}: its columns are {}{hint}", file.display(), names.join(", ")))
        })
    };
    for column in [Some(columns.path), Some(columns.label), columns.id].into_iter().flatten() {
        position(column)?;
    }
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record).map_err(|error| csv_error(&error, file))? {
        let line = record.position().map_or(0, |position| position.line() as usize);
        visit(Row::new(line, columns, |column| match record.get(position(column)?) {
            Some("") | None => Err(at(file, line, column, "is empty")),
            Some(text) => Ok(text.into()),
        })?)?;
    }
    Ok(())
}

fn csv_error(error: &csv::Error, file: &Path) -> Error {
    let line = error.position().map_or(String::new(), |position| format!(" line {}", position.line()));
    let what = match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => format!("{len} fields where the header has {expected_len}"),
        csv::ErrorKind::Utf8 { err, .. } => format!("field {} is not UTF-8", err.field() + 1),
        _ => error.to_string(),
    };
    // A file that cannot be read just now is not to blame.
    let away = matches!(error.kind(), csv::ErrorKind::Io(error) if error.raw_os_error().is_some());
    Error::new(if away { ErrorKind::Io } else { ErrorKind::Config }, format!("{}{line}: {what}", file.display()))
}

fn each_of_json_lines(opened: files::Regular, file: &Path, columns: &Columns<'_>, visit: &mut Visit<'_>) -> Result<()> {
    for (index, text) in BufReader::new(opened).lines().enumerate() {
        let line = index + 1;
        let text = text.context(|| format!("{} line {line} cannot be read", file.display()))?;
        let text = text.trim_start_matches('\u{feff}').trim();
        if text.is_empty() {
            continue;
        }
        let object: Map<String, Value> =
            serde_json::from_str(text).map_err(|error| Error::config(format!("{} line {line} is not a JSON object: {error}", file.display())))?;
        visit(Row::new(line, columns, |column| match object.get(column) {
            None => {
                let keys: Vec<&str> = object.keys().map(String::as_str).collect();
                Err(at(file, line, column, &format!("is missing: the keys are {}", keys.join(", "))))
            }
            Some(Value::String(text)) if text.is_empty() => Err(at(file, line, column, "is empty")),
            Some(Value::String(text)) => Ok(text.into()),
            Some(Value::Number(number)) => Ok(number.to_string().into()),
            Some(other) => Err(at(file, line, column, &format!("{other} is neither text nor a number"))),
        })?)?;
    }
    Ok(())
}
