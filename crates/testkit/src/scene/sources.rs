//! What the tenant's sources have sent before. What is told of each and of all together is counted from the same numbers, so that it
//! agrees, as long as the scene is looked at.

/// The minute and the hour in which something was sent last, by their numbers.
const LATEST: &str = "CREATE TEMP TABLE latest AS
    SELECT max(last_seen_at) / 60000 AS minute, max(last_seen_at) / 3600000 AS hour FROM source_activity;";

/// What all of them have sent, as the store counts it: by minute, hour and day.
const ALL: &str = "DELETE FROM event_counts;
    INSERT INTO event_counts (space, step, minute, outcome, counted)
    SELECT space, steps.step, minute - minute % steps.step, outcome, sum(counted) FROM sent
    CROSS JOIN (SELECT 1 AS step UNION ALL SELECT 60 UNION ALL SELECT 1440) AS steps
    GROUP BY 1, 2, 3, 4;";

/// What each of them has sent, as the store keeps it: the latest minute, what was accepted in the last 60 minutes and 24 hours, and what
/// was refused in those hours, by their numbers modulo 60 and 24, each in four bytes.
const EACH: &str = "CREATE TEMP TABLE told AS
    WITH RECURSIVE hours(number) AS (
        SELECT hour FROM latest UNION ALL SELECT number - 1 FROM hours, latest WHERE number > hour - 23)
    SELECT source, 1 AS part, 0 AS slot, minute AS counted FROM source_activity, latest
    UNION ALL
    SELECT source, 2, sent.minute % 60, sum(counted) FROM sent, latest
    WHERE outcome = 'accepted' AND sent.minute > latest.minute - 60 GROUP BY source, sent.minute
    UNION ALL
    SELECT own.source, 3, number % 24, (SELECT coalesce(sum(counted), 0) FROM sent
        WHERE sent.source = own.source AND sent.minute / 60 = number AND outcome = 'accepted')
    FROM source_activity AS own, hours
    UNION ALL
    SELECT own.source, 4, number % 24, (SELECT coalesce(sum(counted), 0) FROM sent
        WHERE sent.source = own.source AND sent.minute / 60 = number AND outcome = 'invalid')
    FROM source_activity AS own, hours;
    UPDATE source_activity SET recent = (SELECT unhex(group_concat(printf('%08X', counted), '' ORDER BY part, slot))
        FROM told WHERE told.source = source_activity.source);";

/// Lets them have sent for so many hours, by day more than by night; now and then the last of them was refused.
pub(super) fn past(hours: u32) -> String {
    format!("{LATEST} {} {ALL} {EACH}", sent(hours))
}

/// In each of the last 60 minutes, and at the beginning of each hour before, of the last of which those minutes are a part.
fn sent(hours: u32) -> String {
    format!(
        "CREATE TEMP TABLE sent AS
         WITH RECURSIVE ago(minutes) AS (SELECT 0 UNION ALL SELECT minutes + 1 FROM ago WHERE minutes < 59),
         earlier(hours) AS (SELECT 0 UNION ALL SELECT hours + 1 FROM earlier WHERE hours < {hours})
         SELECT source, space, minute - minutes AS minute, 'accepted' AS outcome,
             source * (2 + ((minute - minutes) * 7 + source) % 9) AS counted
         FROM source_activity, latest, ago
         UNION ALL
         SELECT source, space, (hour - hours) * 60, 'accepted',
             (40 + 30 * source * (12 - abs((hour - hours) % 24 - 12)) + hours * 7 % 13)
                 * CASE hours WHEN 1 THEN minute % 60 + 1 ELSE 60 END / 60
         FROM source_activity, latest, earlier WHERE hours > 0
         UNION ALL
         SELECT source, space, (hour - hours) * 60, 'invalid', 1
         FROM source_activity, latest, earlier WHERE source = 3 AND hours % 9 = 0;"
    )
}
