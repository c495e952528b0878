//! HTTP: one request for one file, from some byte on.

use std::collections::HashMap;
use std::io::{self, Read};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use percent_encoding::percent_decode_str;
use ureq::http::Uri;
use ureq::http::header::{HeaderMap, HeaderName};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::unversioned::transport::{Connector as _, DefaultConnector, TcpConnector};
use ureq::{Agent, Timeout};

use crate::addresses::{Addresses, ToProxy};
use crate::forward::AbsoluteForm;
use crate::options::Options;
use crate::proxy::Proxies;
use crate::refusal::Reason;
use crate::roots::Certificates;

/// How often a server may send us elsewhere.
const REDIRECTS: usize = 10;

/// The longest that a server may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(15);

/// The body of an answer.
pub(crate) struct Reply {
    /// At which byte of the file it begins: what was asked for, or 0 when the server does not do
    /// ranges.
    pub(crate) start: u64,
    /// How many bytes are announced.
    pub(crate) length: Option<u64>,
    /// The bytes.
    pub(crate) body: Box<dyn Read + Send>,
}

/// Why there is no body.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The server's word: asking again would not help.
    Refused(Reason),
    /// There is no connection to be had.
    Unreachable(String),
    /// The connection broke.
    Interrupted(String),
    /// Nothing came for as long as we wait.
    Silent,
    /// The server wants to be left alone for a while.
    Busy { status: u16, after: Option<Duration> },
    /// The server has no bytes from there on.
    NoSuchRange,
}

/// Keeps connections open between requests, by proxy.
#[derive(Debug)]
pub(crate) struct Client {
    proxies: Proxies,
    certificates: Certificates,
    roots: OnceLock<RootCerts>,
    addresses: Addresses,
    patience: Duration,
    connections: usize,
    agents: Mutex<HashMap<Route, Agent>>,
}

/// The way to a server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Route {
    Direct,
    /// Requests go to the proxy.
    Forward(String),
    /// The proxy connects us to the server.
    Tunnel(String),
}

