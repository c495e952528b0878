//! Which proxy is used for what, as the environment says: `http_proxy`, `https_proxy`, `all_proxy`
//! and `no_proxy`, also in capitals (the small ones win), in the manner of curl(1).

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use ureq::http::Uri;

use crate::{Error, Result};

/// The proxies of the environment.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Proxies {
    http: Option<String>,
    https: Option<String>,
    exceptions: Vec<Exception>,
}

/// One entry of `no_proxy`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Exception {
    Everything,
    /// A host and all below it, perhaps at one port only.
    Domain {
        name: String,
        port: Option<u16>,
    },
    /// Addresses whose first bits are these.
    Network {
        address: IpAddr,
        bits: u32,
    },
}

impl Proxies {
    /// Reads the variables.
    pub(crate) fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let value = |name: &str| {
            [name.to_owned(), name.to_uppercase()]
                .into_iter()
                .find_map(|name| variable(&name).filter(|v| !v.is_empty()).map(|v| (name, v)))
        };
        let proxy = |name: &str| -> Result<Option<String>> {
            let Some((variable, value)) = value(name).or_else(|| value("all_proxy")) else {
                return Ok(None);
            };
            match ureq::Proxy::new(&value) {
                Ok(_) => Ok(Some(value)),
                Err(_) => Err(Error::Proxy { variable }),
            }
        };
        let exceptions = value("no_proxy").map(|(_, list)| list).unwrap_or_default();
        Ok(Self {
            http: proxy("http_proxy")?,
            https: proxy("https_proxy")?,
            exceptions: exceptions
                .split([',', ' ', '\t'])
                .filter(|entry| !entry.is_empty())
                .map(Exception::read)
                .collect(),
        })
    }

    /// The proxy for requests to `target`, if there is one.
    pub(crate) fn of(&self, target: &Uri) -> Option<&str> {
        let https = target.scheme_str() == Some("https");
        let host = target.host()?.trim_matches(['[', ']']);
        let port = target.port_u16().unwrap_or(if https { 443 } else { 80 });
        if self.exceptions.iter().any(|exception| exception.matches(host, port)) {
            return None;
        }
        if https { self.https.as_deref() } else { self.http.as_deref() }
    }
}

impl Exception {
    fn read(entry: &str) -> Self {
        if entry == "*" {
            return Self::Everything;
        }
        let (address, bits) = entry.split_once('/').unwrap_or((entry, ""));
        if let Ok(address) = address.trim_matches(['[', ']']).parse::<IpAddr>() {
            let all = if address.is_ipv4() { 32 } else { 128 };
            return Self::Network { address, bits: bits.parse().unwrap_or(all).min(all) };
        }
        let (name, port) = match entry.rsplit_once(':') {
            Some((name, port)) if port.parse::<u16>().is_ok() => (name, port.parse().ok()),
            _ => (entry, None),
        };
        let name = name.strip_prefix('*').unwrap_or(name);
        let name = name.trim_start_matches('.').trim_end_matches('.').to_ascii_lowercase();
        Self::Domain { name, port }
    }

    fn matches(&self, host: &str, at_port: u16) -> bool {
        match self {
            Self::Everything => true,
            Self::Domain { name, port } => {
                let host = host.trim_end_matches('.').to_ascii_lowercase();
                let below = host.strip_suffix(name.as_str());
                let within = below.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
                within && port.is_none_or(|port| port == at_port)
            }
            Self::Network { address, bits } => {
                host.parse().is_ok_and(|host| same_network(*address, host, *bits))
            }
        }
    }
}

fn same_network(a: IpAddr, b: IpAddr, bits: u32) -> bool {
    match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) => {
            (a.to_bits() ^ b.to_bits()).checked_shr(32 - bits).unwrap_or(0) == 0
        }
        (IpAddr::V6(a), IpAddr::V6(b)) => {
            (a.to_bits() ^ b.to_bits()).checked_shr(128 - bits).unwrap_or(0) == 0
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(variables: &[(&str, &str)]) -> Result<Proxies> {
        Proxies::from_variables(|name| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    fn of<'a>(proxies: &'a Proxies, url: &str) -> Option<&'a str> {
        proxies.of(&url.parse().unwrap())
    }

    #[test]
    fn each_scheme_has_its_proxy_and_small_letters_win() {
        let set = [
            ("http_proxy", "http://small:1"),
            ("HTTP_PROXY", "http://capital:1"),
            ("HTTPS_PROXY", "secure:2"),
        ];
        let proxies = proxies(&set).unwrap();
        assert_eq!(of(&proxies, "http://a/x"), Some("http://small:1"));
        assert_eq!(of(&proxies, "https://a/x"), Some("secure:2"));
    }

    #[test]
    fn all_proxy_is_for_what_has_none_of_its_own_and_empty_is_none() {
        let set = [("http_proxy", ""), ("HTTP_PROXY", ""), ("ALL_PROXY", "socks5://s:3")];
        assert_eq!(of(&proxies(&set).unwrap(), "http://a/"), Some("socks5://s:3"));
        assert_eq!(of(&proxies(&[("http_proxy", "")]).unwrap(), "http://a/"), None);
    }

    #[test]
    fn no_proxy_excepts_hosts_with_all_below_them_ports_and_networks() {
        let list = "example.org, .dot.net *.star.net,port.net:8080,10.0.0.0/8,::1,192.0.2.7";
        let proxies = proxies(&[("http_proxy", "http://p:1"), ("NO_PROXY", list)]).unwrap();
        let direct = [
            "http://example.org/",
            "http://EXAMPLE.org:81/",
            "http://a.example.org/",
            "http://dot.net/",
            "http://a.dot.net/",
            "http://b.star.net/",
            "http://port.net:8080/",
            "http://10.200.3.4/",
            "http://[::1]:99/",
            "http://192.0.2.7/",
        ];
        for url in direct {
            assert_eq!(of(&proxies, url), None, "{url}");
        }
        let proxied = [
            "http://notexample.org/",
            "http://port.net/",
            "http://11.0.0.1/",
            "http://192.0.2.70/",
        ];
        for url in proxied {
            assert!(of(&proxies, url).is_some(), "{url}");
        }
    }

    #[test]
    fn a_star_excepts_everything_and_so_does_a_network_of_no_bits_its_family() {
        let all = proxies(&[("http_proxy", "http://p:1"), ("no_proxy", "*")]).unwrap();
        assert_eq!(of(&all, "http://a/"), None);
        let four = proxies(&[("http_proxy", "http://p:1"), ("no_proxy", "0.0.0.0/0")]).unwrap();
        assert_eq!(of(&four, "http://203.0.113.1/"), None);
        assert!(of(&four, "http://[2001:db8::1]/").is_some());
    }

    #[test]
    fn what_is_no_proxy_is_an_error_that_names_the_variable_and_not_the_password() {
        let error = proxies(&[("HTTPS_PROXY", "ftp://user:secret@p")]).unwrap_err();
        assert!(error.to_string().contains("HTTPS_PROXY"), "{error}");
        assert!(!format!("{error} {error:?}").contains("secret"));
    }
}
