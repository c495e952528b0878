//! Proxies of the environment are used, and excepted hosts are not.

use crate::server::{Habit, Server, join, read_request};
use crate::{cache, content, held, item, options};
use std::io::{BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use store::{Options, Store};

/// What an environment with these variables makes of `options`.
pub(crate) fn with(options: Options, variables: &[(&str, &str)]) -> Options {
    options
        .environment(|name| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
        .unwrap()
}

/// A proxy that opens a tunnel to `target`, whatever it is asked for; what it was asked for comes
/// out of the channel.
pub(crate) fn tunnel(target: u16) -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || -> std::io::Result<()> {
        for stream in listener.incoming() {
            let stream = stream?;
            let request = read_request(&mut BufReader::new(stream.try_clone()?))?;
            let line = request.map(|request| request.line).unwrap_or_default();
            if send.send(line).is_err() {
                break;
            }
            (&stream).write_all(b"HTTP/1.1 200 Connected\r\n\r\n")?;
            let there = TcpStream::connect(("127.0.0.1", target))?;
            std::thread::spawn(move || join(stream, there));
        }
        Ok(())
    });
    (url, receive)
}

#[test]
fn plain_http_goes_to_the_proxy_with_the_whole_url() {
    let (cache, bytes) = (cache(), content("a", 1000));
    let second = content("b", 1000);
    // The name exists nowhere: only the proxy can have answered.
    let proxy = Server::start(&[
        ("/debian/pool/a+b.deb", &bytes, Habit::Breaks { after: 400, times: 1 }),
        ("/debian/pool/c.deb", &second, Habit::Whole),
    ]);
    let options = options(&cache).mirror("debian", "http://mirror.invalid/debian");
    let mut options = with(options, &[("http_proxy", &proxy.url(""))]);
    options.connections = 1;
    let store = Store::open(options).unwrap();
    let wanted = item("a+b.deb", &bytes);
    store.fetch(&[wanted.clone(), item("c.deb", &second)]).unwrap();
    assert_eq!(held(&store, &wanted), Some(bytes));
    let line = "GET http://mirror.invalid/debian/pool/a%2Bb.deb HTTP/1.1";
    let last = "GET http://mirror.invalid/debian/pool/c.deb HTTP/1.1";
    assert_eq!(proxy.lines(), [line, line, last]);
    assert_eq!(proxy.ranges()[1].as_deref(), Some("bytes=400-"));
    assert_eq!(proxy.requests()[0].headers["host"], "mirror.invalid");
    assert_eq!(proxy.connections(), 2, "one for the break, one kept open");
}

#[test]
fn the_proxy_s_password_goes_to_the_proxy() {
    let (cache, bytes) = (cache(), content("a", 10));
    let proxy = Server::start(&[("a.deb", &bytes, Habit::Whole)]);
    let url = format!("http://user:p%40ss@127.0.0.1:{}", proxy.port());
    let options = options(&cache).mirror("debian", "http://mirror.invalid");
    let store = Store::open(with(options, &[("HTTP_PROXY", &url)])).unwrap();
    store.fetch(&[item("a.deb", &bytes)]).unwrap();
    let headers = &proxy.requests()[0].headers;
    assert_eq!(headers["proxy-authorization"], "Basic dXNlcjpwQHNz");
    assert!(!headers.contains_key("authorization"));
}

#[test]
fn hosts_in_no_proxy_are_reached_directly() {
    let (cache, bytes) = (cache(), content("a", 10));
    let mirror = Server::start(&[("a.deb", &bytes, Habit::Whole)]);
    let proxy = Server::start(&[]);
    let options = options(&cache).mirror("debian", &mirror.url(""));
    let variables = [("http_proxy", &*proxy.url("")), ("no_proxy", "example.org, 127.0.0.0/8")];
    Store::open(with(options, &variables)).unwrap().fetch(&[item("a.deb", &bytes)]).unwrap();
    assert_eq!(proxy.connections(), 0);
}

#[test]
fn a_proxy_that_is_not_there_is_named_unreachable_not_gone_around() {
    let (cache, bytes) = (cache(), content("a", 10));
    let mirror = Server::start(&[("a.deb", &bytes, Habit::Whole)]);
    let options = options(&cache).mirror("debian", &mirror.url(""));
    let options = with(options, &[("http_proxy", &Server::refusing_url())]);
    let error = Store::open(options).unwrap().fetch(&[item("a.deb", &bytes)]).unwrap_err();
    assert!(error.to_string().contains("cannot be reached"), "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("http_proxy")));
    assert_eq!(mirror.requests().len(), 0);
}
