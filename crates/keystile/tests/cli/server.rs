//! A server of `keystile dev` in a folder of its own.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::run::keystile;

/// It ends with the test.
pub(crate) struct Server {
    child: Child,
    credentials: PathBuf,
}

impl Server {
    /// Starts one that has nothing but what `keystile dev` makes. `name` is this test's own.
    pub(crate) fn start(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let credentials = folder.join("credentials.json");
        let mut command = keystile(&["dev", "--listen", "127.0.0.1:0"]);
        command.arg("--data-dir").arg(folder.join("data")).arg("--credentials-file").arg(&credentials);
        let mut child = command.stderr(Stdio::inherit()).spawn().unwrap();
        // It prints when it listens, after it has written the file.
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert!(credentials.exists(), "no server: {line}");
        Self { child, credentials }
    }

    /// `keystile keys …`, as the owner.
    pub(crate) fn keys(&self, arguments: &[&str]) -> Command {
        self.ask("keys", arguments)
    }

    /// Another command, as the owner.
    pub(crate) fn ask(&self, command: &str, arguments: &[&str]) -> Command {
        let mut command = keystile(&[command]);
        command.args(arguments).arg("--credentials-file").arg(&self.credentials);
        command
    }

    /// A file of this test's own, beside the data.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.credentials.with_file_name(name)
    }

    /// What the credentials file says.
    pub(crate) fn credentials(&self) -> serde_json::Value {
        serde_json::from_slice(&std::fs::read(&self.credentials).unwrap()).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill().and_then(|()| self.child.wait());
    }
}
