//! webserver as its users see it: the real image, in a virtual machine.

use anyhow::{Result, ensure};
use testbed::{Firmware, Online, Testbed};

const PAGE: &str = "<!doctype html><title>a page</title><p>Grüße</p>\n";

const GIB: u64 = 1 << 30;

/// Writes a page as root and returns its address.
fn publish(testbed: &Testbed, server: &Online<'_>) -> Result<String> {
    let command = "mkdir -p /srv/html/news && cat >/srv/html/news/index.html";
    testbed.clients().ssh_with(server.port(22)?, "root", command, PAGE)?;
    Ok(format!("http://127.0.0.1:{}/news/", server.port(80)?))
}

/// How many layers are mounted with the file system `format`: the packages' and the configuration's
/// lie below the root, where no path leads to them, but sysfs has a folder for each.
fn layers(server: &Online<'_>, format: &str) -> Result<usize> {
    let found = server.run(&format!("ls -d /sys/fs/{format}/dm-* 2>/dev/null | wc -l"))?;
    Ok(found.parse()?)
}

/// The random seed, which is kept on the data partition.
fn seed(server: &Online<'_>) -> Result<String> {
    let path = "/var/lib/systemd/random-seed";
    let source = server.run(&format!("findmnt --noheadings --output SOURCE --target {path}"))?;
    ensure!(source.contains("random-seed]"), "{path} is of {source}");
    let size = server.run(&format!("stat --format %s {path}"))?;
    // As much as the kernel's pool holds: 256 bits, or 512 bytes before Linux 5.18.
    ensure!(size.parse::<u64>()? >= 32, "{path} has {size} bytes");
    server.run(&format!("sha256sum {path}"))
}

#[test]
fn a_page_outlives_a_reboot_and_what_was_not_declared_does_not() -> Result<()> {
    let testbed = Testbed::new("webserver")?;
    let clients = testbed.clients();
    let machine = testbed.machine()?.disk_size(4 * GIB).forward(22).forward(80);
    let mut server = Online::start(&machine, clients)?;

    let size = server.run("findmnt --noheadings --bytes --output SIZE /run/heirloom/data")?;
    assert!(size.parse::<u64>()? > 3 * GIB, "the data partition did not grow: {size} bytes");

    let address = publish(&testbed, &server)?;
    assert_eq!(clients.curl(&[&address])?, PAGE);
    let root = format!("http://127.0.0.1:{}", server.port(80)?);
    let missing = clients.curl(&[&format!("{root}/nothing")]).unwrap_err();
    assert!(missing.to_string().contains("404"), "{missing}");

    assert_eq!(layers(&server, "erofs")?, 0, "the layers are no squashfs");
    assert!(server.run("sshd -T")?.lines().any(|line| line == "passwordauthentication no"));
    assert_eq!(server.run("timedatectl show --property NTP --value")?, "yes");
    let seed = seed(&server)?;

    let before = server.identity()?;
    server.run("echo lost >/etc/undeclared; echo 127.0.0.9 lost >>/etc/hosts")?;
    server.reboot()?;
    assert_eq!(server.identity()?, before);
    // systemd-random-seed(8) replaces it at each start and stop.
    assert_ne!(self::seed(&server)?, seed);
    assert!(!server.has("/etc/undeclared")?);
    assert!(!server.run("cat /etc/hosts")?.contains("lost"));
    assert_eq!(clients.curl(&[&address])?, PAGE);
    assert!(server.run("journalctl --list-boots --quiet | wc -l")? == "2", "a journal was lost");
    server.power_off()
}

#[test]
fn the_iso_serves_from_memory_and_forgets() -> Result<()> {
    let testbed = Testbed::new("webserver")?;
    testbed.edit("[packages]", "[layers]\nformat = \"erofs\"\n\n[packages]")?;
    let clients = testbed.clients();
    let machine = testbed.live()?.forward(22).forward(80);
    let server = Online::start(&machine, clients)?;
    assert!(!server.has("/sys/firmware/efi")?);
    assert_eq!(layers(&server, "erofs")?, 2);
    let address = publish(&testbed, &server)?;
    assert_eq!(clients.curl(&[&address])?, PAGE);

    let before = server.identity()?;
    server.power_off()?;
    clients.forget_hosts()?;
    // The same bytes on a stick, in a machine of the other firmware.
    let machine = testbed.live_on_disk()?.firmware(Firmware::Uefi).forward(22).forward(80);
    let server = Online::start(&machine, clients)?;
    assert!(server.has("/sys/firmware/efi")?);
    assert_eq!(layers(&server, "erofs")?, 2);
    assert_ne!(server.identity()?, before);
    assert!(!server.has("/srv/html/news")?);
    server.power_off()
}
