//! Whether the server has a network: a way out and an address to be reached at.
//!
//! Read from what the kernel shows (proc(5), Documentation/ABI/testing/sysfs-class-net), so that no
//! packet is sent and nobody else's outage makes this server unhealthy.

use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::Failure;

/// linux/route.h: the route can be used, and it is one that refuses.
const RTF_UP: u32 = 1;
const RTF_REJECT: u32 = 0x200;
/// linux/if_addr.h: the address is another's too, or not known yet not to be.
const IFA_F_DADFAILED: u32 = 0x08;
const IFA_F_TENTATIVE: u32 = 0x40;
/// The scope of a global address in `/proc/net/if_inet6`, unique local ones among them.
const SCOPE_GLOBAL: u32 = 0;

/// The server has a default route, IPv4 or IPv6, over an interface that is up, and a global address
/// of that kind; addresses of private networks count.
pub fn network() -> Result<(), Failure> {
    let addressed = addresses(&read("/proc/net/fib_trie")).any(is_global);
    let four = default_routes(&read("/proc/net/route")).into_iter();
    let four = four.map(|interface| Way { protocol: "IPv4", interface, addressed });
    let table = read("/proc/net/if_inet6");
    let six = default_routes6(&read("/proc/net/ipv6_route")).into_iter().map(|interface| {
        let addressed = has_global6(&table, &interface);
        Way { protocol: "IPv6", interface, addressed }
    });
    let state = |interface: &str| read(&format!("/sys/class/net/{interface}/operstate"));
    judge(four.chain(six), |interface| is_up(&state(interface)))
}

/// A way out of the server: a default route.
struct Way {
    /// `IPv4` or `IPv6`.
    protocol: &'static str,
    /// The interface that it goes over.
    interface: String,
    /// Whether there is a global address to be reached at.
    addressed: bool,
}

/// One good way is enough; without one, the first that lacks something is the reason.
fn judge(ways: impl Iterator<Item = Way>, is_up: impl Fn(&str) -> bool) -> Result<(), Failure> {
    let mut reason = None;
    for Way { protocol, interface, addressed } in ways {
        let why = match (is_up(&interface), addressed) {
            (true, true) => return Ok(()),
            (false, _) => format!("the default route goes over {interface}, which is down"),
            (true, false) => format!("no global {protocol} address on {interface}"),
        };
        reason = reason.or(Some(why));
    }
    Err(Failure::Other(reason.unwrap_or_else(|| "no default route".to_owned())))
}

/// What is not there (a kernel without IPv6) says nothing.
fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// The interfaces with a default route in `/proc/net/route`: columns interface, destination,
/// gateway, flags, three counters, mask, all numbers in hexadecimal.
fn default_routes(table: &str) -> Vec<String> {
    let interface = |line: &str| {
        let words: Vec<_> = line.split_ascii_whitespace().collect();
        let [interface, destination, _, flags, _, _, _, mask, ..] = words[..] else { return None };
        let all = number(destination)? == 0 && number(mask)? == 0;
        (all && is_usable(flags) && interface != "lo").then(|| interface.to_owned())
    };
    table.lines().filter_map(interface).collect()
}

/// The interfaces with a default route in `/proc/net/ipv6_route`: columns destination, its prefix
/// length, source, its prefix length, gateway, metric, two counters, flags, interface, all numbers
/// in hexadecimal. The kernel has a route on `lo` that refuses what has no other.
fn default_routes6(table: &str) -> Vec<String> {
    let interface = |line: &str| {
        let words: Vec<_> = line.split_ascii_whitespace().collect();
        let [destination, prefix, _, _, _, _, _, _, flags, interface] = words[..] else {
            return None;
        };
        let all = destination.bytes().all(|digit| digit == b'0') && number(prefix)? == 0;
        (all && is_usable(flags) && interface != "lo").then(|| interface.to_owned())
    };
    table.lines().filter_map(interface).collect()
}

fn is_usable(flags: &str) -> bool {
    number(flags).is_some_and(|flags| flags & RTF_UP != 0 && flags & RTF_REJECT == 0)
}

/// The server's own addresses in `/proc/net/fib_trie`: a line `|-- ADDRESS`, and below it one that
/// says what it is. The kernel shows nowhere in `/proc` which interface has it.
fn addresses(trie: &str) -> impl Iterator<Item = Ipv4Addr> {
    let mut address = None;
    trie.lines().filter_map(move |line| {
        let line = line.trim();
        if let Some(leaf) = line.strip_prefix("|-- ") {
            address = leaf.parse().ok();
        }
        (line == "/32 host LOCAL").then_some(address).flatten()
    })
}

/// Not the loopback's, not one that a host gives itself when nobody else does (RFC 3927).
fn is_global(address: Ipv4Addr) -> bool {
    !address.is_loopback() && !address.is_link_local() && !address.is_unspecified()
}

/// Whether `interface` has a global address in `/proc/net/if_inet6`: columns address, number of the
/// interface, prefix length, scope, flags, interface, all numbers in hexadecimal.
fn has_global6(table: &str, interface: &str) -> bool {
    let global = |line: &str| {
        let words: Vec<_> = line.split_ascii_whitespace().collect();
        let [address, _, _, scope, flags, name] = words[..] else { return None };
        let address = Ipv6Addr::from(u128::from_str_radix(address, 16).ok()?);
        let wrong = IFA_F_DADFAILED | IFA_F_TENTATIVE;
        let good = number(scope)? == SCOPE_GLOBAL && number(flags)? & wrong == 0;
        Some(good && name == interface && !address.is_loopback())
    };
    table.lines().any(|line| global(line) == Some(true))
}

/// `unknown` is what drivers say that have no cable to look at.
fn is_up(operstate: &str) -> bool {
    matches!(operstate.trim(), "up" | "unknown")
}

fn number(hexadecimal: &str) -> Option<u32> {
    u32::from_str_radix(hexadecimal, 16).ok()
}

#[cfg(test)]
mod tests;
