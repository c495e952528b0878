//! Deploying to a server that is played by threads: the agent's commands over pipes.

#![cfg(test)]

mod played;

use std::collections::BTreeMap;
use std::time::Duration;

use deploy::{Agent, Ending, Error, Kept, Options, Outcome, Patience, Verdict};
use played::{Played, bundle, noise};
use tempfile::TempDir;

struct Owner {
    dir: TempDir,
    options: Options,
}

impl Owner {
    fn new() -> Self {
        let interval = Duration::from_millis(1);
        let options = Options { interval, boot: Duration::from_secs(5), ..Options::default() };
        Self { dir: tempfile::tempdir().unwrap(), options }
    }

    fn kept(&self) -> Kept {
        Kept::open(&self.dir.path().join("kept")).unwrap()
    }

    /// Deploys a generation with this config layer; the package layer is always the same.
    fn deploy(&self, server: &Played, config_layer: &[u8]) -> deploy::Result<Outcome> {
        let bundle = bundle(self.dir.path(), &noise(1, 20_000_000), config_layer);
        deploy::deploy(&bundle, server, &self.kept(), &BTreeMap::new(), &self.options)
    }
}

#[test]
fn a_healthy_generation_is_confirmed_and_the_next_sends_what_changed() {
    let (owner, server) = (Owner::new(), Played::new());
    let first = owner.deploy(&server, &noise(2, 700_000)).unwrap();
    assert_eq!((first.number, first.ending), (Some(2), Ending::Tried(Verdict::Confirmed)));
    assert!(first.sent > 20_000_000, "{}", first.sent);

    let mut changed = noise(2, 700_000);
    changed[300_000] ^= 1;
    let second = owner.deploy(&server, &changed).unwrap();
    assert_eq!((second.number, second.ending), (Some(3), Ending::Tried(Verdict::Confirmed)));
    assert!(second.sent < 5_000, "a change of the configuration took {} bytes", second.sent);
    assert!(second.of > 20_000_000);

    let again = owner.deploy(&server, &changed).unwrap();
    assert_eq!((again.number, again.sent, again.ending), (Some(3), 0, Ending::UpToDate));
}

#[test]
fn a_generation_is_kept_when_its_owner_has_logged_in_to_it() {
    let (owner, server) = (Owner::new(), Played::new().acknowledges());
    let outcome = owner.deploy(&server, &noise(2, 700_000)).unwrap();
    assert_eq!(outcome.ending, Ending::Tried(Verdict::Confirmed));
    assert_eq!(server.connections("heirloom acknowledge token-7"), 1);

    // Where the server's own health decides nothing is handed over.
    let (mut owner, server) = (Owner::new(), Played::new().acknowledges());
    owner.options.unattended = true;
    let outcome = owner.deploy(&server, &noise(2, 700_000)).unwrap();
    assert_eq!(outcome.ending, Ending::Tried(Verdict::Confirmed));
    assert_eq!(server.connections("heirloom switch 2 --json"), 1);
}

#[test]
fn what_a_login_shell_prints_is_passed_over() {
    for chatter in ["Welcome to mail!\n", "no newline ", "{\"number\":9}\n{"] {
        let (owner, server) = (Owner::new(), Played::new().chatters(chatter));
        let outcome = owner.deploy(&server, &noise(2, 700_000)).unwrap();
        assert_eq!(outcome.ending, Ending::Tried(Verdict::Confirmed), "{chatter:?}");
        assert_eq!(Agent::new(&server).list().unwrap().generations.len(), 2);
    }
}

#[test]
fn a_sick_generation_falls_back_with_its_reason() {
    let (owner, server) = (Owner::new(), Played::new().sick("smtp: connection refused"));
    let outcome = owner.deploy(&server, b"sick").unwrap();
    let Ending::Tried(Verdict::FellBack { reason, lines }) = outcome.ending else {
        panic!("{outcome:?}")
    };
    assert_eq!(reason, "smtp: connection refused");
    assert_eq!(lines, ["port 25"]);
    assert_eq!(server.booted(), 1);
    assert_eq!(outcome.failed_before, None);
    // Deployed again it is tried again, and what became of it is said.
    let again = owner.deploy(&server, b"sick").unwrap();
    assert_eq!(again.failed_before.unwrap().reason, "smtp: connection refused");
    assert!(matches!(again.ending, Ending::Tried(Verdict::FellBack { .. })));
}

#[test]
fn staged_only_boots_nothing_and_a_dry_run_sends_nothing() {
    let (mut owner, server) = (Owner::new(), Played::new());
    owner.options.dry_run = true;
    let dry = owner.deploy(&server, b"config").unwrap();
    let Ending::DryRun(planned) = dry.ending else { panic!("{dry:?}") };
    let names: Vec<_> = planned.iter().map(|blob| blob.name.as_str()).collect();
    assert_eq!(names, ["documents", "kernel", "initramfs", "package layer", "config layer"]);
    assert_eq!(planned.iter().map(|blob| blob.sent).sum::<u64>(), dry.sent);
    assert_eq!(server.staged(), 0);

    owner.options.dry_run = false;
    owner.options.reboot = false;
    let staged = owner.deploy(&server, b"config").unwrap();
    assert_eq!((staged.number, staged.ending), (Some(2), Ending::Staged));
    assert_eq!(server.booted(), 1);
    // What is there already is not sent again, and is tried now.
    owner.options.reboot = true;
    let tried = owner.deploy(&server, b"config").unwrap();
    assert_eq!((tried.number, tried.ending), (Some(2), Ending::Tried(Verdict::Confirmed)));
    assert!(tried.sent < 5_000, "{}", tried.sent);
}

