//! The files of a server, and the programs that work with them.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use super::Durability;
use crate::certificate::Certificate;
use crate::run::finish;

/// The unprivileged user and group `nobody`: PostgreSQL refuses to run as root.
const NOBODY: (u32, u32) = (65_534, 65_534);

/// The folder with the programs of the newest PostgreSQL there is.
pub(super) fn programs() -> Result<PathBuf, String> {
    let release = |folder: &Path| folder.file_name()?.to_str()?.parse::<u32>().ok();
    let installed = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    installed
        .filter_map(|entry| release(&entry.path()).map(|release| (release, entry.path().join("bin"))))
        .filter(|(_, programs)| programs.join("initdb").exists())
        .max()
        .map(|(_, programs)| programs)
        .ok_or_else(|| {
            "these tests need PostgreSQL 14 or later under /usr/lib/postgresql: `apt-get install postgresql`"
                .to_owned()
        })
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// A command that does not run as root.
pub(super) fn unprivileged(program: impl AsRef<std::ffi::OsStr>) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let (user, group) = NOBODY;
    let mut command = Command::new("setpriv");
    command.arg(format!("--reuid={user}")).arg(format!("--regid={group}")).arg("--clear-groups").arg(program);
    command
}

fn give_away(path: &Path) -> std::io::Result<()> {
    if is_root() { chown(path, Some(NOBODY.0), Some(NOBODY.1)) } else { Ok(()) }
}

/// A short path, because the server makes a socket in it.
pub(super) fn make_folder() -> std::io::Result<PathBuf> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("keystile-pg-{}-{count}", std::process::id()));
    fs::create_dir(&folder)?;
    give_away(&folder)?;
    Ok(folder)
}

/// Makes the files of a server, and finds a port for it.
pub(super) fn initialize(
    programs: &Path,
    folder: &Path,
    durability: Durability,
    certificate: Option<&Certificate>,
) -> Result<u16, String> {
    let mut initdb = unprivileged(programs.join("initdb"));
    initdb.args(["--username=keystile", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]);
    finish(initdb.arg("--pgdata").arg(folder.join("data")).current_dir("/"))?;
    let durable = match durability {
        Durability::Off => "fsync = off\nfull_page_writes = off\n",
        Durability::On => "",
    };
    let encrypted = if certificate.is_some() { "ssl = on\n" } else { "" };
    let port = settle_at_a_port(
        folder,
        &format!("listen_addresses = '127.0.0.1'\nmax_connections = 300\n{durable}{encrypted}"),
    )?;
    certificate
        .map_or(Ok(()), |certificate| install(certificate, folder))
        .map_err(|error| unwritten(&error))?;
    Ok(port)
}

/// Makes the files of a server that follows another, and finds a port for it.
pub(super) fn follow(programs: &Path, folder: &Path, primary: &str) -> Result<u16, String> {
    let mut copy = unprivileged(programs.join("pg_basebackup"));
    copy.args(["--write-recovery-conf", "--checkpoint=fast", "--wal-method=stream", "--no-sync"]);
    copy.args(["--dbname", primary]).arg("--pgdata").arg(folder.join("data"));
    finish(copy.current_dir("/"))?;
    settle_at_a_port(folder, "")
}

/// Adds settings, and those of a port that is free and of a socket in the folder; the last of several counts. Gives the port.
fn settle_at_a_port(folder: &Path, settings: &str) -> Result<u16, String> {
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let port = free.map_err(|error| format!("no free port: {error}"))?.port();
    let settings = format!("{settings}port = {port}\nunix_socket_directories = '{}'\n", folder.display());
    let file = OpenOptions::new().append(true).open(folder.join("data/postgresql.conf"));
    file.and_then(|mut file| file.write_all(settings.as_bytes())).map_err(|error| unwritten(&error))?;
    Ok(port)
}

fn unwritten(error: &std::io::Error) -> String {
    format!("cannot write the settings of PostgreSQL: {error}")
}

/// Puts the certificate where the server looks for it, with its key as private as the server wants it.
fn install(certificate: &Certificate, folder: &Path) -> std::io::Result<()> {
    for (from, name) in [(certificate.chain(), "data/server.crt"), (certificate.key(), "data/server.key")] {
        let to = folder.join(name);
        fs::copy(from, &to)?;
        fs::set_permissions(&to, fs::Permissions::from_mode(0o600))?;
        give_away(&to)?;
    }
    Ok(())
}
