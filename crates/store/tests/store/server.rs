//! A small HTTP server that does as it is told, and remembers what it was asked.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};

/// How one file is served.
#[derive(Clone, Debug)]
pub(crate) enum Habit {
    /// As it should be, with ranges.
    Whole,
    /// Whole each time, whatever range is asked for.
    NoRanges,
    /// The connection is closed after so many bytes of the body; `times` over, then whole.
    Breaks { after: usize, times: usize },
    /// The same, and without ranges.
    BreaksWithoutRanges { after: usize, times: usize },
    /// These bytes instead, announced and whole.
    Instead(Vec<u8>),
    /// The bytes, and then others without end, with no length announced.
    Endless,
    /// So many bytes, then silence until the server is dropped.
    Stalls { after: usize },
    /// A byte ten times a second.
    Trickles,
    /// This status and these headers, `times` over, then whole.
    Status { status: u16, headers: &'static str, times: usize },
    /// A redirect.
    Redirect(String),
    /// A right answer to the wrong range: everything, called a part.
    LiesAboutRanges,
}

/// What was asked: the request line, and headers by name in small letters.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub line: String,
    pub headers: HashMap<String, String>,
}

impl Request {
    pub(crate) fn range(&self) -> Option<&str> {
        self.headers.get("range").map(String::as_str)
    }
}

struct State {
    files: HashMap<String, (Vec<u8>, Habit)>,
    served: Mutex<HashMap<String, usize>>,
    requests: Mutex<Vec<Request>>,
    connections: AtomicUsize,
    ended: (Mutex<bool>, Condvar),
    stopped: AtomicBool,
    stalled: (Mutex<usize>, Condvar),
}

/// Stops when dropped.
pub(crate) struct Server {
    address: SocketAddr,
    state: Arc<State>,
}

impl Server {
    /// Serves files at `/pool/<name>`; other paths when the name begins with `/`.
    pub(crate) fn start(files: &[(&str, &[u8], Habit)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let files = files.iter().map(|(name, bytes, habit)| {
            let path =
                if name.starts_with('/') { (*name).to_owned() } else { format!("/pool/{name}") };
            (path, (bytes.to_vec(), habit.clone()))
        });
        let state = Arc::new(State {
            files: files.collect(),
            served: Mutex::default(),
            requests: Mutex::default(),
            connections: AtomicUsize::new(0),
            ended: Default::default(),
            stopped: AtomicBool::new(false),
            stalled: Default::default(),
        });
        let for_thread = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if for_thread.stopped.load(Ordering::SeqCst) {
                    return;
                }
                let state = Arc::clone(&for_thread);
                state.connections.fetch_add(1, Ordering::SeqCst);
                // A client that goes away is no concern of the server's.
                std::thread::spawn(move || stream.and_then(|stream| converse(&state, stream)));
            }
        });
        Self { address, state }
    }

    /// An address at which nobody listens.
    pub(crate) fn refusing_url() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.state.requests.lock().unwrap().clone()
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.requests().into_iter().map(|request| request.line).collect()
    }

    pub(crate) fn ranges(&self) -> Vec<Option<String>> {
        self.requests().iter().map(|request| request.range().map(str::to_owned)).collect()
    }

    pub(crate) fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// Waits until an answer has stalled.
    pub(crate) fn wait_for_stall(&self) {
        let (count, changed) = &self.state.stalled;
        let guard = count.lock().unwrap();
        drop(changed.wait_while(guard, |count| *count == 0).unwrap());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.state.stopped.store(true, Ordering::SeqCst);
        *self.state.ended.0.lock().unwrap() = true;
        self.state.ended.1.notify_all();
        // Wakes the thread that accepts.
        drop(TcpStream::connect(self.address));
    }
}

/// Reads one request; `None` when the client has gone.
pub(crate) fn read_request(reader: &mut impl BufRead) -> std::io::Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut headers = HashMap::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        match header.trim_end().split_once(':') {
            Some((name, value)) => {
                headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
            }
            None => return Ok(Some(Request { line: line.trim_end().to_owned(), headers })),
        }
    }
}

fn converse(state: &State, stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut writer = stream.try_clone()?;
    converse_over(state, &mut BufReader::new(stream), &mut writer)
}

/// Answers one request after another; an error or an end closes the connection.
fn converse_over(
    state: &State,
    reader: &mut impl BufRead,
    writer: &mut impl Write,
) -> std::io::Result<()> {
    while let Some(request) = read_request(reader)? {
        state.requests.lock().unwrap().push(request.clone());
        if !answer(state, &request, writer)? {
            break;
        }
    }
    Ok(())
}

