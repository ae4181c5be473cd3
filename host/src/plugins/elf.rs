//! Whether a file can be a library of this machine, by its ELF header: the system's loader trusts what it reads, and a file that is truncated kills the process
//! with SIGBUS.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// Why a file is not a library that could be opened.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// It cannot be read.
    #[error(transparent)]
    Unreadable(#[from] io::Error),
    /// A folder, a FIFO, a device.
    #[error("it is not a regular file")]
    NotAFile,
    /// Text, an archive, or the library of another system.
    #[error("it is not a library: it does not begin as an ELF file does")]
    NotElf,
    /// The header itself is not whole.
    #[error("it is truncated: {size} bytes do not hold an ELF header")]
    NoHeader {
        /// The file's bytes.
        size: u64,
    },
    /// 32 bits instead of 64, or the bytes of a number the other way round.
    #[error("it is for machines of another word size or byte order")]
    OtherClass,
    /// ELF's number of another machine.
    #[error("it is for another machine: its ELF machine number is {0}, not {expected}", expected = MACHINE.unwrap_or_default())]
    OtherMachine(u16),
    /// A program or an object file.
    #[error("it is not a shared library: its ELF type is {0}, not {shared}", shared = SHARED)]
    OtherType(u16),
    /// Parts of it lie behind its end.
    #[error("it is truncated: {size} bytes, but its header speaks of {wanted}")]
    CutShort {
        /// The file's bytes.
        size: u64,
        /// Where the last part ends.
        wanted: u64,
    },
}

/// `ET_DYN`.
const SHARED: u16 = 3;
/// `EM_…` of this machine; `None` where it is not known here, and then not checked.
const MACHINE: Option<u16> = if cfg!(target_arch = "x86_64") {
    Some(62)
} else if cfg!(target_arch = "aarch64") {
    Some(183)
} else if cfg!(target_arch = "riscv64") {
    Some(243)
} else {
    None
};
const HEADER: usize = 64;
const SEGMENT: usize = 56;
/// `PT_LOAD`.
const LOADED: u32 = 1;

/// Checks the ELF header of a library (System V ABI, 64 bits): that it is this machine's, and that all that it speaks of lies within the file. Libraries of systems
/// with another format, and of machines with 32 bits, are not looked at.
///
/// # Errors
/// What is wrong with it.
pub fn check(path: &Path) -> Result<(), Unfit> {
    let metadata = std::fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(Unfit::NotAFile);
    }
    if cfg!(any(not(target_pointer_width = "64"), target_vendor = "apple", windows)) {
        return Ok(());
    }
    let (mut file, size) = (File::open(path)?, metadata.len());
    let mut start = Vec::new();
    Read::by_ref(&mut file).take(HEADER as u64).read_to_end(&mut start)?;
    if !b"\x7fELF".starts_with(&start[..start.len().min(4)]) {
        return Err(Unfit::NotElf);
    }
    let header = Fields(&start);
    if start.len() < HEADER {
        return Err(Unfit::NoHeader { size });
    }
    if start[4] != 2 || (start[5] == 1) != cfg!(target_endian = "little") {
        return Err(Unfit::OtherClass);
    }
    if MACHINE.is_some_and(|ours| ours != header.u16(18)) {
        return Err(Unfit::OtherMachine(header.u16(18)));
    }
    if header.u16(16) != SHARED {
        return Err(Unfit::OtherType(header.u16(16)));
    }
    let (segments, sections) = (header.u64(32), header.u64(40));
    let (segment_size, segment_count) = (header.u16(54), header.u16(56));
    let end = |offset: u64, size: u16, count: u16| offset.saturating_add(u64::from(size) * u64::from(count));
    let within = |wanted: u64| if wanted <= size { Ok(()) } else { Err(Unfit::CutShort { size, wanted }) };
    within(end(segments, segment_size, segment_count))?;
    within(end(sections, header.u16(58), header.u16(60)))?;
    if usize::from(segment_size) < SEGMENT {
        return Err(Unfit::NotElf);
    }
    let mut table = vec![0; usize::from(segment_size) * usize::from(segment_count)];
    file.seek(SeekFrom::Start(segments))?;
    file.read_exact(&mut table)?;
    for segment in table.chunks_exact(usize::from(segment_size)).map(Fields).filter(|segment| segment.u32(0) == LOADED) {
        within(segment.u64(8).saturating_add(segment.u64(32)))?;
    }
    Ok(())
}

/// Numbers at their places in a header whose length is known to suffice.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn at<const N: usize>(&self, place: usize) -> [u8; N] {
        let mut bytes = [0; N];
        bytes.copy_from_slice(&self.0[place..place + N]);
        bytes
    }

    fn u16(&self, place: usize) -> u16 {
        u16::from_ne_bytes(self.at(place))
    }

    fn u32(&self, place: usize) -> u32 {
        u32::from_ne_bytes(self.at(place))
    }

    fn u64(&self, place: usize) -> u64 {
        u64::from_ne_bytes(self.at(place))
    }
}
