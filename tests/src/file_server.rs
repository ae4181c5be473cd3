//! A server of files by HTTP/1.1 that can be told to misbehave.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What the server does instead of sending the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Closes the connection after this share of what was asked for, in percent.
    BreaksAt(u64),
    /// Sends nothing more after this share, in percent, but keeps the connection.
    StallsAt(u64),
    /// Other bytes, as many.
    WrongBytes,
    /// Says that the file is longer by this share, in percent, than what it sends.
    AnnouncesMore(u64),
    /// After what was asked for so many bytes more, in pieces without an announced length.
    SendsMore(usize),
    /// A page of a few bytes, with status 200.
    SmallPage,
    /// No length, and never an end.
    Endless,
    /// The whole file, whatever part is asked for.
    IgnoresRange,
    /// This status and no file.
    Status(u16),
    /// A redirect to the same address.
    RedirectLoop,
    /// A redirect to the right place.
    Redirect,
}

/// A request: its line and its `Range`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Such as `GET /file HTTP/1.1`.
    pub line: String,
    /// Such as `bytes=5-`.
    pub range: Option<String>,
}

/// The server; it goes with the process.
pub struct FileServer {
    port: u16,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl FileServer {
    /// Serves the files of a folder. The first requests meet the faults, in their order; what comes after is answered well.
    ///
    /// # Panics
    /// When there is no port.
    pub fn start(folder: &Path, faults: &[Fault]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (folder, faults, seen) = (folder.to_owned(), faults.to_vec(), Arc::clone(&requests));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (folder, faults, seen) = (folder.clone(), faults.clone(), Arc::clone(&seen));
                // A client that goes away is no failure of the server.
                std::thread::spawn(move || answer(stream, &folder, &faults, &seen, port));
            }
        });
        Self { port, requests }
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The requests so far.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The head of a request.
fn request(lines: &mut impl Iterator<Item = std::io::Result<String>>) -> std::io::Result<Request> {
    let mut request = Request { line: lines.next().transpose()?.unwrap_or_default(), range: None };
    for header in lines {
        let header = header?;
        if header.is_empty() {
            break;
        }
        if let Some((name, value)) = header.split_once(':')
            && name.eq_ignore_ascii_case("range")
        {
            request.range = Some(value.trim().to_owned());
        }
    }
    Ok(request)
}

fn answer(mut stream: TcpStream, folder: &Path, faults: &[Fault], seen: &Mutex<Vec<Request>>, port: u16) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let mut asked = request(&mut lines)?;
    if asked.line.starts_with("CONNECT ") {
        // As a proxy it leads to itself.
        seen.lock().unwrap_or_else(PoisonError::into_inner).push(asked);
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
        asked = request(&mut lines)?;
    }
    let Request { line, range } = asked;
    let number = {
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.push(Request { line: line.clone(), range: range.clone() });
        seen.len() - 1
    };
    let path = line.split(' ').nth(1).unwrap_or("/");
    let fault = faults.get(number).copied();
    let head = |stream: &mut TcpStream, text: &str| stream.write_all(format!("HTTP/1.1 {text}\r\nConnection: close\r\n\r\n").as_bytes());
    match fault {
        Some(Fault::Status(status)) => return head(&mut stream, &format!("{status} No\r\nContent-Length: 0")),
        Some(Fault::RedirectLoop) => return head(&mut stream, &format!("302 Found\r\nLocation: {path}\r\nContent-Length: 0")),
        Some(Fault::Redirect) => return head(&mut stream, &format!("302 Found\r\nLocation: http://127.0.0.1:{port}{path}\r\nContent-Length: 0")),
        Some(Fault::SmallPage) => {
            head(&mut stream, "200 OK\r\nContent-Length: 12")?;
            return stream.write_all(b"please login");
        }
        _ => {}
    }
    let file: PathBuf = folder.join(path.trim_start_matches('/'));
    let Ok(mut bytes) = std::fs::read(&file) else { return head(&mut stream, "404 Not Found\r\nContent-Length: 0") };
    if fault == Some(Fault::WrongBytes) {
        bytes.iter_mut().for_each(|byte| *byte ^= 0x55);
    }
    let asked = range.as_deref().and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok());
    let start = asked.filter(|_| fault != Some(Fault::IgnoresRange)).unwrap_or(0);
    if start >= bytes.len() {
        return head(&mut stream, &format!("416 Range Not Satisfiable\r\nContent-Range: bytes */{}\r\nContent-Length: 0", bytes.len()));
    }
    let (part, total) = (&bytes[start..], bytes.len());
    let announced = match fault {
        Some(Fault::AnnouncesMore(percent)) => part.len() + total * percent as usize / 100,
        _ => part.len(),
    };
    let unannounced = matches!(fault, Some(Fault::Endless | Fault::SendsMore(_)));
    let length = if unannounced { String::new() } else { format!("\r\nContent-Length: {announced}") };
    let status = if start > 0 { format!("206 Partial Content\r\nContent-Range: bytes {start}-{}/{total}", total - 1) } else { "200 OK".to_owned() };
    head(&mut stream, &format!("{status}\r\nETag: \"1\"{length}"))?;
    let share = |percent: u64| &part[..part.len() * percent as usize / 100];
    match fault {
        Some(Fault::BreaksAt(percent)) => stream.write_all(share(percent)),
        Some(Fault::StallsAt(percent)) => {
            stream.write_all(share(percent))?;
            std::thread::sleep(Duration::from_secs(60));
            Ok(())
        }
        Some(Fault::SendsMore(count)) => {
            stream.write_all(part)?;
            stream.write_all(&vec![0; count])
        }
        Some(Fault::Endless) => loop {
            stream.write_all(part)?;
        },
        _ => stream.write_all(part),
    }
}
