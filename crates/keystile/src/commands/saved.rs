//! What the server sends as a file: written where it is wanted, complete or not at all.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use clap::Args;
use keystile_client::Download;

use crate::failure::Failure;

/// Where a file is to be.
#[derive(Debug, Args)]
pub(super) struct Output {
    /// File to write, which only you can read; by default standard output. It appears when it is complete.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Output {
    /// Gives `write` what is to be written to. A file has its name when all of it is there; nothing is left of one that broke off.
    pub(super) async fn fill<T>(
        self,
        write: impl AsyncFnOnce(&mut (dyn Write + Send)) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let Some(path) = self.output else { return write(&mut io::stdout()).await };
        let unwritten =
            |error: io::Error| Failure::because(format!("{} cannot be written", path.display()), &error);
        let partial = partial(&path);
        let mut file = private(&partial).map_err(unwritten)?;
        let kept = match write(&mut file).await {
            Ok(value) => file
                .sync_all()
                .and_then(|()| std::fs::rename(&partial, &path))
                .map(|()| value)
                .map_err(unwritten),
            Err(failure) => Err(failure),
        };
        if kept.is_err() {
            // What is left of it is of no use; that it cannot be removed changes nothing.
            let _gone = std::fs::remove_file(&partial);
        }
        kept
    }
}

/// Writes what comes, as it comes.
pub(super) async fn copy(mut download: Download, out: &mut (dyn Write + Send)) -> Result<(), Failure> {
    while let Some(piece) = download.piece().await? {
        out.write_all(piece.as_ref()).map_err(|error| unwritten(&error))?;
    }
    out.flush().map_err(|error| unwritten(&error))
}

/// Why nothing more is written.
pub(super) fn unwritten(error: &io::Error) -> Failure {
    Failure::because("what the server sends cannot be written", error)
}

fn partial(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}