impl Client {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            proxies: options.proxies.clone(),
            certificates: options.certificates.clone(),
            roots: OnceLock::new(),
            addresses: Addresses::default(),
            patience: options.patience,
            connections: options.connections,
            agents: Mutex::default(),
        }
    }

    /// Asks for `url` from byte `offset` on. Follows redirects, but none from https to http.
    pub(crate) fn get(&self, url: &str, offset: u64) -> Result<Reply, Trouble> {
        let mut target: Uri = url.parse().map_err(|_| not_a_url(url))?;
        for _ in 0..=REDIRECTS {
            let (bare, authorization) = split_credentials(&target)?;
            let (agent, proxy_authorization) = self.agent_for(&bare)?;
            let mut request = agent.get(&bare);
            if offset > 0 {
                request = request.header("range", format!("bytes={offset}-"));
            }
            for (name, value) in
                [("authorization", authorization), ("proxy-authorization", proxy_authorization)]
            {
                if let Some(value) = value {
                    request = request.header(name, value);
                }
            }
            let response = request.call().map_err(|error| trouble(&error, self.patience))?;
            let status = response.status().as_u16();
            let headers = response.headers();
            match status {
                200 => {
                    let length = number(headers, "content-length");
                    let body = Box::new(response.into_body().into_reader());
                    return Ok(Reply { start: 0, length, body });
                }
                206 if offset > 0 && range_start(headers) == Some(offset) => {
                    let length = number(headers, "content-length");
                    let body = Box::new(response.into_body().into_reader());
                    return Ok(Reply { start: offset, length, body });
                }
                206 | 416 => return Err(Trouble::NoSuchRange),
                301 | 302 | 303 | 307 | 308 => target = redirect(&bare, headers)?,
                404 | 410 => return Err(Trouble::Refused(Reason::Absent)),
                408 | 429 | 500 | 502 | 503 | 504 => {
                    let after = number(headers, "retry-after").map(Duration::from_secs);
                    return Err(Trouble::Busy { status, after });
                }
                _ => return Err(Trouble::Refused(Reason::Status(status))),
            }
        }
        Err(Trouble::Refused(Reason::Interrupted("it redirects in circles".to_owned())))
    }

    /// The agent for a target and what the proxy wants to see, if a header has to say it.
    fn agent_for(&self, target: &Uri) -> Result<(Agent, Option<String>), Trouble> {
        let (route, authorization) = match self.proxies.of(target) {
            None => (Route::Direct, None),
            Some(proxy) => {
                let parsed = ureq::Proxy::new(proxy)
                    .map_err(|_| Trouble::Unreachable("the proxy has no address".to_owned()))?;
                let forward = target.scheme_str() == Some("http")
                    && parsed.protocol() == ureq::ProxyProtocol::Http;
                if forward {
                    let (bare, authorization) = split_credentials(parsed.uri())?;
                    (Route::Forward(bare.to_string()), authorization)
                } else {
                    (Route::Tunnel(proxy.to_owned()), None)
                }
            }
        };
        let mut agents = self.agents.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(agent) = agents.get(&route) {
            return Ok((agent.clone(), authorization));
        }
        let agent = self.agent(&route)?;
        agents.insert(route, agent.clone());
        Ok((agent, authorization))
    }

    fn agent(&self, route: &Route) -> Result<Agent, Trouble> {
        let proxy = match route {
            Route::Tunnel(proxy) => ureq::Proxy::new(proxy).ok(),
            Route::Direct | Route::Forward(_) => None,
        };
        let roots = self.roots.get_or_init(|| self.certificates.load()).clone();
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(proxy)
            .tls_config(TlsConfig::builder().root_certs(roots).build())
            .timeout_connect(Some(self.patience.min(CONNECT)))
            .timeout_recv_response(Some(self.patience))
            .timeout_per_read(Some(self.patience))
            .max_idle_connections(2 * self.connections)
            .max_idle_connections_per_host(self.connections)
            .user_agent(concat!("heirloom/", env!("CARGO_PKG_VERSION")))
            // The bytes that were hashed are the ones that lie on the server.
            .accept_encoding("identity")
            .build();
        let addresses = self.addresses.clone();
        Ok(match route {
            Route::Direct | Route::Tunnel(_) => {
                Agent::with_parts(config, DefaultConnector::new(), addresses)
            }
            Route::Forward(proxy) => {
                let proxy = proxy.parse().map_err(|_| not_a_url(proxy))?;
                let connector = ().chain(TcpConnector::default()).chain(AbsoluteForm);
                Agent::with_parts(config, connector, ToProxy { proxy, addresses })
            }
        })
    }
}

fn not_a_url(text: &str) -> Trouble {
    let shown = crate::source::without_credentials(text);
    Trouble::Unreachable(format!("`{shown}` is not a URL"))
}

/// Takes user and password out of a URL; the second is the value of an `authorization` header.
fn split_credentials(url: &Uri) -> Result<(Uri, Option<String>), Trouble> {
    let Some((userinfo, host)) = url.authority().and_then(|a| a.as_str().rsplit_once('@')) else {
        return Ok((url.clone(), None));
    };
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    let scheme = url.scheme_str().unwrap_or("http");
    let bare = format!("{scheme}://{host}{path}");
    let bare = bare.parse().map_err(|_| not_a_url(&bare))?;
    let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
    let mut plain: Vec<u8> = percent_decode_str(user).collect();
    plain.push(b':');
    plain.extend(percent_decode_str(password));
    let value = format!("Basic {}", base64::prelude::BASE64_STANDARD.encode(plain));
    Ok((bare, Some(value)))
}

fn redirect(from: &Uri, headers: &HeaderMap) -> Result<Uri, Trouble> {
    let nowhere = || Trouble::Refused(Reason::Interrupted("it redirects to nowhere".to_owned()));
    let location = text(headers, "location").ok_or_else(nowhere)?;
    let (scheme, authority) = from
        .scheme_str()
        .zip(from.authority())
        .map(|(s, a)| (s, a.as_str()))
        .ok_or_else(nowhere)?;
    let absolute = if has_scheme(location) {
        location.to_owned()
    } else if location.starts_with("//") {
        format!("{scheme}:{location}")
    } else if location.starts_with('/') {
        format!("{scheme}://{authority}{location}")
    } else {
        let folder = from.path().rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{scheme}://{authority}{folder}/{location}")
    };
    let to: Uri = absolute.parse().map_err(|_| nowhere())?;
    match (scheme, to.scheme_str()) {
        (_, Some("https")) | ("http", Some("http")) => Ok(to),
        _ => Err(Trouble::Refused(Reason::Interrupted(
            "it redirects to what is not https".to_owned(),
        ))),
    }
}

