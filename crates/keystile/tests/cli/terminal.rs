//! What is asked for at a terminal.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::process::{Command, ExitStatus};

use rustix::pty::{OpenptFlags, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};

use crate::account::{EMAIL, Person};

/// A terminal, seen from the side of whoever sits at it.
struct Terminal {
    keyboard: File,
    other_side: File,
    shown: Vec<u8>,
}

impl Terminal {
    fn new() -> Self {
        let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        unlockpt(&keyboard).unwrap();
        let name = ptsname(&keyboard, Vec::new()).unwrap();
        let path = std::ffi::OsStr::from_bytes(name.as_bytes());
        let other_side = OpenOptions::new().read(true).write(true).open(path).unwrap();
        Self { keyboard: keyboard.into(), other_side, shown: Vec::new() }
    }

    /// Runs `command` at the terminal, in a session of its own so that the keyboard can send it signals. Types `keys`
    /// when it asks for a password.
    fn run(&mut self, command: &Command, keys: &str) -> ExitStatus {
        let mut session = Command::new("setsid");
        session.args(["--ctty", "--wait"]).arg(command.get_program()).args(command.get_args());
        session.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        session.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let side = || self.other_side.try_clone().unwrap();
        let mut child = session.stdin(side()).stdout(side()).stderr(side()).spawn().unwrap();
        self.read_until("Password: ");
        self.keyboard.write_all(keys.as_bytes()).unwrap();
        let ended = child.wait().unwrap();
        self.other_side.write_all(b"(the end)").unwrap();
        self.read_until("(the end)");
        ended
    }

    fn read_until(&mut self, text: &str) {
        let mut buffer = [0; 1024];
        while !self.shows(text) {
            let read = self.keyboard.read(&mut buffer).unwrap();
            self.shown.extend(&buffer[..read]);
        }
    }

    fn shows(&self, text: &str) -> bool {
        String::from_utf8_lossy(&self.shown).contains(text)
    }

    /// Whether it shows what is typed, and lets keys send signals.
    fn is_sane(&self) -> bool {
        let modes = tcgetattr(&self.keyboard).unwrap().local_modes;
        modes.contains(LocalModes::ECHO | LocalModes::ISIG)
    }
}

#[test]
fn a_password_is_not_shown_as_it_is_typed() {
    let (person, mut terminal) = (Person::new("terminal-password"), Terminal::new());
    let url = person.url();
    let login = person.command(&["login", "--url", &url, "--email", EMAIL]);
    let ended = terminal.run(&login, &format!("{}\n", person.password()));
    assert!(ended.success() && terminal.shows("Signed in"), "{}", String::from_utf8_lossy(&terminal.shown));
    assert!(!terminal.shows(&person.password()) && terminal.is_sane() && person.file().exists());
}

#[test]
fn ctrl_c_at_a_password_leaves_the_terminal_as_it_was() {
    let (person, mut terminal) = (Person::new("terminal-interrupt"), Terminal::new());
    let url = person.url();
    let login = person.command(&["login", "--url", &url, "--email", EMAIL]);
    let ended = terminal.run(&login, "half of it\u{3}");
    assert!(ended.code() == Some(2) && terminal.shows("interrupted"), "{ended:?}");
    assert!(terminal.is_sane() && !terminal.shows("half") && !person.file().exists());
}
