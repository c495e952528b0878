//! What can be wrong with an update, and what is to become of it.

use anyhow::{Context, Result, bail, ensure};
use deploy::{Ending, Verdict};
use transfer::report::TrialState;

use crate::ground::Ground;
use crate::{boot_partition, damage, initramfs};

/// An update.
pub(crate) struct Fault {
    /// What is wrong with it.
    pub(crate) name: &'static str,
    /// Tries it; what became of it, in a few words.
    pub(crate) run: fn(&mut Ground<'_>) -> Result<String>,
}

/// All of them.
pub(crate) const FAULTS: &[Fault] = &[
    Fault { name: "good update", run: good_update },
    Fault { name: "roll back", run: roll_back },
    Fault { name: "failing service", run: failing_service },
    Fault { name: "unit that had failed", run: unit_that_had_failed },
    Fault { name: "service in a loop", run: service_in_a_loop },
    Fault { name: "corrupted layer", run: corrupted_layer },
    Fault { name: "panic in the kernel", run: kernel_panic },
    Fault { name: "panic in init", run: init_panic },
    Fault { name: "hang in init", run: init_hang },
    Fault { name: "hang in userland", run: userland_hang },
    Fault { name: "dead systemd", run: dead_systemd },
    Fault { name: "no network", run: no_network },
    Fault { name: "no way to the owner", run: no_way_to_owner },
    Fault { name: "refused key", run: refused_key },
    Fault { name: "shell that prints", run: shell_that_prints },
    Fault { name: "power cut", run: power_cut },
    Fault { name: "corrupted entry", run: corrupted_entry },
    Fault { name: "broken agent", run: broken_agent },
    Fault { name: "clean reboot", run: clean_reboot },
    Fault { name: "unhealthy later", run: unhealthy_later },
    Fault { name: "damaged later", run: damaged_later },
    Fault { name: "damaged blob", run: damaged_blob },
    Fault { name: "new state", run: new_state },
    Fault { name: "full disk", run: full_disk },
    Fault { name: "error flag", run: damage::error_flag },
    Fault { name: "damaged filesystem", run: damage::damaged_filesystem },
    Fault { name: "beyond repair", run: damage::beyond_repair },
    Fault { name: "damaged boot partition", run: boot_partition::damaged_boot_partition },
    Fault { name: "fifty updates", run: fifty_updates },
];

const EARLY: &str = "sysinit.target";
const LATE: &str = "multi-user.target";

fn said(reason: &str, words: &str) -> Result<String> {
    ensure!(reason.contains(words), "`{words}` was to be the reason: {reason}");
    Ok(format!("back by itself: {reason}"))
}

fn good_update(ground: &mut Ground<'_>) -> Result<String> {
    let before = ground.booted()?;
    ground.run("echo lost >/etc/undeclared; mkdir /srv/undeclared; touch /etc/systemd/x /tmp/x")?;
    ground.run("rm /etc/systemd/x")?;
    let audit = ground.run("heirloom audit")?;
    let lists = |path: &str| audit.lines().any(|line| line.ends_with(path));
    ensure!(lists(" /etc/undeclared"), "audit has another opinion:\n{audit}");
    ensure!(lists("directory  /srv/undeclared"), "a new directory is not lost:\n{audit}");
    // One that was copied up for a file that is gone again, and what every boot makes.
    ensure!(!lists(" /etc/systemd") && !lists(" /tmp/x"), "audit has another opinion:\n{audit}");
    let outcome = ground.deploy(true)?;
    let number = outcome.number.unwrap_or_default();
    ensure!(outcome.ending == Ending::Tried(Verdict::Confirmed), "{outcome:?}");
    ensure!(number > before, "generation {number} after {before}");
    // Only the config layer is another one.
    ensure!(outcome.sent < 200_000, "{} bytes were sent for one line", outcome.sent);
    ground.server()?.settle()?;
    ground.is_back_on(number)?;
    ground.server()?.reboot()?;
    ground.is_back_on(number)?;
    Ok(format!("confirmed, {} bytes of {} sent", outcome.sent, outcome.of))
}

fn roll_back(ground: &mut Ground<'_>) -> Result<String> {
    let before = ground.booted()?;
    let outcome = ground.deploy(true)?;
    ensure!(outcome.ending == Ending::Tried(Verdict::Confirmed), "{outcome:?}");
    let _ = ground.run("heirloom rollback");
    ground.decided(before)?;
    ground.is_back_on(before)?;
    Ok(format!("generation {before} is the default again"))
}

fn failing_service(ground: &mut Ground<'_>) -> Result<String> {
    ground.unit("fault.service", LATE, "[Service]\nType=oneshot\nExecStart=/bin/false\n")?;
    let reason = ground.fails()?;
    ground.without_unit("fault.service", LATE)?;
    said(&reason, "units have failed: fault.service")
}

/// What fails on the new generation had failed on the old one before the update, which is no worse.
fn unit_that_had_failed(ground: &mut Ground<'_>) -> Result<String> {
    let flag = "/var/mail/flag";
    let unit = format!("[Service]\nType=oneshot\nExecStart=/bin/sh -c 'test ! -e {flag}'\n");
    ground.unit("fault.service", LATE, &unit)?;
    let outcome = ground.deploy(true)?;
    ensure!(outcome.ending == Ending::Tried(Verdict::Confirmed), "{outcome:?}");
    ground.server()?.settle()?;
    ground.run(&format!("touch {flag}; systemctl start fault.service || true"))?;
    let outcome = ground.deploy(true)?;
    ensure!(outcome.ending == Ending::Tried(Verdict::Confirmed), "{outcome:?}");
    let said = ground.run("systemctl --failed --plain --no-legend")?;
    ensure!(said.starts_with("fault.service"), "it has not failed: {said}");
    ground.run(&format!("rm {flag}"))?;
    ground.without_unit("fault.service", LATE)?;
    let outcome = ground.deploy(true)?;
    ensure!(outcome.ending == Ending::Tried(Verdict::Confirmed), "{outcome:?}");
    ground.is_back_on(outcome.number.unwrap_or_default())?;
    Ok("confirmed, though it fails on it too".into())
}

/// All is well on it, and its answers do not reach who deployed it.
fn no_way_to_owner(ground: &mut Ground<'_>) -> Result<String> {
    // QEMU's network has its owner at this address, where the gateway is.
    let lost = "[Unit]\nAfter=network-online.target\n[Service]\nType=oneshot\nExecStart=ip route add blackhole 10.0.2.2/32\n";
    ground.unit("fault.service", LATE, lost)?;
    let reason = ground.fails()?;
    ground.without_unit("fault.service", LATE)?;
    said(&reason, "it was healthy, and who deployed it did not log in")
}

/// The generation lays another key than the one that deployed it.
fn refused_key(ground: &mut Ground<'_>) -> Result<String> {
    let keys = "etc/ssh/authorized_keys/root";
    let own = ground.public_key().to_owned();
    // Of the same form: its last letters are others.
    let (kind, key) = own.trim().split_once(' ').context("a key has two words")?;
    let key = key.split(' ').next().unwrap_or_default();
    ground.file(keys, &format!("{kind} {}AAAA\n", &key[..key.len() - 4]))?;
    let reason = ground.fails()?;
    ground.file(keys, &own)?;
    said(&reason, "it was healthy, and who deployed it did not log in")
}

/// What a shell prints at each login neither breaks nor fools anybody.
fn shell_that_prints(ground: &mut Ground<'_>) -> Result<String> {
    let profile = "root/.bashrc";
    ground.file(profile, "echo Welcome.\necho '{\"number\":9,\"rebooting\":true}'\n")?;
    let outcome = ground.deploy(true)?;
    ensure!(outcome.ending == Ending::Tried(Verdict::Confirmed), "{outcome:?}");
    let outcome = ground.deploy(true)?;
    ensure!(outcome.ending == Ending::Tried(Verdict::Confirmed), "{outcome:?}");
    ground.without_file(profile)?;
    let outcome = ground.deploy(true)?;
    ensure!(outcome.ending == Ending::Tried(Verdict::Confirmed), "{outcome:?}");
    let number = outcome.number.unwrap_or_default();
    ground.is_back_on(number)?;
    Ok("confirmed".into())
}

/// It ends and is started again, which systemd never calls failed.
fn service_in_a_loop(ground: &mut Ground<'_>) -> Result<String> {
    let looping = "[Unit]\nStartLimitIntervalSec=0\n[Service]\nRestart=always\nRestartSec=2\n\
                   ExecStart=/bin/sh -c 'sleep 1; echo no bread; exit 1'\n";
    ground.unit("fault.service", LATE, looping)?;
    let reason = ground.fails()?;
    ground.without_unit("fault.service", LATE)?;
    said(&reason, "units are restarted again and again: fault.service")
}

fn corrupted_layer(ground: &mut Ground<'_>) -> Result<String> {
    let reason = ground.fails_after(|ground, generation| {
        // The config layer alone is another one than that of what runs.
        let blob = config_layer(ground, generation)?;
        ground.run(&format!(
            "dd if=/dev/zero of={blob} bs=4096 seek=3 count=300 conv=notrunc && sync {blob}"
        ))?;
        Ok(())
    })?;
    ensure!(ground.console()?.contains("dm-verity device corrupted"), "the kernel saw nothing");
    said(&reason, "it ended")?;
    // It says so when all blobs were read.
    ground.wait_for("the damage", |ground| {
        let reason = ground.status()?.trial.and_then(|trial| trial.reason);
        Ok(reason.is_some_and(|reason| reason.contains("is damaged on this disk")))
    })?;
    let reason = ground.status()?.trial.and_then(|trial| trial.reason).unwrap_or_default();
    said(&reason, "is damaged on this disk")
}

fn kernel_panic(ground: &mut Ground<'_>) -> Result<String> {
    let crash = "[Unit]\nDefaultDependencies=no\n[Service]\nType=oneshot\n\
                 ExecStart=/bin/sh -c 'echo c >/proc/sysrq-trigger'\n";
    ground.unit("fault.service", EARLY, crash)?;
    let reason = ground.fails()?;
    ground.without_unit("fault.service", EARLY)?;
    let panic = "Kernel panic - not syncing: sysrq triggered crash";
    ensure!(ground.console()?.contains(panic), "another panic, or none");
    said(&reason, "it ended")
}

fn init_panic(ground: &mut Ground<'_>) -> Result<String> {
    let reason = ground.fails_after(|ground, generation| {
        let blob = format!("/run/heirloom/data/imgs/blobs/sha256/{generation}");
        ground.run(&format!("printf x | dd of={blob} conv=notrunc && sync {blob}"))?;
        Ok(())
    })?;
    ensure!(ground.console()?.contains("heirloom: giving up"), "init went on");
    said(&reason, "init could not go on")
}

fn userland_hang(ground: &mut Ground<'_>) -> Result<String> {
    let hang = "[Unit]\nDefaultDependencies=no\nBefore=sysinit.target\n[Service]\nType=oneshot\n\
                TimeoutStartSec=infinity\nExecStart=/bin/sleep infinity\n";
    ground.unit("fault.service", EARLY, hang)?;
    let reason = ground.fails()?;
    ground.without_unit("fault.service", EARLY)?;
    said(&reason, "still starting")
}

fn dead_systemd(ground: &mut Ground<'_>) -> Result<String> {
    let kill = "[Unit]\nDefaultDependencies=no\n[Service]\nType=oneshot\n\
                ExecStart=/bin/sh -c 'kill -SEGV 1'\n";
    ground.unit("fault.service", EARLY, kill)?;
    let reason = ground.fails()?;
    ground.without_unit("fault.service", EARLY)?;
    ensure!(ground.console()?.contains("Freezing execution"), "systemd did not die");
    said(&reason, "it ended")
}

fn no_network(ground: &mut Ground<'_>) -> Result<String> {
    let none = "[Match]\nName=nothing\n";
    ground.file("etc/systemd/network/80-dhcp.network", none)?;
    let reason = ground.fails()?;
    ground.without_file("etc/systemd/network/80-dhcp.network")?;
    said(&reason, "it was not healthy")
}

fn power_cut(ground: &mut Ground<'_>) -> Result<String> {
    let before = ground.booted()?;
    let outcome = ground.deploy(false)?;
    let number = outcome.number.unwrap_or_default();
    ground.run(&format!("heirloom switch {number} --no-reboot"))?;
    let _ = ground.run("systemctl reboot");
    ground.server()?.wait_for_console(", on trial")?;
    ground.cut_power()?;
    let trial = ground.decided(number)?;
    ground.is_back_on(before)?;
    said(&trial.reason.unwrap_or_default(), "it ended")
}

fn corrupted_entry(ground: &mut Ground<'_>) -> Result<String> {
    let reason = ground.fails_after(|ground, generation| {
        // Whatever the bootloaders have of it.
        ground.run(&format!(
            "mount /dev/vda1 /mnt && for file in $(grep -rl sha256:{generation} /mnt); do \
             dd if=/dev/zero of=$file bs=$(stat -c %s $file) count=1 conv=notrunc; done && \
             umount /mnt"
        ))?;
        Ok(())
    })?;
    said(&reason, "it did not get to its data")
}

fn broken_agent(ground: &mut Ground<'_>) -> Result<String> {
    let other = "etc/systemd/system/heirloom-trial.service.d/fault.conf";
    ground.file(other, "[Service]\nExecStart=\nExecStart=/nonexistent\n")?;
    let reason = ground.fails()?;
    ground.without_file(other)?;
    said(&reason, "before its trial began")
}

fn damaged_later(ground: &mut Ground<'_>) -> Result<String> {
    // The boot of a trial ends with a damaged block, also when it was confirmed.
    ground.server()?.reboot()?;
    let generation = ground.status()?.generation.hex();
    let blob = config_layer(ground, &generation)?;
    let part = "bs=4096 count=20";
    ground.run(&format!("dd if={blob} of=/run/good skip=30 {part}"))?;
    ground.run(&format!("dd if=/dev/zero of={blob} seek=30 conv=notrunc {part} && sync"))?;
    // The kernel sees it, and keeps what it has read of the files there: a login needs some of them.
    let read = format!("dd if=$device of=/dev/null iflag=direct skip=30 {part}");
    ground.run(&format!("for device in /dev/dm-*; do {read}; done || true"))?;
    let said = ground.run("heirloom status")?;
    // As it was, so that the other updates have a sound server; it says so after a reboot.
    ground.run(&format!("dd if=/run/good of={blob} seek=30 conv=notrunc {part} && sync"))?;
    ensure!(said.contains("DAMAGED"), "{said}");
    ground.server()?.reboot()?;
    let said = ground.run("heirloom status")?;
    ensure!(!said.contains("DAMAGED"), "{said}");
    ground.has_mail()?;
    Ok("it stays up and says so".into())
}

/// A kernel that all generations share rots in their store: a scrub finds it, and the next deploy
/// sends it, though the server has a file of its name.
fn damaged_blob(ground: &mut Ground<'_>) -> Result<String> {
    let generation = ground.status()?.generation.hex();
    let blob = blob(ground, &generation, "kernel")?;
    let scrub = |ground: &mut Ground<'_>| ground.run("heirloom scrub && heirloom status");
    let said = scrub(ground)?;
    ensure!(!said.contains("DAMAGED"), "before anything was done to it:\n{said}");
    ground
        .run(&format!("dd if=/dev/zero of={blob} bs=4096 seek=300 count=1 conv=notrunc && sync"))?;
    let said = scrub(ground)?;
    let name = blob.rsplit('/').next().unwrap_or_default();
    ensure!(said.contains(&format!("DAMAGED sha256:{name}: the next deploy")), "{said}");
    ensure!(said.matches("DAMAGED").count() == 2, "status does not say it:\n{said}");
    let outcome = ground.deploy(true)?;
    ensure!(outcome.ending == Ending::Tried(Verdict::Confirmed), "{outcome:?}");
    ground.server()?.settle()?;
    let said = scrub(ground)?;
    ensure!(!said.contains("DAMAGED"), "it has come again:\n{said}");
    ground.has_mail()?;
    Ok(format!("found, and sent again with {} bytes", outcome.sent))
}

/// Where the config layer of a generation lies: the last of its layers.
fn config_layer(ground: &mut Ground<'_>, generation: &str) -> Result<String> {
    blob(ground, generation, "layer.squashfs")
}

/// Where the last blob of a kind lies, by the end of its media type.
fn blob(ground: &mut Ground<'_>, generation: &str, kind: &str) -> Result<String> {
    const BLOBS: &str = "/run/heirloom/data/imgs/blobs/sha256";
    let blob = ground.run(&format!(
        "grep -o '{kind}\",\"digest\":\"sha256:[0-9a-f]*' {BLOBS}/{generation} | \
         tail -n 1 | sed 's/.*sha256://'"
    ))?;
    Ok(format!("{BLOBS}/{blob}"))
}

fn clean_reboot(ground: &mut Ground<'_>) -> Result<String> {
    // It is healthy late, so that there is time to reboot before.
    let slow = "[Unit]\nAfter=ssh.service\n[Service]\nType=oneshot\nExecStart=/bin/sleep 60\n";
    ground.unit("slow.service", LATE, slow)?;
    let outcome = ground.deploy(false)?;
    ground.without_unit("slow.service", LATE)?;
    let number = outcome.number.unwrap_or_default();
    let _ = ground.run(&format!("heirloom switch {number}"));
    ground.wait_for("the trial", |ground| Ok(ground.booted()? == number))?;
    let _ = ground.run("systemctl reboot");
    let trial = ground.decided(number)?;
    ensure!(trial.state == TrialState::Confirmed, "{trial:?}");
    let record = ground.run("cat /var/lib/heirloom/trials.json")?;
    ensure!(record.ends_with("}]}") && record.contains("\"boots\":2"), "{record}");
    ground.is_back_on(number)?;
    Ok("confirmed by its second boot".into())
}

fn unhealthy_later(ground: &mut Ground<'_>) -> Result<String> {
    // Not the boot of a trial: in that, the trial's own unit goes on looking.
    ground.server()?.reboot()?;
    let (booted, boot) = (ground.booted()?, ground.run("cat /proc/sys/kernel/random/boot_id")?);
    ground.run("systemctl stop dovecot.service && systemctl restart heirloom-settle.service")?;
    ground.wait_for("word of it", |ground| {
        Ok(ground.status()?.health.is_some_and(|health| !health.healthy))
    })?;
    let said = ground.run("heirloom status")?;
    ensure!(said.contains("NOT HEALTHY") && said.contains("not ok imap greets"), "{said}");
    ensure!(ground.run("cat /proc/sys/kernel/random/boot_id")? == boot, "it has rebooted");
    ground.run("systemctl start dovecot.service && systemctl restart heirloom-settle.service")?;
    ground.wait_for("its health", |ground| {
        Ok(ground.status()?.health.is_some_and(|health| health.healthy))
    })?;
    ground.is_back_on(booted)?;
    Ok("it stays up and says so".into())
}

fn init_hang(ground: &mut Ground<'_>) -> Result<String> {
    let bundle = ground.next()?;
    let folder = tempfile::tempdir()?;
    let bundle = initramfs::that_hangs(&bundle, folder.path())?;
    let reason = ground.bundle_fails(&bundle)?;
    ensure!(ground.console()?.contains("heirloom: watchdog armed"), "nothing could end it");
    said(&reason, "it did not get to its data")
}

fn full_disk(ground: &mut Ground<'_>) -> Result<String> {
    let before = ground.run("heirloom list")?;
    let filler = "/run/heirloom/data/state/filler";
    ground.run(&format!(
        "fallocate -l $(($(stat -f -c '%a * %S' /run/heirloom/data) - 1048576)) {filler}"
    ))?;
    let refused = ground.deploy(false);
    ground.run(&format!("rm {filler} && sync"))?;
    let Err(refused) = refused else { bail!("it was taken") };
    let refused = format!("{refused:#}");
    ensure!(refused.contains("the data partition has room for"), "{refused}");
    let names = |list: &str| -> Vec<String> {
        list.lines().filter(|line| !line.starts_with("room")).map(str::to_owned).collect()
    };
    let after = ground.run("heirloom list")?;
    ensure!(names(&before) == names(&after), "it is not as it was:\n{before}\n{after}");
    Ok(format!("refused: {refused}"))
}

fn new_state(ground: &mut Ground<'_>) -> Result<String> {
    let declared = "[state]\n\"/var/lib/extra\" = \"extra\"\n\n[permissions]\n\
                    \"/var/lib/extra\" = { owner = \"vmail\", mode = \"0750\" }\n\n[kernel]\n";
    ground.edit("[kernel]\n", declared)?;
    let outcome = ground.deploy(true)?;
    ensure!(outcome.ending == Ending::Tried(Verdict::Confirmed), "{outcome:?}");
    let made = ground.run("stat -c '%U %a' /var/lib/extra && echo kept >/var/lib/extra/file")?;
    ensure!(made == "vmail 750", "{made}");
    ground.edit(declared, "[kernel]\n")?;
    let outcome = ground.deploy(true)?;
    ensure!(outcome.ending == Ending::Tried(Verdict::Confirmed), "{outcome:?}");
    let audit = ground.run("heirloom audit")?;
    ensure!(audit.contains("state/extra is used by nothing"), "{audit}");
    let kept = ground.run("cat /run/heirloom/data/state/extra/file")?;
    ensure!(kept == "kept", "{kept}");
    ground.has_mail()?;
    Ok("made with its owner, and reported when it was dropped".into())
}

fn fifty_updates(ground: &mut Ground<'_>) -> Result<String> {
    let used = "df --output=used -B1 /run/heirloom/data | tail -n 1";
    let mut first = 0;
    for update in 0..50 {
        ground.deploy(false)?;
        if update == 10 {
            first = ground.run(used)?.trim().parse::<u64>()?;
        }
    }
    let last: u64 = ground.run(used)?.trim().parse()?;
    let count = ground.run("heirloom list")?.lines().count();
    ensure!(count <= 10, "{count} lines of generations");
    ensure!(last < first + (16 << 20), "{first} bytes after ten, {last} after fifty");
    ground.has_mail()?;
    Ok(format!("{} kB more than after ten", last.saturating_sub(first) / 1000))
}
