//! A network without IPv4: another server is its router, and the way in from here.

use std::net::UdpSocket;

use anyhow::{Context, Result, ensure};
use machine::Machine;
use testbed::Online;

use crate::poor::Poor;
use crate::tried::Ground;

/// The prefix that the router announces, and the card of the server in it (RFC 4291, appendix A).
const ROUTER: &str = "fd00:6::1";
const MAC: &str = "52:54:00:00:06:02";
const SERVER: &str = "fd00:6::5054:ff:fe00:602";

/// The router's own card in that network.
const ROUTER_MAC: &str = "52:54:00:00:06:01";

/// The port of the router behind which the server's ssh is.
const PROXY: u16 = 2222;

/// All that the server gets is a router's announcement.
pub(crate) fn ipv6_only(ground: &Ground<'_>, poor: &Poor) -> Result<String> {
    let clients = ground.testbed.clients();
    clients.forget_hosts()?;
    let ends = [free_port()?, free_port()?];
    let ssh = free_tcp_port()?;

    let router = wire(ground.rich().forward(22), ends, ROUTER_MAC).forward_from(ssh, PROXY);
    let router = Online::start(&router, clients)?;
    // systemd-socket-proxyd takes what is behind the last colon for the port.
    router.run(&format!(
        "mkdir -p /run/systemd/network && cat >/run/systemd/network/10-lan.network <<'END'\n\
         [Match]\nMACAddress={ROUTER_MAC}\n[Network]\nAddress={ROUTER}/64\nIPv6SendRA=yes\n\
         IPv6AcceptRA=no\nDHCP=no\n[IPv6SendRA]\nRouterLifetimeSec=1800\n\
         [IPv6Prefix]\nPrefix=fd00:6::/64\nEND\n\
         networkctl reload && systemd-run --unit=way-in --socket-property=ListenStream={PROXY} \
         /lib/systemd/systemd-socket-proxyd {SERVER}:22"
    ))?;

    clients.forget_hosts()?;
    let [near, far] = ends;
    // Nothing listens at its own port 22: it is reached over the router.
    let machine = wire(ground.machine(poor), [far, near], MAC);
    let mut server = Online::behind(&machine, clients, ssh)?;
    server.come_up().with_context(|| {
        let asked = router.run("ip -6 addr; ip -6 neigh; networkctl status --all --no-pager");
        format!("the router says {asked:?}")
    })?;
    let four = server.run("ip -4 -o addr show scope global")?;
    ensure!(four.is_empty(), "it has IPv4: {four}");
    ground.update(&mut server)?;
    let six = server.run("ip -6 -o addr show scope global | awk '{print $4}'")?;
    server.cut();
    router.cut();
    Ok(format!("{six}, announced by a router"))
}

/// A card on a wire between two machines of this host.
fn wire(machine: Machine, [here, there]: [u16; 2], mac: &str) -> Machine {
    let end =
        |name: &str, port| format!("{name}.type=inet,{name}.host=127.0.0.1,{name}.port={port}");
    let netdev = format!("dgram,id=lan,{},{}", end("local", here), end("remote", there));
    machine.arguments([
        "-netdev",
        &netdev,
        "-device",
        &format!("virtio-net-pci,netdev=lan,mac={mac},romfile="),
    ])
}

fn free_port() -> Result<u16> {
    Ok(UdpSocket::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn free_tcp_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
