//! What a program sees, and what it does not.

use std::fs;
use std::io::{self, Read};
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;

use libtest_mimic::{Failed, Trial};
use sandbox::{Command, Error, Status, Stdin};

use crate::{Outcome, check, refused, roots, same};

pub(crate) fn all() -> Vec<Trial> {
    vec![
        Trial::test("a_program_sees_its_root_and_nothing_of_the_host", sees_only_its_root),
        Trial::test("the_environment_is_the_fixed_one", environment),
        Trial::test("umask_limits_and_descriptors_are_the_fixed_ones", limits),
        Trial::test("there_is_no_network_but_lo", network),
        Trial::test("the_hosts_network_is_there_where_it_is_asked_for", asked_network),
        Trial::test("processes_of_the_host_are_not_there", processes),
        Trial::test("only_what_is_bound_writable_can_be_written", writing),
        Trial::test("what_a_program_makes_is_the_callers", ownership),
        Trial::test("a_bound_link_leads_into_the_root_and_not_to_the_host", hostile_link),
        Trial::test("fsync_is_free_where_that_is_asked_for", free_sync),
        Trial::test("standard_input_comes_from_bytes_files_and_readers", stdin),
        Trial::test("a_reader_that_fails_fails_the_command", failing_reader),
        Trial::test("large_output_arrives_whole", large_output),
        Trial::test("an_error_shows_command_status_and_end_of_output", failure),
        Trial::test("a_signal_is_told_from_an_exit_status", signal),
        Trial::test("a_program_that_is_not_there_is_an_error", missing),
        Trial::test("an_accepted_exit_status_is_no_error", accepted),
    ]
}

fn sh(script: &str) -> Command {
    Command::new(roots::tree(), "/bin/sh").arg("-c").arg(script)
}

fn lines(command: Command) -> Result<Vec<String>, Failed> {
    Ok(command.run()?.text().lines().map(str::to_owned).collect())
}

fn sees_only_its_root() -> Outcome {
    let host = tempfile::NamedTempFile::new()?;
    let found = lines(sh("ls /; ls -A /tmp").arg("sh"))?;
    let expected: Vec<_> = ["bin", "dev", "lib", "lib64", "proc", "sbin", "tmp", "usr"]
        .into_iter()
        .map(str::to_owned)
        .collect();
    let known = |name: &String| expected.contains(name) || ["etc", "var"].contains(&&**name);
    check(found.iter().all(known), format!("{found:?}"))?;
    check(expected.iter().all(|name| found.contains(name)), format!("{found:?}"))?;
    for path in [host.path().to_str().unwrap_or(""), "/home", "/root", "/etc/passwd", "/sys"] {
        let seen = sh("test -e \"$1\"").args(["sh", path]).accept(1).run()?;
        check(seen.code == 1, format!("{path} is seen"))?;
    }
    let devices = lines(sh("ls /dev"))?;
    let allowed = "fd full null random shm stderr stdin stdout tty urandom zero";
    check(devices.iter().all(|name| allowed.split(' ').any(|one| one == name)), devices.join(" "))
}

fn environment() -> Outcome {
    let mut found = lines(sh("env -u PWD -u OLDPWD -u _").epoch(7).env("MORE", "1"))?;
    found.sort();
    let mut expected: Vec<String> =
        Command::ENVIRONMENT.iter().map(|(key, value)| format!("{key}={value}")).collect();
    expected.extend(["SOURCE_DATE_EPOCH=7".into(), "MORE=1".into()]);
    expected.sort();
    same(found, expected)
}

fn limits() -> Outcome {
    let script = "umask; ulimit -n; ulimit -c; cat /proc/sys/kernel/hostname; id -u; id -g; \
                  ls /proc/self/fd | wc -l";
    let found = lines(sh(script))?;
    // `ls` itself has the directory open.
    same(found, ["0022", "1024", "0", "heirloom", "0", "0", "4"].map(str::to_owned).into())
}

fn network() -> Outcome {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let found = lines(sh("tail -n +3 /proc/net/dev; tail -n +2 /proc/net/tcp"))?;
    drop(listener);
    check(found.len() == 1 && found[0].trim().starts_with("lo:"), found.join("\n"))
}

fn asked_network() -> Outcome {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = format!("0100007F:{:04X} ", listener.local_addr()?.port());
    let found = sh("cat /proc/net/tcp").network(true).run()?.text();
    check(found.contains(&port), format!("{port} is not in\n{found}"))
}

fn processes() -> Outcome {
    let found = lines(sh("cd /proc; echo [0-9]*"))?;
    let ids: Vec<u32> = found[0].split(' ').filter_map(|id| id.parse().ok()).collect();
    check(ids.first() == Some(&1) && ids.len() == 2, format!("{ids:?}"))
}