#[test]
fn a_connection_that_breaks_is_taken_up_again() {
    let (owner, server) = (Owner::new(), Played::new().breaks_every(12_000_000));
    let outcome = owner.deploy(&server, b"config").unwrap();
    assert_eq!(outcome.ending, Ending::Tried(Verdict::Confirmed));
    assert!(server.connections("heirloom stage") > 1);
    // Nothing but the pieces that were under way was sent twice.
    assert!(outcome.sent < 20_000_000 + 2 * (8 << 20), "{}", outcome.sent);
}

#[test]
fn a_base_that_is_damaged_on_the_server_costs_a_whole_transfer_and_nothing_else() {
    let (owner, server) = (Owner::new(), Played::new());
    owner.deploy(&server, &noise(2, 700_000)).unwrap();
    server.damage_layers();
    let mut changed = noise(2, 700_000);
    changed[300_000] ^= 1;
    let outcome = owner.deploy(&server, &changed).unwrap();
    assert_eq!(outcome.ending, Ending::Tried(Verdict::Confirmed));
    assert!((700_000..1_500_000).contains(&outcome.sent), "{}", outcome.sent);
}

#[test]
fn one_that_breaks_at_once_is_an_error_and_no_endless_loop() {
    let (owner, server) = (Owner::new(), Played::new().breaks_every(100));
    let error = owner.deploy(&server, b"config").unwrap_err();
    assert!(matches!(error, Error::Ssh { .. }), "{error}");
}

#[test]
fn another_server_is_not_written_over() {
    let (owner, server) = (Owner::new(), Played::new().named("gitserver", "pc"));
    let error = owner.deploy(&server, b"config").unwrap_err().to_string();
    assert_eq!(error, "root@mail is `gitserver`, not `mail`");
    let server = Played::new().named("mail", "rpi4");
    let error = owner.deploy(&server, b"config").unwrap_err().to_string();
    assert!(error.contains("rpi4"), "{error}");
    assert_eq!(server.staged(), 0);
}

#[test]
fn a_server_that_never_decides_is_waited_for_no_longer_than_said() {
    let (mut owner, server) = (Owner::new(), Played::new().undecided());
    owner.options.boot = Duration::ZERO;
    let error = owner.deploy(&server, b"config").unwrap_err();
    assert!(matches!(error, Error::Undecided { number: 2, .. }), "{error}");
}

#[test]
fn a_trial_that_is_running_is_waited_for_and_not_begun_again() {
    let (owner, server) = (Owner::new(), Played::new().undecided());
    owner.deploy(&server, b"slow").unwrap_err();
    let transfers = server.connections("heirloom stage");
    assert!(transfers > 0);
    server.decides_after(3);
    let again = owner.deploy(&server, b"slow").unwrap();
    let ending = Ending::Tried(Verdict::Confirmed);
    assert_eq!((again.number, again.sent, again.ending), (Some(2), 0, ending));
    assert_eq!(server.connections("heirloom switch 2 --json"), 1);
    assert_eq!(server.connections("heirloom stage"), transfers);
}

#[test]
fn the_trial_of_another_generation_is_waited_for_before_anything_is_sent() {
    let (owner, server) = (Owner::new(), Played::new().undecided());
    owner.deploy(&server, b"slow").unwrap_err();
    let transfers = server.connections("heirloom stage");
    let mut hasty = Owner { dir: tempfile::tempdir().unwrap(), options: owner.options };
    hasty.options.boot = Duration::ZERO;
    let error = hasty.deploy(&server, b"other").unwrap_err();
    assert!(matches!(error, Error::Undecided { number: 2, .. }), "{error}");
    assert_eq!(server.connections("heirloom stage"), transfers, "it was sent into a trial");
    server.decides_after(3);
    let options = Options { reboot: false, ..owner.options };
    let patient = Owner { options, ..owner };
    let staged = patient.deploy(&server, b"other").unwrap();
    assert_eq!((staged.number, staged.ending), (Some(3), Ending::Staged));
    assert!(server.connections("heirloom stage") > transfers);
}

fn patience() -> Patience {
    Patience { deadline: Duration::from_secs(5), interval: Duration::from_millis(1) }
}

#[test]
fn rolling_back_is_a_trial_of_the_older_one() {
    let (owner, server) = (Owner::new(), Played::new());
    owner.deploy(&server, b"config").unwrap();
    let agent = Agent::new(&server);
    let (number, verdict) = agent.roll_back("root@mail", None, patience()).unwrap();
    assert_eq!((number, verdict), (1, Some(Verdict::Confirmed)));
    assert_eq!(server.booted(), 1);
    assert_eq!(agent.list().unwrap().generations.len(), 2);
}

#[test]
fn an_answer_that_is_lost_to_the_reboot_is_no_error() {
    let (owner, server) = (Owner::new(), Played::new());
    server.loses_answers();
    let outcome = owner.deploy(&server, b"config").unwrap();
    assert_eq!(outcome.ending, Ending::Tried(Verdict::Confirmed));
    let agent = Agent::new(&server);
    let (number, verdict) = agent.roll_back("root@mail", None, patience()).unwrap();
    assert_eq!((number, verdict), (1, Some(Verdict::Confirmed)));
    assert_eq!(server.connections("heirloom rollback --json"), 1);
}

#[test]
fn an_order_to_roll_back_that_is_lost_is_an_error() {
    let (owner, server) = (Owner::new(), Played::new());
    owner.deploy(&server, b"config").unwrap();
    server.loses_orders();
    let error = Agent::new(&server).roll_back("root@mail", None, patience()).unwrap_err();
    assert!(error.to_string().contains("Connection to mail closed"), "{error}");
    assert_eq!(server.booted(), 2);
}
