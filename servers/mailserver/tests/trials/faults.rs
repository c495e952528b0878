//! What can be wrong with an update, and what is to become of it.

use anyhow::{Result, bail, ensure};
use deploy::{Ending, Verdict};
use transfer::report::TrialState;

use crate::ground::Ground;
use crate::initramfs;

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
    Fault { name: "corrupted layer", run: corrupted_layer },
    Fault { name: "panic in the kernel", run: kernel_panic },
    Fault { name: "panic in init", run: init_panic },
    Fault { name: "hang in init", run: init_hang },
    Fault { name: "hang in userland", run: userland_hang },
    Fault { name: "dead systemd", run: dead_systemd },
    Fault { name: "no network", run: no_network },
    Fault { name: "power cut", run: power_cut },
    Fault { name: "clean reboot", run: clean_reboot },
    Fault { name: "unhealthy later", run: unhealthy_later },
    Fault { name: "new state", run: new_state },
    Fault { name: "full disk", run: full_disk },
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
    ground.run("echo lost >/etc/undeclared")?;
    let audit = ground.run("heirloom audit")?;
    ensure!(audit.contains("/etc/undeclared"), "audit has another opinion:\n{audit}");
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
    said(&reason, "units have failed")
}

fn corrupted_layer(ground: &mut Ground<'_>) -> Result<String> {
    let reason = ground.fails_after(|ground, generation| {
        // The config layer is the last: it alone is another one than that of what runs. Its
        // filesystem is damaged, in the middle.
        let manifest = format!("/run/heirloom/data/imgs/blobs/sha256/{generation}");
        let layer = ground.run(&format!(
            "grep -o 'layer.squashfs\",\"digest\":\"sha256:[0-9a-f]*' {manifest} | \
             tail -n 1 | sed 's/.*sha256://'"
        ))?;
        let blob = format!("/run/heirloom/data/imgs/blobs/sha256/{layer}");
        ground.run(&format!(
            "dd if=/dev/zero of={blob} bs=4096 seek=3 count=300 conv=notrunc && sync {blob} && \
             echo 3 >/proc/sys/vm/drop_caches"
        ))?;
        Ok(())
    })?;
    said(&reason, "")?;
    ensure!(ground.console()?.contains("verity"), "the kernel has not noticed");
    said(&reason, "")
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
    let (state, permission) = (
        "[state]\n\"/var/lib/extra\" = \"extra\"\n",
        "[permissions]\n\"/var/lib/extra\" = { owner = \"vmail\", mode = \"0750\" }\n",
    );
    ground.edit("[state]\n", state)?;
    ground.edit("[permissions]\n", permission)?;
    let outcome = ground.deploy(true)?;
    ensure!(outcome.ending == Ending::Tried(Verdict::Confirmed), "{outcome:?}");
    let made = ground.run("stat -c '%U %a' /var/lib/extra && echo kept >/var/lib/extra/file")?;
    ensure!(made == "vmail 750", "{made}");
    ground.edit(state, "[state]\n")?;
    ground.edit(permission, "[permissions]\n")?;
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
