//! An object store on this machine for tests: moto's S3 server, and a proxy before it that loses, cuts and refuses what goes through.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// moto's server on a port of its own; it ends with this value.
pub struct S3Server {
    process: Child,
    port: u16,
}

impl S3Server {
    /// Starts it with the Python of tests/cluster-environment.sh, or says loudly that the test was skipped.
    ///
    /// # Panics
    /// When it does not begin to answer.
    pub fn start(test: &str) -> Option<Self> {
        let python = crate::python_of_clusters(test)?;
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port();
        let mut command = Command::new(python);
        command.args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port.to_string()]);
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the Python can be started");
        let mut server = Self { process, port };
        let begun = Instant::now();
        while server.request("GET", "/moto-api/data.json", "").is_err() {
            assert!(server.process.try_wait().expect("a process").is_none(), "moto's server ended: is moto[server] installed?");
            assert!(begun.elapsed() < Duration::from_secs(60), "moto's server does not answer");
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(server)
    }

    /// Where it listens on this machine.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Makes a bucket.
    ///
    /// # Panics
    /// When the server does not do it.
    pub fn make_bucket(&self, name: &str) {
        let answer = self.request("PUT", &format!("/{name}"), "").expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    /// One request of its own, unsigned; the whole answer.
    ///
    /// # Errors
    /// No answer.
    pub fn request(&self, method: &str, path: &str, body: &str) -> io::Result<String> {
        let head = format!("{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        Ok(String::from_utf8_lossy(&forwarded(self.port, head.as_bytes(), &[])?).into_owned())
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The environment of somebody who uses the server at a port.
pub fn environment(port: u16) -> Vec<(String, String)> {
    let set = |name: &str, value: String| (name.to_owned(), value);
    vec![
        set("AWS_ACCESS_KEY_ID", "test".into()),
        set("AWS_SECRET_ACCESS_KEY", "SECRET-KEY".into()),
        set("AWS_REGION", "us-east-1".into()),
        set("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}")),
    ]
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is answered.
    Answered,
    /// It is answered, but late.
    Late,
    /// The service is busy: 503.
    Busy,
    /// The connection is cut within the request, which never arrives.
    CutRequest,
    /// The request arrives, and the connection is cut before the answer.
    CutBeforeAnswer,
    /// The connection is cut within the answer.
    CutAnswer,
}

const BUSY: &str = "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>";

/// A proxy before a server, which goes with the process.
pub struct FaultProxy {
    port: u16,
    met: Arc<Mutex<Vec<(String, Fate)>>>,
}

struct Behind {
    server: u16,
    fate: Box<dyn Fn(u64) -> Fate + Send + Sync>,
    number: AtomicU64,
    met: Arc<Mutex<Vec<(String, Fate)>>>,
    /// Where requests go through one at a time, those that are conditional are decided one at a time.
    turn: Option<Mutex<()>>,
}

impl FaultProxy {
    /// Before the server at a port; each request by its number has its fate. `in_turn`: the server sees one request at a time.
    ///
    /// # Panics
    /// When there is no port.
    pub fn start(server: u16, in_turn: bool, fate: impl Fn(u64) -> Fate + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let met = Arc::new(Mutex::new(Vec::new()));
        let turn = in_turn.then(|| Mutex::new(()));
        let behind = Arc::new(Behind { server, fate: Box::new(fate), number: AtomicU64::new(0), met: Arc::clone(&met), turn });
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let behind = Arc::clone(&behind);
                std::thread::spawn(move || while behind.serve(&client).is_ok_and(|goes_on| goes_on) {});
            }
        });
        Self { port, met }
    }

    /// One request in three meets something, by a seed: the same numbers meet the same.
    pub fn seeded(server: u16, in_turn: bool, seed: u64) -> Self {
        Self::start(server, in_turn, move |number| match scrambled(seed ^ number) % 15 {
            0 => Fate::Late,
            1 => Fate::Busy,
            2 => Fate::CutRequest,
            3 => Fate::CutBeforeAnswer,
            4 => Fate::CutAnswer,
            _ => Fate::Answered,
        })
    }

    /// Where it listens on this machine.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How many requests met a fate.
    pub fn count(&self, fate: Fate) -> usize {
        self.met.lock().unwrap_or_else(PoisonError::into_inner).iter().filter(|(_, met)| *met == fate).count()
    }

    /// The method and path of each request, in turn.
    pub fn requests(&self) -> Vec<String> {
        self.met.lock().unwrap_or_else(PoisonError::into_inner).iter().map(|(request, _)| request.clone()).collect()
    }
}

impl Behind {
    /// One request of a connection; whether there may be another.
    fn serve(&self, client: &TcpStream) -> io::Result<bool> {
        let mut reader = BufReader::new(client);
        let (head, length) = request_head(&mut reader)?;
        let fate = (self.fate)(self.number.fetch_add(1, Ordering::SeqCst));
        let request = String::from_utf8_lossy(&head).lines().next().unwrap_or_default().trim_end_matches(" HTTP/1.1").to_owned();
        self.met.lock().unwrap_or_else(PoisonError::into_inner).push((request, fate));
        let mut writer = client;
        if fate == Fate::CutRequest {
            io::copy(&mut reader.take(length / 2), &mut io::sink())?;
            client.shutdown(Shutdown::Both)?;
            return Ok(false);
        }
        let mut body = Vec::new();
        reader.take(length).read_to_end(&mut body)?;
        if fate == Fate::Busy {
            write!(writer, "HTTP/1.1 503 Slow Down\r\nContent-Length: {}\r\n\r\n{BUSY}", BUSY.len())?;
            return Ok(true);
        }
        if fate == Fate::Late {
            std::thread::sleep(Duration::from_millis(300));
        }
        let answer = {
            let _turn = self.turn.as_ref().map(|turn| turn.lock().unwrap_or_else(PoisonError::into_inner));
            forwarded(self.server, &head, &body)?
        };
        let sent = match fate {
            Fate::CutBeforeAnswer => 0,
            Fate::CutAnswer => answer.len() / 2,
            _ => answer.len(),
        };
        writer.write_all(&answer[..sent])?;
        client.shutdown(Shutdown::Both)?;
        Ok(false)
    }
}

/// The head of a request, with the wish that the connection ends after it, and the length of its body.
fn request_head(reader: &mut impl BufRead) -> io::Result<(Vec<u8>, u64)> {
    let (mut head, mut length) = (Vec::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let name = line.to_ascii_lowercase();
        if let Some(value) = name.strip_prefix("content-length:") {
            length = value.trim().parse().map_err(io::Error::other)?;
        }
        if line == "\r\n" {
            head.extend(b"Connection: close\r\n\r\n");
            return Ok((head, length));
        }
        if !name.starts_with("connection:") {
            head.extend(line.as_bytes());
        }
    }
}

/// The whole answer of the server at a port.
fn forwarded(port: u16, head: &[u8], body: &[u8]) -> io::Result<Vec<u8>> {
    let mut server = TcpStream::connect(("127.0.0.1", port))?;
    server.write_all(head)?;
    server.write_all(body)?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer)?;
    Ok(answer)
}

/// A number that looks like any (splitmix64).
fn scrambled(number: u64) -> u64 {
    let mut z = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
