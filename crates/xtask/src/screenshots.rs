//! `cargo xtask screenshots`: pictures of every page of the console, to be looked at.

use anyhow::Result;

use crate::run::{cargo, root, shown};
use crate::test::provide_browser;

/// Where they go unless it is said.
const FOLDER: &str = "target/screenshots";

/// Builds the server and has it photographed. `arguments` are the folder and the names of pages; without names all are taken.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    provide_browser()?;
    shown(&mut cargo(&["build", "--quiet", "--package", "keystile"]))?;
    let default = root().join(FOLDER).display().to_string();
    let (folder, pages) = arguments.split_first().unwrap_or((&default, &[]));
    let run =
        ["run", "--quiet", "--package", "keystile-testkit", "--features", "browser", "--bin", "screenshots"];
    shown(cargo(&run).arg("--").arg(folder).args(pages))
}
