//! Backups: everything comes back, and no key that has ended since.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use keystile_core::journal::{JournalLine, KeyLine, Standing};
use keystile_core::key::Revocation;
use keystile_core::{Action, ApiKey, Digest, JournalId, KeyId, Timestamp};
use keystile_store::{
    Backed, Backup, BackupError, EngineName, KeyFilter, Location, Restoration, RestoreRefused, Restored,
    Rewrite, Store, StoreError, back_up,
};
use keystile_testkit::wait::until;
use tempfile::TempDir;

use crate::bed::Bed;
use crate::sample::{World, at, page};
use crate::schema;

/// A file for a backup.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("backup")
    }

    async fn back_up(&self, location: &Location) -> Backed {
        let mut file = File::create(self.file()).unwrap();
        back_up(location, at(1), &mut file, &mut |_| {}).await.unwrap()
    }

    fn open(&self) -> Result<Backup, BackupError> {
        Backup::open(File::open(self.file()).unwrap(), &mut |_| {})
    }

    fn restoration(&self, replace: bool, keys: Vec<KeyId>, rewrite: Rewrite) -> Restoration {
        let backup = self.open().unwrap();
        Restoration { backup, replace, keep_journal: false, keys, rewrite, told: Box::new(|_| {}) }
    }

    async fn restore(&self, store: &Store, replace: bool) -> Result<Restored, RestoreRefused> {
        store.restore(self.restoration(replace, Vec::new(), Box::new(|_| Ok(None)))).await.unwrap()
    }
}

async fn revoke(world: &World, store: &Store, id: KeyId) {
    let entry = world.entry(Action::KeyRevoke, id);
    let revoke = move |key: &mut ApiKey| {
        key.revoked = Some(Revocation { at: at(5), reason: None });
        key.version += 1;
        Ok::<_, ()>(Some(entry))
    };
    store.change_key(world.tenant.id, id, revoke).await.unwrap().unwrap().unwrap();
}

pub(crate) async fn everything_that_was_backed_up_comes_back(bed: &Bed) {
    let (store, place) = (bed.store().await, Place::new());
    let world = World::founded(&store).await;
    let full = world.full_key();
    world.create(&store, &full).await;
    let kept = world.created(&store).await;
    let chain = async || -> Vec<_> {
        world.sealed(&store).await.into_iter().map(|sealed| (sealed.seq, sealed.hash)).collect()
    };
    let log = chain().await;
    // Beside the open store, as beside a server.
    let backed = place.back_up(&bed.location()).await;
    assert_eq!(backed.header.engine, EngineName::of(&bed.location()));
    let later = world.created(&store).await;
    revoke(&world, &store, full.id).await;

    assert!(matches!(place.restore(&store, false).await, Err(RestoreRefused::NotEmpty)));
    assert_eq!(world.read(&store, later.id).await, later, "what is refused changes nothing");
    let restored = place.restore(&store, true).await.unwrap();
    assert_eq!((restored.rows, restored.ended, restored.migrated), (backed.rows, 0, Vec::new()));
    assert_eq!(world.read(&store, full.id).await, full);
    assert_eq!(store.key(world.tenant.id, later.id).await.unwrap(), None);
    let named = |name: &str| KeyFilter { name_contains: Some(name.to_owned()), ..KeyFilter::all(at(0)) };
    assert_eq!(world.listed(&store, &named(kept.name.as_str())).await, [kept.id]);
    assert_eq!(world.listed(&store, &named(later.name.as_str())).await, [], "its name is gone with it");
    assert_eq!(chain().await, log, "the chain goes on where it was");
    store.check_schema().await.unwrap();
    // The second backup has all that the first has, but for the sessions.
    assert_eq!(place.back_up(&bed.location()).await.rows, backed.rows);
}

pub(crate) async fn an_empty_database_takes_a_backup_of_either_engine(bed: &Bed) {
    let (other, place) = (Bed::sqlite(), Place::new());
    let source = other.store().await;
    let world = World::founded(&source).await;
    let key = world.created(&source).await;
    place.back_up(&other.location()).await;
    let store = bed.open().await;
    place.restore(&store, false).await.unwrap();
    assert_eq!(world.read(&store, key.id).await, key);
    // Migrated, but unused.
    let (third, fourth) = (Bed::sqlite(), Place::new());
    let unused = third.store().await;
    fourth.back_up(&bed.location()).await;
    fourth.restore(&unused, false).await.unwrap();
    assert_eq!(world.read(&unused, key.id).await, key);
}

