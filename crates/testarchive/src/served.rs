//! A folder over HTTP/1.1 on loopback.

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// Serves until it is dropped.
#[derive(Debug)]
pub struct Served {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    folder: PathBuf,
    stopped: AtomicBool,
    asked: Mutex<Vec<String>>,
}

impl Served {
    /// Serves what is in `folder`, now or later.
    pub fn start(folder: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = State {
            folder: folder.to_owned(),
            stopped: AtomicBool::new(false),
            asked: Mutex::default(),
        };
        let state = Arc::new(state);
        let of_thread = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if of_thread.stopped.load(Ordering::SeqCst) {
                    return;
                }
                let state = of_thread.clone();
                // A client that goes away is no concern of the server's.
                std::thread::spawn(move || stream.and_then(|stream| converse(&state, stream)));
            }
        });
        Self { address, state }
    }

    /// `http://127.0.0.1:PORT/`.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// The paths that were asked for so far, in order.
    pub fn asked(&self) -> Vec<String> {
        self.state.asked.lock().unwrap().clone()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.state.stopped.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        drop(TcpStream::connect(self.address));
    }
}

fn converse(state: &State, stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || state.stopped.load(Ordering::SeqCst) {
            return Ok(());
        }
        let mut from = 0;
        loop {
            let mut header = String::new();
            reader.read_line(&mut header)?;
            let header = header.trim_end().to_ascii_lowercase();
            if header.is_empty() {
                break;
            }
            if let Some(range) = header.strip_prefix("range: bytes=") {
                from = range.trim_end_matches('-').parse().unwrap_or(0);
            }
        }
        let mut words = line.split_whitespace();
        let (method, target) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
        let path = decoded(target);
        state.asked.lock().unwrap().push(path.clone());
        answer(&mut writer, method, file(&state.folder, &path), from)?;
    }
}

fn answer(to: &mut impl Write, method: &str, body: Option<Vec<u8>>, from: usize) -> io::Result<()> {
    let Some(body) = body else {
        return write!(to, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    };
    let total = body.len();
    if from > 0 && from >= total {
        return write!(to, "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 0\r\n\r\n");
    }
    let body = &body[from..];
    if from > 0 {
        let last = total - 1;
        let range = format!("bytes {from}-{last}/{total}");
        write!(to, "HTTP/1.1 206 Partial Content\r\nContent-Range: {range}\r\n")?;
    } else {
        write!(to, "HTTP/1.1 200 OK\r\n")?;
    }
    write!(to, "Content-Length: {}\r\n\r\n", body.len())?;
    if method != "HEAD" {
        to.write_all(body)?;
    }
    to.flush()
}

/// The file of a path, if it is one within the folder.
fn file(folder: &Path, path: &str) -> Option<Vec<u8>> {
    let path = Path::new(path.strip_prefix('/')?);
    let is_inside = path.components().all(|part| matches!(part, Component::Normal(_)));
    is_inside.then(|| fs::read(folder.join(path)).ok()).flatten()
}

/// A path without its percent signs; nothing if it is no text then.
fn decoded(target: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = target.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) if first == b'%' => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_default()
}
