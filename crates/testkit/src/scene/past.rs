//! What has happened since: time.

use std::fmt::Write as _;

use super::keys::{Fate, SceneKey};
use super::{Scene, sources};

const DAY_MILLIS: i64 = 86_400_000;
const MINUTE_MILLIS: i64 = 60_000;
/// Hours back for which requests are counted: two weeks.
const HOURS: u32 = 14 * 24;

/// What was counted of all keys together follows from what was counted of each.
const TOGETHER: &str = "DELETE FROM tenant_usage;
    INSERT INTO tenant_usage (tenant_id, step, minute, environment, code, latency, counted)
    SELECT key_usage.tenant_id, step, minute - minute % step, environment, code, latency, sum(counted)
    FROM key_usage JOIN api_keys ON api_keys.id = key_usage.key_id
    CROSS JOIN (SELECT 1 AS step UNION ALL SELECT 60 UNION ALL SELECT 1440)
    GROUP BY 1, 2, 3, 4, 5, 6;";

/// What was spent today was spent on each of the 40 days before, on some more and on some less; what is spent of budgets follows, and what
/// is held is held for as long as somebody may look at pages.
const SPENT: &str = "WITH RECURSIVE days(ago) AS (SELECT 1 UNION ALL SELECT ago + 1 FROM days WHERE ago < 40),
        parts AS (SELECT ago, 1 + (ago * 7) % 5 + (ago * 3) % 4 AS part FROM days)
    INSERT OR IGNORE INTO spend (tenant_id, day, key_id, model, provider_id, customer_id, application_id, lineage_id, requests,
        input, cached_input, cache_write, output, cost_nano)
    SELECT tenant_id, day - ago, key_id, model, provider_id, customer_id, application_id, lineage_id,
        requests * part * 9, input * part * 9, cached_input * part, cache_write * part, output * part * 9,
        cost_nano * part
    FROM spend, parts WHERE cost_nano > 0;
    UPDATE budgets SET spent_nano = (SELECT COALESCE(SUM(cost_nano), 0) FROM spend
        WHERE spend.lineage_id = budgets.lineage_id AND day >= first_day AND day < end_day);
    UPDATE holds SET deadline_at = deadline_at + 86400000;";

/// Makes it all long ago, and what was asked in one minute what was asked in two weeks.
pub(super) fn make(scene: &mut Scene) {
    scene.server.stop();
    let mut sql = String::new();
    for (place, key) in scene.keys.iter().enumerate() {
        sql.push_str(&aged(key, i64::try_from(place).unwrap()));
    }
    scene.server.sql(&format!(
        "BEGIN; {sql} {} {TOGETHER} {} {SPENT} COMMIT;",
        spread(),
        sources::past(HOURS)
    ));
    scene.server.start();
}

/// The key as if all of it had happened earlier. No two are of one age.
fn aged(key: &SceneKey, place: i64) -> String {
    let (days, left, used) = key.fate.days();
    let made = (days + place % 11) * DAY_MILLIS + place * 47 * MINUTE_MILLIS;
    let used = (used + place * 31 % 53) * MINUTE_MILLIS;
    let mut sql = format!(
        "UPDATE api_keys SET created_at = created_at - {made}, secret_created_at = secret_created_at - {made},
         updated_at = updated_at - {made} / 3, revoked_at = revoked_at - {made} / 3,
         last_used_at = last_used_at - {used} WHERE id = '{0}';
         UPDATE key_addresses SET first_seen_at = first_seen_at - {used} - {made} / 2,
         last_seen_at = last_seen_at - {used} WHERE key_id = '{0}';",
        key.id
    );
    if left < 365 {
        let left = left * DAY_MILLIS;
        // A string cannot refuse what is written into it.
        let _written = write!(
            sql,
            "UPDATE api_keys SET expires_at = unixepoch() * 1000 + {left} WHERE id = '{}';",
            key.id
        );
    }
    if key.fate == Fate::Unused {
        let _written = write!(
            sql,
            "UPDATE api_keys SET last_used_at = NULL WHERE id = '{0}'; DELETE FROM key_addresses WHERE key_id = '{0}';",
            key.id
        );
    }
    sql
}

/// What was counted in this minute was counted in every hour before, by day more than by night. What is not in memory is
/// waited for seldom.
fn spread() -> String {
    format!(
        "WITH RECURSIVE hours(ago) AS (SELECT 1 UNION ALL SELECT ago + 1 FROM hours WHERE ago < {HOURS}),
         counts AS (SELECT tenant_id, key_id, min(minute) AS minute, code, latency, sum(counted) AS counted,
             length(key_id) + unicode(substr(key_id, -1)) + unicode(substr(key_id, -2)) AS own
             FROM key_usage GROUP BY tenant_id, key_id, code, latency)
         INSERT INTO key_usage
         SELECT tenant_id, key_id, minute - ago * 60, code, latency,
             counted * (2 + (own % 5) * (12 - abs((ago + own) % 24 - 12)) + (ago * own * 7) % 9)
         FROM counts, hours
         WHERE (latency = 'memory' OR ago % 11 = 0) AND (code = 'allowed' OR (ago + own) % 3 = 0);"
    )
}
