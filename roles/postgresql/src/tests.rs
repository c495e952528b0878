use std::fs;
use std::os::unix::net::UnixListener;
use std::thread;

use super::*;

#[test]
fn state_of_another_major_version_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (record, programs) = (folder.path().join("major"), folder.path().join("programs"));
    fs::create_dir_all(programs.join("17")).unwrap();
    assert!(major(&record, &programs).is_err(), "nothing has started yet");
    fs::write(&record, "17\n").unwrap();
    major(&record, &programs).unwrap();
    for other in ["15\n", "", "../17"] {
        fs::write(&record, other).unwrap();
        let failure = major(&record, &programs).unwrap_err().to_string();
        assert!(failure.contains("docs/how-to/postgresql.md"), "{failure}");
    }
}

#[test]
fn a_server_that_says_something_else_does_not_answer() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("socket");
    assert!(answers(&socket).is_err(), "nobody is there");
    let listener = UnixListener::bind(&socket).unwrap();
    let server = thread::spawn(move || {
        for byte in *b"NE" {
            let (mut stream, _) = listener.accept().unwrap();
            stream.read_exact(&mut [0; 8]).unwrap();
            stream.write_all(&[byte]).unwrap();
        }
    });
    answers(&socket).unwrap();
    assert!(answers(&socket).unwrap_err().to_string().contains('E'));
    server.join().unwrap();
}