/// Whether the connection stays open.
fn answer(state: &State, request: &Request, to: &mut impl Write) -> std::io::Result<bool> {
    let target = request.line.split(' ').nth(1).unwrap_or_default().replace("%2B", "+");
    // The absolute form, as proxies see it.
    let path = match target.strip_prefix("http://") {
        Some(rest) => &rest[rest.find('/').unwrap_or(rest.len())..],
        None => &target,
    };
    let Some((bytes, habit)) = state.files.get(path) else {
        write!(to, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")?;
        return Ok(true);
    };
    let time = {
        let mut served = state.served.lock().unwrap();
        let time = served.entry(path.to_owned()).or_default();
        *time += 1;
        *time
    };
    let asked = request
        .range()
        .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
    let from = asked.unwrap_or(0);
    match habit {
        Habit::Breaks { after, times } if time <= *times => {
            whole(to, bytes, from, Some(*after)).map(|()| false)
        }
        Habit::BreaksWithoutRanges { after, times } if time <= *times => {
            whole(to, bytes, 0, Some(*after)).map(|()| false)
        }
        Habit::Status { status, headers, times } if time <= *times => {
            write!(to, "HTTP/1.1 {status} So\r\n{headers}Content-Length: 0\r\n\r\n").map(|()| true)
        }
        Habit::Whole | Habit::Breaks { .. } | Habit::Status { .. } => {
            whole(to, bytes, from, None).map(|()| true)
        }
        Habit::NoRanges | Habit::BreaksWithoutRanges { .. } => {
            whole(to, bytes, 0, None).map(|()| true)
        }
        Habit::Instead(other) => whole(to, other, 0, None).map(|()| true),
        Habit::Endless => {
            write!(to, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
            to.write_all(bytes)?;
            loop {
                to.write_all(&[0; 4096])?;
            }
        }
        Habit::Stalls { after } => {
            whole(to, bytes, from, Some(*after))?;
            *state.stalled.0.lock().unwrap() += 1;
            state.stalled.1.notify_all();
            let ended = state.ended.0.lock().unwrap();
            drop(state.ended.1.wait_while(ended, |ended| !*ended).unwrap());
            Ok(false)
        }
        Habit::Trickles => {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", bytes.len());
            to.write_all(head.as_bytes())?;
            for byte in bytes {
                to.write_all(&[*byte])?;
                std::thread::sleep(std::time::Duration::from_millis(100));
            }
            Ok(true)
        }
        Habit::Redirect(url) => {
            write!(to, "HTTP/1.1 302 Found\r\nLocation: {url}\r\nContent-Length: 0\r\n\r\n")
                .map(|()| true)
        }
        Habit::LiesAboutRanges if asked.is_some() => {
            let rest = bytes.len() - from;
            write!(
                to,
                "HTTP/1.1 206 Partial\r\nContent-Range: bytes {from}-{}/{}\r\nContent-Length: {rest}\r\n\r\n",
                bytes.len() - 1,
                bytes.len()
            )?;
            to.write_all(&bytes[..rest]).map(|()| true)
        }
        Habit::LiesAboutRanges => whole(to, bytes, 0, None).map(|()| true),
    }
}

/// A right answer from `from` on, or the first `limit` bytes of its body.
fn whole(
    to: &mut impl Write,
    bytes: &[u8],
    from: usize,
    limit: Option<usize>,
) -> std::io::Result<()> {
    if from > 0 && from >= bytes.len() {
        return write!(to, "HTTP/1.1 416 No\r\nContent-Length: 0\r\n\r\n");
    }
    let body = &bytes[from..];
    if from > 0 {
        let total = bytes.len();
        let last = total - 1;
        write!(to, "HTTP/1.1 206 Partial\r\nContent-Range: bytes {from}-{last}/{total}\r\n")?;
    } else {
        write!(to, "HTTP/1.1 200 OK\r\n")?;
    }
    write!(to, "Content-Length: {}\r\n\r\n", body.len())?;
    to.write_all(&body[..limit.unwrap_or(body.len()).min(body.len())])?;
    to.flush()
}

/// Passes everything both ways until either side ends.
pub(crate) fn join(mut a: TcpStream, mut b: TcpStream) -> std::io::Result<()> {
    let (mut a_reads, mut b_writes) = (a.try_clone()?, b.try_clone()?);
    let there = std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(n @ 1..) = a_reads.read(&mut buffer) {
            if b_writes.write_all(&buffer[..n]).is_err() {
                break;
            }
        }
    });
    let mut buffer = [0; 4096];
    while let Ok(n @ 1..) = b.read(&mut buffer) {
        a.write_all(&buffer[..n])?;
    }
    drop((a, b));
    there.join().map_err(|_| std::io::Error::other("the other way failed"))
}
