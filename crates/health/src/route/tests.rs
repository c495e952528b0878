//! Texts of kernels, of servers that are and are not on a network.

use super::*;

/// A server on QEMU's network: 10.0.2.15 and fec0::/64.
const ROUTE: &str = "\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
ens3\t00000000\t0202000A\t0003\t0\t0\t1024\t00000000\t0\t0\t0
ens3\t0002000A\t00000000\t0001\t0\t0\t1024\t00FFFFFF\t0\t0\t0
ens3\t0202000A\t00000000\t0005\t0\t0\t1024\tFFFFFFFF\t0\t0\t0
";
const TRIE: &str = "\
Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 10.0.2.0/24 2 0 1
        |-- 10.0.2.0
           /24 link UNICAST
        |-- 10.0.2.15
           /32 host LOCAL
        |-- 10.0.2.255
           /32 link BROADCAST
Local:
  +-- 0.0.0.0/0 3 0 5
     +-- 127.0.0.0/8 2 0 2
        |-- 127.0.0.0
           /8 host LOCAL
        |-- 127.0.0.1
           /32 host LOCAL
";
const ROUTE6: &str = "\
fec00000000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000400 00000001 00000000 00000001     ens3
fe800000000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001     ens3
00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe800000000000000000000000000002 00000400 00000001 00000000 00000003     ens3
00000000000000000000000000000001 80 00000000000000000000000000000000 00 00000000000000000000000000000000 00000000 00000002 00000000 80200001       lo
00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo
";
const ADDRESSES6: &str = "\
00000000000000000000000000000001 01 80 10 80       lo
fd00000000000000505400fffe123456 02 40 00 00     ens3
fe80000000000000505400fffe123456 02 40 20 80     ens3
20010db8000000000000000000000001 03 40 00 40     ens4
20010db8000000000000000000000002 04 40 00 88     ens5
";

fn without(text: &str, part: &str) -> String {
    text.lines().filter(|line| !line.contains(part)).map(|line| format!("{line}\n")).collect()
}

#[test]
fn a_default_route_is_the_one_to_everywhere_that_is_up() {
    assert_eq!(default_routes(ROUTE), ["ens3"]);
    assert_eq!(default_routes(&without(ROUTE, "\t00000000\t0202000A")), [""; 0]);
    // A whole half of the addresses, as VPNs have it, and a route that refuses.
    assert_eq!(default_routes(&ROUTE.replace("1024\t00000000", "1024\t00000080")), [""; 0]);
    assert_eq!(default_routes(&ROUTE.replace("\t0003\t", "\t0203\t")), [""; 0]);
    // A line to the other end needs no gateway.
    assert_eq!(default_routes(&ROUTE.replace("0202000A\t0003", "00000000\t0001")), ["ens3"]);
}

#[test]
fn the_kernels_own_refusal_is_no_default_route() {
    assert_eq!(default_routes6(ROUTE6), ["ens3"]);
    assert_eq!(default_routes6(&without(ROUTE6, "00000003     ens3")), [""; 0]);
}

#[test]
fn addresses_are_the_servers_own() {
    let found: Vec<_> = addresses(TRIE).collect();
    assert_eq!(found, [Ipv4Addr::new(10, 0, 2, 15), Ipv4Addr::LOCALHOST]);
    assert!(found.into_iter().any(is_global));
    let lonely = TRIE.replace("10.0.2.15", "169.254.7.1");
    assert!(!addresses(&lonely).any(is_global));
}

#[test]
fn an_address_of_version_6_is_global_known_to_be_ours_and_on_the_interface() {
    assert!(has_global6(ADDRESSES6, "ens3"));
    assert!(!has_global6(&without(ADDRESSES6, "fd00"), "ens3"), "link local");
    for (interface, why) in [("lo", "loopback"), ("ens4", "tentative"), ("ens5", "twice there")] {
        assert!(!has_global6(ADDRESSES6, interface), "{why}");
    }
}

#[test]
fn other_texts_hold_nothing() {
    for text in ["", "\n\n", "Iface", "a b c d e f g h i j", "ens3\tx\ty\t0003\t0\t0\t0\tz", "|-- "]
    {
        assert_eq!(default_routes(text), [""; 0]);
        assert_eq!(default_routes6(text), [""; 0]);
        assert_eq!(addresses(text).count(), 0);
        assert!(!has_global6(text, "a"));
    }
}

#[test]
fn an_interface_is_up_when_it_says_so_or_cannot_tell() {
    for (state, up) in [("up\n", true), ("unknown\n", true), ("down\n", false), ("", false)] {
        assert_eq!(is_up(state), up, "{state}");
    }
}

#[test]
fn what_is_missing_is_said() {
    let way = |protocol, interface: &str, addressed| Way {
        protocol,
        interface: interface.to_owned(),
        addressed,
    };
    let said = |ways: Vec<Way>| {
        judge(ways.into_iter(), |interface| interface != "ens9").map_err(|why| why.to_string())
    };
    assert_eq!(said(vec![]), Err("no default route".to_owned()));
    assert_eq!(
        said(vec![way("IPv4", "ens9", true)]),
        Err("the default route goes over ens9, which is down".to_owned())
    );
    assert_eq!(
        said(vec![way("IPv4", "ens3", false), way("IPv6", "ens9", true)]),
        Err("no global IPv4 address on ens3".to_owned())
    );
    assert_eq!(said(vec![way("IPv4", "ens9", true), way("IPv4", "ens3", true)]), Ok(()));
    assert_eq!(said(vec![way("IPv4", "ens3", false), way("IPv6", "ens3", true)]), Ok(()));
}