pub(crate) async fn keys_that_ended_since_end_in_the_transaction_that_restores(bed: &Bed) {
    let (store, place) = (bed.store().await, Place::new());
    let world = World::founded(&store).await;
    let (first, second) = (world.created(&store).await, world.created(&store).await);
    place.back_up(&bed.location()).await;
    let ends = |key: &mut ApiKey| {
        key.revoked = Some(Revocation { at: at(7), reason: None });
        key.version += 1;
    };
    let entry = world.entry(Action::KeyRevoke, first.id);
    let unknown = KeyId::from_parts(at(0), 99);
    let rewrite: Rewrite = Box::new(move |key| {
        ends(key);
        Ok(Some(entry.clone()))
    });
    let restoration = place.restoration(true, vec![first.id, unknown], rewrite);
    assert_eq!(store.restore(restoration).await.unwrap().unwrap().ended, 1);
    assert!(world.read(&store, first.id).await.revoked.is_some());
    assert_eq!(world.read(&store, second.id).await, second);
    assert_eq!(world.log(&store).await[0].action, Action::KeyRevoke);

    let fails: Rewrite = Box::new(|_| Err(StoreError::Refused("no".into())));
    let before = world.read(&store, first.id).await;
    let failed = store.restore(place.restoration(true, vec![first.id], fails)).await;
    assert!(matches!(failed, Err(StoreError::Refused(_))));
    assert_eq!(world.read(&store, first.id).await, before, "nothing of the backup is there");
}

/// A file that is written when keys were made meanwhile.
struct Slow {
    file: File,
    keys: Arc<Mutex<u32>>,
    has_waited: bool,
}

