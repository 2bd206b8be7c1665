//! A process of ours, whose output goes to files, and which does not outlive its value.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use crate::wait::until;

/// A running process. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Process {
    /// Starts `command`; what it prints goes to `folder/{name}.stdout` and `folder/{name}.stderr`.
    ///
    /// # Panics
    /// When the program cannot be run.
    pub fn start(command: &mut Command, folder: &Path, name: &str) -> Self {
        let (stdout, stderr) = (folder.join(format!("{name}.stdout")), folder.join(format!("{name}.stderr")));
        let file = |path: &Path| Stdio::from(File::create(path).unwrap());
        command.stdin(Stdio::null()).stdout(file(&stdout)).stderr(file(&stderr));
        let child = command.spawn();
        let child = child.unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
        Self { child, stdout, stderr }
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has printed to standard output so far.
    pub fn stdout(&self) -> String {
        read(&self.stdout)
    }

    /// What it has printed to standard error so far.
    pub fn stderr(&self) -> String {
        read(&self.stderr)
    }

    /// Whether, and how, it has ended.
    ///
    /// # Panics
    /// When the system does not say.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Ends it the hard way (SIGKILL).
    ///
    /// # Panics
    /// When it had ended before.
    pub fn kill(mut self) {
        assert!(self.ended().is_none(), "it had ended before it was killed: {}", self.stderr());
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to end (SIGTERM).
    ///
    /// # Panics
    /// When the signal cannot be sent.
    pub fn terminate(&self) {
        self.signal("TERM");
    }

    /// Sends it a signal, such as `HUP`.
    ///
    /// # Panics
    /// When it cannot be sent.
    pub fn signal(&self, name: &str) {
        // Its id cannot be another's: it is not given back before the child was waited for.
        let sent = Command::new("sh").args(["-c", &format!("kill -{name} {}", self.child.id())]).status();
        assert!(sent.unwrap().success(), "SIG{name} could not be sent");
    }

    /// Stops it where it stands (SIGSTOP), and waits until each of its threads has. Its sockets stay as they are: others can
    /// connect and send.
    ///
    /// # Panics
    /// When it does not.
    pub fn freeze(&self) {
        self.signal("STOP");
        until("a process to stand still", || self.threads_are_stopped().then_some(()));
    }

    /// Lets it go on after [`Self::freeze`] (SIGCONT).
    ///
    /// # Panics
    /// When the signal cannot be sent.
    pub fn thaw(&self) {
        self.signal("CONT");
    }

    fn threads_are_stopped(&self) -> bool {
        let threads = fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        threads.flatten().all(|thread| {
            // The state stands behind the name, which is in parentheses and may have some in it. A thread that has ended
            // meanwhile has no file any more.
            let facts = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
            facts.rsplit_once(')').is_none_or(|(_, facts)| facts.trim_start().starts_with('T'))
        })
    }

    /// Lets no file that it writes grow beyond so many bytes; with nothing, they grow as they may again.
    ///
    /// # Panics
    /// When the limit cannot be set.
    pub fn limit_files(&self, bytes: Option<u64>) {
        let limit = bytes.map_or_else(|| "unlimited".to_owned(), |bytes| bytes.to_string());
        let mut command = Command::new("prlimit");
        // The hard limit stays, so that anybody may lift the soft one again.
        command.arg(format!("--pid={}", self.child.id())).arg(format!("--fsize={limit}:"));
        assert!(command.status().unwrap().success(), "{command:?}");
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it does not come.
    pub fn wait(&mut self) -> ExitStatus {
        until("the end of a process", || self.ended())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ended = self.child.kill().and_then(|()| self.child.wait());
    }
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frozen_process_does_nothing_until_it_is_thawed() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "while :; do echo on; done"]);
        let process = Process::start(&mut command, folder.path(), "busy");
        let has_grown = |from: usize| (process.stdout().len() > from).then_some(());
        until("it to run", || has_grown(0));
        process.freeze();
        let written = process.stdout().len();
        // It can write again long before another process has been run, unless it stands still.
        let mut other = Process::start(&mut Command::new("true"), folder.path(), "other");
        assert!(other.wait().success());
        assert_eq!(process.stdout().len(), written);
        process.thaw();
        until("it to go on", || has_grown(written));
    }
}
