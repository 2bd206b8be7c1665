//! Files of secrets: who may read them, and how they are mounted.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use keystile_testkit::server::{Plan, Server};

use crate::world::KEYSTILE;

const SECRETS: [(&str, &str); 2] =
    [("signing-key.der", "KEYSTILE_SIGNING_KEY_FILE"), ("encryption-key", "KEYSTILE_ENCRYPTION_KEY_FILE")];

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// A server that has made its files and stopped.
fn stopped() -> Server {
    let mut server = Plan::serve(KEYSTILE).start();
    server.stop();
    server
}

#[test]
fn a_file_of_secrets_that_others_can_read_is_refused_with_the_remedy() {
    let server = stopped();
    for (name, _) in SECRETS {
        let file = server.plan().data_dir().join(name);
        for lax in [0o644, 0o640, 0o604, 0o444, 0o660] {
            set_mode(&file, lax);
            let mut process = server.plan().run(&format!("{name}-{lax:o}"));
            let ended = process.wait();
            let told = process.stderr();
            assert_eq!(ended.code(), Some(2), "{lax:o}: {told}");
            assert!(told.contains(&format!("(mode {lax:o})")), "{told}");
            assert!(told.contains(&format!("chmod 600 {}", file.display())), "{told}");
        }
        set_mode(&file, 0o600);
    }
}

#[test]
fn secrets_are_read_where_kubernetes_mounts_them() {
    let made = stopped();
    let mut plan = Plan::serve(KEYSTILE);
    let mount = plan.folder().join("mount");
    let version = mount.join("..2026_11_24");
    fs::create_dir_all(&version).unwrap();
    symlink("..2026_11_24", mount.join("..data")).unwrap();
    for (name, variable) in SECRETS {
        fs::copy(made.plan().data_dir().join(name), version.join(name)).unwrap();
        set_mode(&version.join(name), 0o440);
        symlink(Path::new("..data").join(name), mount.join(name)).unwrap();
        plan = plan.variable(variable, &mount.join(name).display().to_string());
    }
    let mut server = plan.start();
    for (name, _) in SECRETS {
        assert!(!server.plan().data_dir().join(name).exists(), "the mounted one is used");
    }
    server.stop();
}

#[test]
fn a_database_that_others_could_read_is_made_private() {
    let mut server = stopped();
    let database = server.plan().data_dir().join("keystile.db");
    let pages = server.plan().data_dir().join("keystile.db-wal");
    for (lax, after, told) in [(0o644, 0o600, true), (0o660, 0o600, true), (0o640, 0o640, false)] {
        set_mode(&database, lax);
        fs::write(&pages, "").unwrap();
        set_mode(&pages, lax);
        server.start();
        let log = server.process().stderr();
        assert_eq!((mode(&database), mode(&pages)), (after, after), "{lax:o}");
        assert_eq!(log.contains(&format!("(mode {lax:o}); it has mode 600 now")), told, "{log}");
        server.stop();
    }
}