fn writing() -> Outcome {
    let shared = tempfile::tempdir()?;
    fs::write(shared.path().join("in"), "in")?;
    let script = r#"
        for path in / /usr /usr/bin /work /work/in; do
            if touch "$path/new" 2>/dev/null; then echo "$path"; fi
        done
        if echo more 2>/dev/null >>/work/in/in; then echo /work/in/in; fi
        touch /tmp/new /work/out/new /dev/shm/new
        cat /work/in/in"#;
    let found = sh(script)
        .bind_ro(shared.path(), "/work/in")
        .bind_rw(shared.path(), "/work/out")
        .run()?
        .text();
    same(found.as_str(), "in")?;
    check(shared.path().join("new").exists(), "what was written did not arrive")
}

fn ownership() -> Outcome {
    let shared = tempfile::tempdir()?;
    sh("touch new; stat -c %u:%g new").cwd("/out").bind_rw(shared.path(), "/out").run()?;
    let new = fs::metadata(shared.path().join("new"))?;
    same(new.uid(), rustix::process::geteuid().as_raw())?;
    same(new.mode() & 0o777, 0o644)
}

fn hostile_link() -> Outcome {
    let shared = tempfile::tempdir()?;
    let secret = tempfile::NamedTempFile::new()?;
    std::os::unix::fs::symlink(secret.path(), shared.path().join("link"))?;
    std::os::unix::fs::symlink("/", shared.path().join("root"))?;
    let script = "test ! -e /in/link && test -e /in/root/usr/bin/env && test ! -e /in/root/home";
    sh(script).bind_ro(shared.path(), "/in").run()?;
    Ok(())
}

fn free_sync() -> Outcome {
    // The kernel has no fsync for /dev/null and says so, if it is asked.
    let asked = sh("sync /dev/null").accept(1).run()?;
    same(asked.code, 1)?;
    same(sh("sync /dev/null && sync -d /dev/null && sync -f /dev/null").free_sync().run()?.code, 0)
}

fn stdin() -> Outcome {
    let cat = || Command::new(roots::tree(), "/usr/bin/cat");
    same(cat().run()?.text().as_str(), "")?;
    same(cat().stdin(Stdin::Bytes(b"bytes".into())).run()?.text().as_str(), "bytes")?;
    let mut file = tempfile::tempfile()?;
    io::Write::write_all(&mut file, b"skipped file")?;
    io::Seek::seek(&mut file, io::SeekFrom::Start(8))?;
    same(cat().stdin(Stdin::File(file)).run()?.text().as_str(), "file")?;
    let long = io::repeat(b'x').take(3 << 20);
    same(cat().stdin_from(long).run()?.stdout.len(), 3 << 20)?;
    // One that is not read to its end is no error.
    same(sh("head -c 3").stdin_from(io::repeat(b'y')).run()?.text().as_str(), "yyy")
}

struct Broken;

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other("the layer is damaged"))
    }
}

fn failing_reader() -> Outcome {
    let found = sh("cat").stdin_from(io::repeat(b'z').take(1000).chain(Broken)).run();
    match found {
        Err(Error::Stream { source, .. }) => {
            same(source.to_string().as_str(), "the layer is damaged")
        }
        other => Err(format!("{other:?}").into()),
    }
}

fn large_output() -> Outcome {
    let output = sh("head -c 5000000 /dev/zero; head -c 4000000 /dev/zero >&2").run()?;
    same((output.stdout.len(), output.stderr.len()), (5_000_000, 4_000_000))
}

fn failure() -> Outcome {
    let script = "i=0; while [ $i -lt 50 ]; do i=$((i + 1)); echo line $i >&2; done; exit 3";
    let error = refused(sh(script).run())?;
    same(error.status(), Some(Status::Exited(3)))?;
    let text = error.to_string();
    check(text.starts_with("`sh -c 'i=0;"), text.clone())?;
    check(
        text.contains("ended with exit status 3; it said:\n... 30 lines\nline 31\n"),
        text.clone(),
    )?;
    check(text.ends_with("line 50"), text)
}

fn signal() -> Outcome {
    same(refused(sh("kill -ABRT $$").run())?.status(), Some(Status::Signalled(6)))?;
    same(refused(sh("kill -PIPE $$").run())?.status(), Some(Status::Signalled(13)))
}

fn missing() -> Outcome {
    let error = refused(Command::new(roots::tree(), "/usr/bin/nothing").run())?;
    same(error.to_string().as_str(), "cannot enter the sandbox: start /usr/bin/nothing")?;
    let error = refused(sh("true").bind_ro("/no/such/file", "/work/in").run())?;
    same(error.to_string().as_str(), "cannot enter the sandbox: open /no/such/file")
}

fn accepted() -> Outcome {
    same(sh("exit 4").accept(4).run()?.code, 4)?;
    check(sh("exit 5").accept(4).run().is_err(), "5 was not accepted")
}
