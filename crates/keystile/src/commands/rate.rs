//! Rate limits as people write them.

use keystile_core::{Invalid, RateLimit};

use super::moment::span;

/// How a rate limit is written.
pub(crate) const RATE_FORM: &str = "LIMIT/WINDOW[:NAME][,burst=COUNT][,when_away=POLICY]";

const RULE: &str = "must be a count and a window such as `1000/1h`, with a name, a burst, and what becomes of requests while \
    the shared count is away (`refuse` or `local_share`) if you like: `1000/1h:hourly,burst=50,when_away=refuse`";

/// Reads `1000/1h`, `1000/1h:hourly` or `1000/1h:hourly,burst=50,when_away=refuse`. Without a name it is called as its
/// window.
pub(crate) fn rate_limit(text: &str) -> Result<RateLimit, Invalid> {
    let mut rate =
        RateLimit { name: String::new(), limit: 0, window_seconds: 0, burst: None, when_away: None };
    let mut rest = text;
    while let Some((before, word, value)) = last_option(rest) {
        set(&mut rate, word, value)?;
        rest = before;
    }
    let (limit, window, name) = parts(rest).ok_or_else(malformed)?;
    let rate = RateLimit { name: name.to_owned(), limit, window_seconds: window, ..rate };
    rate.check().map(|()| rate)
}

/// The `,word=value` at the end, and what stands before it. Also a word that means nothing is one: else a mistyped policy would
/// become part of the name.
fn last_option(text: &str) -> Option<(&str, &str, &str)> {
    let (before, option) = text.rsplit_once(',')?;
    let (word, value) = option.split_once('=')?;
    let is_word = !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphabetic() || b"_-".contains(&b));
    is_word.then_some((before, word, value))
}

/// Takes in an option that is there once.
fn set(rate: &mut RateLimit, word: &str, value: &str) -> Result<(), Invalid> {
    match word {
        "burst" if rate.burst.is_none() => rate.burst = Some(value.parse().map_err(|_| malformed())?),
        "when_away" | "when-away" if rate.when_away.is_none() => {
            rate.when_away = Some(value.parse().map_err(|invalid: Invalid| invalid.at("when_away"))?);
        }
        _ => return Err(malformed()),
    }
    Ok(())
}

/// Count, window in seconds, and name of `1000/1h:hourly`.
fn parts(text: &str) -> Option<(u64, u64, &str)> {
    let (limit, rest) = text.split_once('/')?;
    let (window, name) = rest.split_once(':').unwrap_or((rest, rest));
    Some((limit.parse().ok()?, span(window)?.as_secs(), name))
}

fn malformed() -> Invalid {
    Invalid::rule(RULE)
}

#[cfg(test)]
mod tests {
    use keystile_core::WhenAway;

    use super::*;

    #[test]
    fn a_rate_is_a_count_a_window_and_what_it_is_called() {
        let rate = |name: &str, limit, window_seconds, burst, when_away| RateLimit {
            name: name.to_owned(),
            limit,
            window_seconds,
            burst,
            when_away,
        };
        let (refuse, share) = (Some(WhenAway::Refuse), Some(WhenAway::LocalShare));
        for (text, expected) in [
            ("1000/1h", rate("1h", 1000, 3600, None, None)),
            ("10/30s:spikes", rate("spikes", 10, 30, None, None)),
            ("5000/1d:per day: all,burst=50", rate("per day: all", 5000, 86_400, Some(50), None)),
            ("5000/1d:a, b=c,burst=50", rate("a, b=c", 5000, 86_400, Some(50), None)),
            ("5000/1d,burst=50", rate("1d", 5000, 86_400, Some(50), None)),
            ("5000/1d,when_away=refuse", rate("1d", 5000, 86_400, None, refuse)),
            ("5/1d:a,burst=2,when_away=local_share", rate("a", 5, 86_400, Some(2), share)),
            ("5/1d:a,when-away=local_share,burst=2", rate("a", 5, 86_400, Some(2), share)),
        ] {
            assert_eq!(rate_limit(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn another_form_is_taught_and_a_bound_is_named() {
        for bad in ["", "1000", "1000/h", "many/1h", "1000/1h,burst=", "/1h", "1000 per hour"] {
            assert!(rate_limit(bad).unwrap_err().rule.contains("1000/1h"), "{bad}");
        }
        for bad in
            ["9/1h,burst=2,burst=3", "9/1h,when_away=refuse,when-away=refuse", "9/1h:a,whenaway=refuse"]
        {
            assert!(rate_limit(bad).unwrap_err().rule.contains("when_away=refuse"), "{bad}");
        }
        for (bad, field) in [
            ("0/1h", "limit"),
            ("1/32d", "window_seconds"),
            ("5/1h,burst=6", "burst"),
            ("5/1h:", "name"),
            ("5/1h,when_away=open", "when_away"),
        ] {
            assert_eq!(rate_limit(bad).unwrap_err().field, field, "{bad}");
        }
    }
}
