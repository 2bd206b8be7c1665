//! Rate limits as people write them.

use keystile_core::{Invalid, RateLimit};

use super::moment::span;

/// How a rate limit is written.
pub(crate) const RATE_FORM: &str = "LIMIT/WINDOW[:NAME][,burst=COUNT]";

/// Reads `1000/1h`, `1000/1h:hourly` or `1000/1h:hourly,burst=50`. Without a name it is called as its window.
pub(crate) fn rate_limit(text: &str) -> Result<RateLimit, Invalid> {
    let rule = "must be a count and a window such as `1000/1h`, with a name and a burst if you like: \
        `1000/1h:hourly,burst=50`";
    let rate = parse(text).ok_or_else(|| Invalid::rule(rule))?;
    rate.check().map(|()| rate)
}

fn parse(text: &str) -> Option<RateLimit> {
    let (text, burst) = match text.rsplit_once(",burst=") {
        Some((text, count)) => (text, Some(count.parse().ok()?)),
        None => (text, None),
    };
    let (limit, rest) = text.split_once('/')?;
    let (window, name) = rest.split_once(':').unwrap_or((rest, rest));
    Some(RateLimit {
        name: name.to_owned(),
        limit: limit.parse().ok()?,
        window_seconds: span(window)?.as_secs(),
        burst,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_count_a_window_and_what_it_is_called() {
        let rate = |name: &str, limit, window_seconds, burst| RateLimit {
            name: name.to_owned(),
            limit,
            window_seconds,
            burst,
        };
        for (text, expected) in [
            ("1000/1h", rate("1h", 1000, 3600, None)),
            ("10/30s:spikes", rate("spikes", 10, 30, None)),
            ("5000/1d:per day: all,burst=50", rate("per day: all", 5000, 86_400, Some(50))),
            ("5000/1d,burst=50", rate("1d", 5000, 86_400, Some(50))),
        ] {
            assert_eq!(rate_limit(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn another_form_is_taught_and_a_bound_is_named() {
        for bad in ["", "1000", "1000/h", "many/1h", "1000/1h,burst=", "/1h", "1000 per hour"] {
            assert!(rate_limit(bad).unwrap_err().rule.contains("1000/1h"), "{bad}");
        }
        for (bad, field) in
            [("0/1h", "limit"), ("1/32d", "window_seconds"), ("5/1h,burst=6", "burst"), ("5/1h:", "name")]
        {
            assert_eq!(rate_limit(bad).unwrap_err().field, field, "{bad}");
        }
    }
}
