//! A shell that starts one server, kills it when it is told to, and ends it when its own input ends.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use super::cluster::unprivileged;

/// Its input ends when the process that started it has gone, even by a kill. What was killed may stay behind as a
/// zombie where nobody is there to bury it; it then holds nothing any more.
const SCRIPT: &str = r#"
trap '' INT TERM HUP
programs=$1 folder=$2
start() {
    "$programs/pg_ctl" --silent --wait --pgdata "$folder/data" --log "$folder/log" start </dev/null >/dev/null 2>&1
}
die() {
    read -r server <"$folder/data/postmaster.pid" || return 1
    processes="$server $(cat "/proc/$server/task/$server/children")"
    kill -9 $processes
    for process in $processes; do
        while grep -q '^State:.[^ZX]' "/proc/$process/status" 2>/dev/null; do sleep 0.01; done
    done
    rm "$folder/data/postmaster.pid" "$folder"/.s.PGSQL.*
}
while read -r order; do
    "$order" && echo done || echo failed
done
"$programs/pg_ctl" --silent --mode immediate --pgdata "$folder/data" stop >/dev/null 2>&1
rm -rf "$folder"
"#;

/// What a supervisor can be told.
#[derive(Debug, Clone, Copy)]
pub(super) enum Order {
    /// Start the server, and wait until it answers.
    Start,
    /// Kill all processes of the server (SIGKILL), and wait until they are dead.
    Die,
}

/// The shell. Dropping it stops the server and removes its files.
#[derive(Debug)]
pub(super) struct Supervisor {
    folder: PathBuf,
    process: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Supervisor {
    /// Runs the shell for the server in `folder`; nothing is started yet.
    pub(super) fn of(programs: &Path, folder: &Path) -> Result<Self, String> {
        let mut process = unprivileged("sh")
            .args(["-c", SCRIPT, "keystile-test-postgres"])
            .args([programs, folder])
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("cannot start `setpriv` (util-linux) or `sh`: {error}"))?;
        let (orders, answers) = (process.stdin.take(), process.stdout.take());
        let answers = answers.ok_or("the supervisor of PostgreSQL has no output")?;
        Ok(Self { folder: folder.to_owned(), process, orders, answers: BufReader::new(answers) })
    }

    /// Has an order carried out.
    pub(super) fn tell(&mut self, order: Order) -> Result<(), String> {
        let word = match order {
            Order::Start => "start",
            Order::Die => "die",
        };
        let failed = |error: std::io::Error| format!("the supervisor of PostgreSQL has gone: {error}");
        if let Some(orders) = &mut self.orders {
            writeln!(orders, "{word}").map_err(failed)?;
        }
        let mut answer = String::new();
        self.answers.read_line(&mut answer).map_err(failed)?;
        if answer == "done\n" {
            return Ok(());
        }
        let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        Err(format!("PostgreSQL did not {word}:\n{log}"))
    }
}

impl Supervisor {
    /// The number of the server's first process, which is the first line of this file.
    pub(super) fn server(&self) -> Result<u32, String> {
        let file = self.folder.join("data/postmaster.pid");
        let text = fs::read_to_string(&file).map_err(|error| format!("PostgreSQL does not run: {error}"))?;
        let first = text.lines().next().unwrap_or_default();
        first.parse().map_err(|error| format!("{} begins with {first:?}: {error}", file.display()))
    }
}

impl Drop for Supervisor {
    /// Ends the shell's input, and waits until it has cleaned up.
    fn drop(&mut self) {
        drop(self.orders.take());
        let _ended = self.process.wait();
    }
}