/// Whether a reference is a whole URL (RFC 3986, 3.1): a query may well have another one in it.
fn has_scheme(location: &str) -> bool {
    location.split_once("://").is_some_and(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    })
}

fn text<'a>(headers: &'a HeaderMap, name: &'static str) -> Option<&'a str> {
    headers.get(HeaderName::from_static(name))?.to_str().ok()
}

fn number(headers: &HeaderMap, name: &'static str) -> Option<u64> {
    text(headers, name)?.trim().parse().ok()
}

/// `Content-Range: bytes 5-9/10`
fn range_start(headers: &HeaderMap) -> Option<u64> {
    text(headers, "content-range")?.strip_prefix("bytes ")?.split_once('-')?.0.trim().parse().ok()
}

fn trouble(error: &ureq::Error, patience: Duration) -> Trouble {
    use io::ErrorKind as Kind;
    match error {
        ureq::Error::HostNotFound => Trouble::Unreachable("its name is not known".to_owned()),
        ureq::Error::Timeout(Timeout::Connect | Timeout::Resolve) => {
            Trouble::Unreachable(format!("no connection within {:?}", patience.min(CONNECT)))
        }
        ureq::Error::Timeout(_) => Trouble::Silent,
        ureq::Error::Io(io) => match io.kind() {
            Kind::ConnectionReset
            | Kind::ConnectionAborted
            | Kind::BrokenPipe
            | Kind::NotConnected
            | Kind::UnexpectedEof
            | Kind::TimedOut => Trouble::Interrupted(io.to_string()),
            // Refused, no route; what the resolver says (it has no kind of its own), and what
            // rustls says of a certificate.
            _ => Trouble::Unreachable(io.to_string()),
        },
        ureq::Error::Protocol(_) => Trouble::Interrupted(error.to_string()),
        _ => Trouble::Unreachable(error.to_string()),
    }
}

/// What is said of a server that says nothing.
pub(crate) fn silent(patience: Duration) -> String {
    format!("nothing came for {patience:?}")
}

/// Whether an error while reading means that nothing came.
pub(crate) fn is_silence(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<ureq::Error>());
    error.kind() == io::ErrorKind::TimedOut || matches!(inner, Some(ureq::Error::Timeout(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_is_followed_as_rfc_3986_reads_it() {
        let from: Uri = "https://mirror.example/debian/pool/a.deb".parse().unwrap();
        for (location, expected) in [
            ("https://other.example/a.deb", "https://other.example/a.deb"),
            ("HTTPS://other.example/a.deb", "https://other.example/a.deb"),
            ("//other.example/a.deb", "https://other.example/a.deb"),
            ("/get/a.deb", "https://mirror.example/get/a.deb"),
            ("b.deb", "https://mirror.example/debian/pool/b.deb"),
            ("/get?url=https://x/y", "https://mirror.example/get?url=https://x/y"),
            ("/get?url=http://x/y", "https://mirror.example/get?url=http://x/y"),
            ("get?url=https://x/y", "https://mirror.example/debian/pool/get?url=https://x/y"),
        ] {
            let headers = HeaderMap::from_iter([(
                HeaderName::from_static("location"),
                location.parse().unwrap(),
            )]);
            let to = redirect(&from, &headers);
            assert_eq!(to.unwrap().to_string(), expected, "{location}");
        }
        let headers = HeaderMap::from_iter([(
            HeaderName::from_static("location"),
            "http://mirror.example/a.deb".parse().unwrap(),
        )]);
        assert!(redirect(&from, &headers).is_err(), "from https to http");
    }
}
