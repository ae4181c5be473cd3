//! Kinds and causes of errors.

use std::io;

use convert_sdk::*;

#[test]
fn kinds_survive_their_names_and_unknown_ones_read_as_other() {
    use ErrorKind::*;
    for kind in [Other, Config, InvalidInput, Io, Numeric, Unsupported, Interrupted, Panic, OutOfMemory, Device] {
        assert_eq!(ErrorKind::from_name(kind.name()), kind);
    }
    assert_eq!(ErrorKind::from_name("of a later version"), ErrorKind::Other);
}

#[test]
fn an_io_error_keeps_its_kind_and_its_cause_behind_a_context() {
    let error = std::fs::read("/no/such/file").map_err(Error::from).context(|| "cannot read the map".into());
    let error = error.unwrap_err();
    assert!(error.kind == ErrorKind::Io && error.kind.may_pass());
    assert!(error.to_string().starts_with("cannot read the map: No such file"), "{error}");
}

#[test]
fn what_the_system_reports_may_pass_and_what_a_file_holds_does_not() {
    let kind = |error: io::Error| Error::from(error).kind;
    let system = |number| io::Error::from_raw_os_error(number);
    // ENOENT, EIO, EACCES, EMFILE, ESTALE; as such, and wrapped by a library that keeps the kind
    for number in [2, 5, 13, 24, 116] {
        assert_eq!((kind(system(number)), kind(io::Error::new(io::ErrorKind::InvalidData, system(number)))), (ErrorKind::Io, ErrorKind::Io));
    }
    // EISDIR, ENAMETOOLONG, ELOOP, and what decoders say
    for error in [system(21), system(36), system(40), io::Error::other("bad block"), io::ErrorKind::UnexpectedEof.into()] {
        assert_eq!(kind(error), ErrorKind::InvalidInput);
    }
}