impl Write for Slow {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.windows(13).any(|window| window == b"audit_entries") {
            let before = *self.keys.lock().unwrap();
            // Of two, one has begun only now: the keys are written, and the audit entries are not.
            until("more keys", || (*self.keys.lock().unwrap() >= before + 2).then_some(()));
            self.has_waited = true;
        }
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

pub(crate) async fn a_backup_under_load_sees_one_moment(bed: &Bed) {
    let (store, place) = (bed.store().await, Place::new());
    let world = World::founded(&store).await;
    for _ in 0..300 {
        world.created(&store).await;
    }
    // Each key comes with its audit entry, so in any one moment there are as many of one as of the other.
    let keys = Arc::new(Mutex::new(0_u32));
    let (more, writer, made) = (world.clone(), store.clone(), Arc::clone(&keys));
    let load = tokio::spawn(async move {
        loop {
            more.created(&writer).await;
            *made.lock().unwrap() += 1;
        }
    });
    let mut slow = Slow { file: File::create(place.file()).unwrap(), keys, has_waited: false };
    back_up(&bed.location(), at(1), &mut slow, &mut |_| {}).await.unwrap();
    assert!(slow.has_waited);
    load.abort();
    let copy = Bed::sqlite();
    let restored = copy.open().await;
    place.restore(&restored, false).await.unwrap();
    let log = world.log(&restored).await;
    let found = world.listed(&restored, &KeyFilter::all(at(0))).await.len();
    assert!(found >= 300, "{found}");
    assert_eq!(log.iter().filter(|entry| entry.action == Action::KeyCreate).count(), found);
}

pub(crate) async fn a_backup_that_is_not_as_it_was_made_is_refused(bed: &Bed) {
    let (store, place) = (bed.store().await, Place::new());
    World::founded(&store).await;
    place.back_up(&bed.location()).await;
    let whole = std::fs::read(place.file()).unwrap();
    let opened = |bytes: &[u8]| {
        std::fs::write(place.file(), bytes).unwrap();
        place.open().map(drop)
    };
    assert!(opened(&whole).is_ok());
    for at in [30, whole.len() / 2, whole.len() - 40, whole.len() - 1] {
        let mut other = whole.clone();
        other[at] ^= 1;
        assert!(matches!(opened(&other), Err(BackupError::Damaged(_))), "{at}");
        assert!(matches!(opened(&whole[..at]), Err(BackupError::Damaged(_))), "{at}");
    }
    for text in ["", "keystile", "this is a letter"] {
        assert!(matches!(opened(text.as_bytes()), Err(BackupError::Foreign)), "{text}");
    }
    let later = [&b"keystile backup 2\n"[..], &whole[18..]].concat();
    assert!(matches!(opened(&later), Err(BackupError::Format(2))));
}

pub(crate) async fn a_backup_of_a_later_schema_is_refused(bed: &Bed) {
    let (store, place) = (bed.store().await, Place::new());
    World::founded(&store).await;
    store.close().await;
    bed.run_sql("INSERT INTO schema_migrations (version, name) VALUES (9999, '9999_from_the_future')");
    let mut bytes = Vec::new();
    let refused = back_up(&bed.location(), at(1), &mut bytes, &mut |_| {}).await;
    assert!(matches!(refused, Err(BackupError::Database(_))), "{refused:?}");
    bed.run_sql("DELETE FROM schema_migrations WHERE version = 9999");
    place.back_up(&bed.location()).await;
    // As a later version would have written it.
    let body = std::fs::read(place.file()).unwrap();
    let text = String::from_utf8_lossy(&body).into_owned();
    let schema = text.split("\"schema\":").nth(1).unwrap().split(',').next().unwrap();
    let (known, later) = (format!("\"schema\":{schema}"), format!("\"schema\":{}", "9".repeat(schema.len())));
    let found = body.windows(known.len()).position(|window| window == known.as_bytes()).unwrap();
    let mut forged = body[..body.len() - 32].to_vec();
    forged[found..found + later.len()].copy_from_slice(later.as_bytes());
    forged.extend_from_slice(Digest::of(&forged).as_bytes());
    std::fs::write(place.file(), &forged).unwrap();
    let store = bed.open().await;
    assert!(matches!(place.restore(&store, true).await, Err(RestoreRefused::Schema(_))));
    store.check_schema().await.unwrap();
}

pub(crate) async fn a_backup_of_an_older_schema_is_brought_up_to_date(bed: &Bed) {
    let place = Place::new();
    bed.open().await.close().await;
    bed.run_sql(&schema::with_a_key(&bed.location(), 24));
    assert_eq!(place.back_up(&bed.location()).await.header.schema, 24);
    let store = bed.open().await;
    let restored = place.restore(&store, true).await.unwrap();
    assert_eq!(restored.migrated[0].version, 25);
    store.check_schema().await.unwrap();
    let (tenant, key) = (schema::TENANT.parse().unwrap(), schema::KEY.parse().unwrap());
    assert_eq!(store.key(tenant, key).await.unwrap().unwrap().version, 3);
    let named = KeyFilter { name_contains: Some("we".to_owned()), ..KeyFilter::all(at(0)) };
    assert_eq!(store.keys(tenant, &named, page(10)).await.unwrap().len(), 1, "its name was added on the way");
}

pub(crate) async fn a_change_after_which_a_key_stands_otherwise_is_noted_for_the_journal(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let (key, other) = (world.created(&store).await, world.key());
    let change = async |apply: fn(&mut ApiKey, &ApiKey)| {
        let (entry, other) = (world.entry(Action::KeyUpdate, key.id), other.clone());
        let change = move |key: &mut ApiKey| {
            apply(key, &other);
            key.version += 1;
            key.updated_at = at(key.version);
            Ok::<_, ()>(Some(entry))
        };
        store.change_key(world.tenant.id, key.id, change).await.unwrap().unwrap().unwrap();
        store.untold_ends(None, 10, HashSet::new()).await.unwrap().ends
    };
    assert_eq!(change(|key, _| key.name = "Renamed".parse().unwrap()).await, []);
    let noted = change(|key, _| key.blocked = Some("unpaid".into())).await;
    let line = |version, standing| {
        let (tenant_id, key_id) = (world.tenant.id, key.id);
        JournalLine::Key(KeyLine { tenant_id, key_id, version, at: at(version), standing })
    };
    let blocked = Standing { blocked: true, ..Standing::default() };
    let [end] = &noted[..] else { panic!("{noted:?}") };
    assert_eq!((end.place, &end.lines[..]), ((key.id, 3), &[line(3, blocked)][..]));
    let told = store.untold_ends(None, 10, HashSet::from([end.place])).await.unwrap();
    assert_eq!((told.ends, told.next), (Vec::new(), None), "it was told, and has its note still");
    let first = store.untold_ends(None, 1, HashSet::new()).await.unwrap();
    assert_eq!((&first.ends, first.next), (&noted, Some(end.place)), "there may be others");
    let others = store.untold_ends(first.next, 10, HashSet::new()).await.unwrap();
    assert_eq!((others.ends, others.next), (Vec::new(), None));
    store.ends_told(vec![end.place]).await.unwrap();
    let noted = change(|key, other| key.secret = other.secret.clone()).await;
    let [end] = &noted[..] else { panic!("{noted:?}") };
    let secret = keystile_core::journal::replaced_secret(key.secret.digest);
    let replaced = JournalLine::Replaced { tenant_id: world.tenant.id, key_id: key.id, secret, at: at(4) };
    assert_eq!(end.lines, [replaced, line(4, blocked)]);

    let standings = store.standings(None, 10).await.unwrap();
    assert_eq!(standings.iter().map(|line| line.standing).collect::<Vec<_>>(), [blocked]);
    assert_eq!(store.standings(Some(key.id), 10).await.unwrap(), []);
    let secrets = store.replaced_secrets(None, 10).await.unwrap();
    let [(digest, told)] = &secrets[..] else { panic!("{secrets:?}") };
    assert!(
        *digest == key.secret.digest
            && matches!(told, JournalLine::Replaced { secret: told, .. } if *told == secret)
    );
    assert_eq!(store.replaced_secrets(Some(*digest), 10).await.unwrap().len(), 0);
}

pub(crate) async fn a_database_names_its_journal_and_forgets_it_when_it_is_restored_without(bed: &Bed) {
    let (store, place) = (bed.store().await, Place::new());
    let [first, second] = [1, 2].map(|number| JournalId::from_parts(at(0), number));
    assert_eq!(store.journals().await.unwrap(), []);
    for (id, is_alone, named) in
        [(first, true, vec![first]), (second, false, vec![first, second]), (second, true, vec![second])]
    {
        store.name_journal(id, is_alone).await.unwrap();
        assert_eq!(store.journals().await.unwrap(), named);
    }
    place.back_up(&bed.location()).await;
    store.name_journal(first, true).await.unwrap();
    for (keep_journal, named) in [(true, vec![second]), (false, Vec::new())] {
        let restoration = place.restoration(true, Vec::new(), Box::new(|_| Ok(None)));
        store.restore(Restoration { keep_journal, ..restoration }).await.unwrap().unwrap();
        assert_eq!(store.journals().await.unwrap(), named);
    }
}

pub(crate) async fn what_postgres_knows_of_its_tables_is_there_after_a_restore(bed: &Bed) {
    let (store, place) = (bed.store().await, Place::new());
    let world = World::founded(&store).await;
    for _ in 0..20 {
        world.created(&store).await;
    }
    place.back_up(&bed.location()).await;
    let Location::Postgres { .. } = bed.location() else {
        return assert_eq!(place.restore(&store, true).await.unwrap().ended, 0);
    };
    bed.run_sql("GRANT SELECT ON api_keys TO PUBLIC");
    place.restore(&store, true).await.unwrap();
    bed.run_sql(
        "DO $$ BEGIN
            IF NOT has_table_privilege('public', 'api_keys', 'SELECT') THEN RAISE EXCEPTION 'nobody may read'; END IF;
            IF (SELECT reltuples FROM pg_class WHERE oid = to_regclass('api_keys')) <> 20 THEN
                RAISE EXCEPTION 'its size is not known';
            END IF;
        END $$",
    );
}

pub(crate) async fn many_keys_are_ended_again_whatever_their_tenant(bed: &Bed) {
    let store = bed.store().await;
    let (one, two) = (World::founded(&store).await, World::founded(&store).await);
    let mut keys = Vec::new();
    for number in 0..150 {
        let world = if number % 2 == 0 { &one } else { &two };
        keys.push((world, world.created(&store).await.id));
    }
    let mut entries: Vec<_> = keys.iter().map(|(world, id)| world.entry(Action::KeyDisable, *id)).collect();
    let rewrite: Rewrite = Box::new(move |key| {
        let place = entries.iter().position(|entry| entry.target == key.id.to_string());
        key.enabled = false;
        key.version += 1;
        Ok(place.map(|place| entries.swap_remove(place)))
    });
    let ids: Vec<KeyId> = keys.iter().map(|(_, id)| *id).collect();
    assert_eq!(store.end_again(ids, rewrite).await.unwrap(), 150);
    let late = Timestamp::from_millis(i64::MAX);
    for world in [&one, &two] {
        for id in world.listed(&store, &KeyFilter::all(late)).await {
            assert!(!world.read(&store, id).await.enabled);
        }
    }
}
