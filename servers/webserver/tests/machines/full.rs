//! A service fills the root.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use testbed::Online;

use crate::poor::Poor;
use crate::tried::Ground;

/// What fills it writes until it cannot.
const FILL: &str = "dd if=/dev/zero of=/var/filler bs=1M 2>/dev/null; echo x >/etc/more || true";

/// With a full root the server is reached, says so, is updated and rolled back.
pub(crate) fn full_root(ground: &Ground<'_>, poor: &Poor) -> Result<String> {
    let mut server = ground.start(poor)?;
    let size = fill(ground, &server)?;
    // Somebody logs in anew for each of these.
    let audit = server.run("heirloom audit")?;
    ensure!(audit.contains(" /var/filler"), "{audit}");
    let left = server.run("systemctl --failed --plain --no-legend")?;
    ensure!(left.is_empty(), "units have failed: {left}");
    server.run("systemctl restart heirloom-settle.service nginx.service")?;
    let start = Instant::now();
    while ground.status(&server)?.health.is_none_or(|health| health.healthy) {
        ensure!(start.elapsed() < Duration::from_secs(120), "it says that it is healthy");
        thread::sleep(Duration::from_secs(2));
    }
    ground.update(&mut server)?;
    fill(ground, &server)?;
    server.run("heirloom rollback --no-reboot")?;
    server.reboot()?;
    ensure!(!server.has("/etc/next")?, "it was not rolled back");
    server.cut();
    Ok(format!("{} MB, then ENOSPC for who writes; updated and rolled back", size / 1_000_000))
}

/// With a full /run the server is reached, and is updated.
pub(crate) fn full_run(ground: &Ground<'_>, poor: &Poor) -> Result<String> {
    let mut server = ground.start(poor)?;
    server.run("dd if=/dev/zero of=/run/filler bs=4k 2>/dev/null; echo x >/run/more || true")?;
    let left: u64 = server.run("df --output=avail -B1 /run | tail -n 1")?.trim().parse()?;
    ensure!(left < 4096, "there are {left} bytes left");
    let size: u64 = server.run("df --output=size -B1 /run | tail -n 1")?.trim().parse()?;
    // Somebody logs in anew for each of these.
    let status = ground.status(&server)?;
    ensure!(status.health.is_none_or(|health| health.healthy), "it is not healthy");
    let failed = server.run("systemctl --failed --plain --no-legend")?;
    ensure!(failed.is_empty(), "units have failed: {failed}");
    ground.update(&mut server)?;
    server.cut();
    Ok(format!("{} MB, then ENOSPC for who writes; updated", size / 1_000_000))
}

/// Fills the root; how much it takes.
fn fill(ground: &Ground<'_>, server: &Online<'_>) -> Result<u64> {
    server.run(FILL)?;
    let status = ground.status(server)?;
    let memory = status.memory.context("it does not say")?;
    ensure!(memory.free < memory.size / 50, "{memory:?}");
    let said = server.run("heirloom status")?;
    ensure!(said.contains("ROOT        the root is full"), "{said}");
    Ok(memory.size)
}
