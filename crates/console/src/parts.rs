//! Small parts of pages that templates put together: icons, times, badges.

use std::fmt::{self, Display};

use askama::FastWritable;
use askama::filters::HtmlSafe;
use keystile_core::llm::ImportOutcome;
use keystile_core::{
    ApiKey, DeliveryState, Environment, JobState, KeyStatus, LeakState, Model, NanoUsd, PicoUsd, Provider,
    Role, Timestamp, TrustLevel, Webhook,
};

use super::words;

/// A picture of a line drawing, for the eye only.
#[derive(Clone, Copy)]
pub(super) struct Icon(&'static str);

macro_rules! icons {
    ($( $name:literal: $lines:literal; )+) => {
        /// The lines of the icon of this name, on a field of 24 by 24.
        pub(super) fn icon(name: &str) -> Icon {
            Icon(match name { $( $name => $lines, )+ _ => "" })
        }

        #[cfg(test)]
        const ICONS: &[&str] = &[$($name),+];
    };
}

icons! {
    "overview": "<path d='M4 13h6V4H4zM14 20h6v-9h-6zM4 20h6v-3H4zM14 7h6V4h-6z'/>";
    "key": "<circle cx='8' cy='15' r='4'/><path d='M11 12l8-8M16 7l3 3M13.5 9.5l2 2'/>";
    "customers": "<circle cx='9' cy='8' r='3.5'/><path d='M3 20c0-3.5 2.5-6 6-6s6 2.500 6 6M16 4.800a3.500 3.500 0 010 6.400M18 14.500c2 .8 3 2.800 3 5.500'/>";
    "application": "<path d='M4 5h16v14H4zM4 9.500h16M7 7.250h.01M10 7.250h.01'/>";
    "logs": "<path d='M4 6h11M4 11h16M4 16h8M16 15l4 3-4 3z'/>";
    "live": "<circle cx='12' cy='12' r='2.500'/><path d='M7.500 7.500a6.400 6.400 0 000 9M16.500 7.500a6.400 6.400 0 010 9M4.700 4.700a10.300 10.300 0 000 14.600M19.300 4.700a10.300 10.300 0 010 14.600'/>";
    "pause": "<path d='M9 6v12M15 6v12'/>";
    "audit": "<path d='M7 3h10v18H7zM10 8h4M10 12h4M10 16h2'/>";
    "members": "<circle cx='12' cy='8' r='4'/><path d='M4.500 20c.5-4 3.500-6 7.500-6s7 2 7.500 6'/>";
    "settings": "<path d='M4 7h9M17 7h3M4 17h3M11 17h9'/><circle cx='15' cy='7' r='2'/><circle cx='9' cy='17' r='2'/>";
    "playground": "<path d='M8 7l-5 5 5 5M16 7l5 5-5 5M13.500 4l-3 16'/>";
    "search": "<circle cx='11' cy='11' r='6.500'/><path d='M16 16l4.500 4.500'/>";
    "plus": "<path d='M12 5v14M5 12h14'/>";
    "close": "<path d='M6 6l12 12M18 6L6 18'/>";
    "menu": "<path d='M4 7h16M4 12h16M4 17h16'/>";
    "chevron": "<path d='M8 10l4 4 4-4'/>";
    "up": "<path d='M12 19V5M6 11l6-6 6 6'/>";
    "down": "<path d='M12 5v14M6 13l6 6 6-6'/>";
    "next": "<path d='M9 6l6 6-6 6'/>";
    "back": "<path d='M15 6l-6 6 6 6'/>";
    "trash": "<path d='M4 7h16M9 7V4h6v3M6.500 7l1 13h9l1-13M10 11v5M14 11v5'/>";
    "copy": "<path d='M9 9h11v11H9zM5 15H4V4h11v1'/>";
    "download": "<path d='M12 4v11M7 11l5 5 5-5M5 20h14'/>";
    "warn": "<path d='M12 4l9 16H3zM12 10v4M12 17h.01'/>";
    "info": "<circle cx='12' cy='12' r='9'/><path d='M12 11v5M12 8h.01'/>";
    "check": "<path d='M5 12.500l4.500 4.500L19 7.500'/>";
    "clock": "<circle cx='12' cy='12' r='9'/><path d='M12 7v5l3.500 2'/>";
    "rotate": "<path d='M20 12a8 8 0 11-2.500-5.800M20 4v4.500h-4.500'/>";
    "block": "<circle cx='12' cy='12' r='9'/><path d='M5.800 5.800l12.400 12.400'/>";
    "power": "<path d='M12 3v9M6.500 7a8 8 0 1011 0'/>";
    "edit": "<path d='M4 20h4L19 9l-4-4L4 16zM13 7l4 4'/>";
    "shield": "<path d='M12 3l8 3v6c0 4.500-3.200 7.800-8 9-4.800-1.200-8-4.500-8-9V6zM9 12l2 2 4-4'/>";
    "mail": "<path d='M3 6h18v12H3zM3 7l9 7 9-7'/>";
    "theme": "<circle cx='12' cy='12' r='8.500'/><path d='M12 3.500a8.500 8.500 0 010 17z' fill='currentcolor'/>";
    "exit": "<path d='M10 4H5v16h5M14 8l4 4-4 4M18 12H9'/>";
    "list": "<path d='M8 6h12M8 12h12M8 18h12M4 6h.01M4 12h.01M4 18h.01'/>";
    "link": "<path d='M10 14a4 4 0 005.700 0l3-3a4 4 0 00-5.700-5.700l-1 1M14 10a4 4 0 00-5.700 0l-3 3a4 4 0 005.700 5.700l1-1'/>";
    "eye": "<path d='M2.500 12S6 5.500 12 5.500 21.500 12 21.500 12 18 18.500 12 18.500 2.500 12 2.500 12z'/><circle cx='12' cy='12' r='3'/>";
    "leak": "<path d='M12 3s6.500 6.800 6.500 11.300a6.500 6.500 0 01-13 0C5.500 9.800 12 3 12 3zM9 14.500a3 3 0 003 3'/>";
    "webhook": "<circle cx='6' cy='12' r='3'/><circle cx='18' cy='6' r='3'/><circle cx='18' cy='18' r='3'/><path d='M8.700 10.700l6.600-3.400M8.700 13.300l6.600 3.400'/>";
    "provider": "<path d='M6 19a4 4 0 01-.5-8A6.500 6.500 0 0118 9.500a4.800 4.800 0 01-.500 9.500z'/>";
    "model": "<path d='M7 7h10v10H7zM10 7V4M14 7V4M10 20v-3M14 20v-3M7 10H4M7 14H4M20 10h-3M20 14h-3'/>";
    "money": "<circle cx='12' cy='12' r='9'/><path d='M15 8.500c-.800-.900-1.800-1.300-3-1.300-1.800 0-3 .900-3 2.300 0 3.200 6 1.700 6 4.900 0 1.500-1.300 2.400-3 2.400-1.300 0-2.400-.5-3.200-1.500M12 5.500v1.700M12 16.800v1.700'/>";
    "chart": "<path d='M4 20V4M4 20h16M8 16v-4M12 16V8M16 16v-6'/>";
}

impl Display for Icon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<svg class=\"icon\" viewBox=\"0 0 24 24\" aria-hidden=\"true\">{}</svg>", self.0)
    }
}

/// A value, or a reference to one of any depth: templates pass what they name by reference.
pub(super) trait Shown<T> {
    fn shown(&self) -> T;
}

macro_rules! shown {
    ($($value:ty),+) => {
        $(
            impl Shown<$value> for $value {
                fn shown(&self) -> $value {
                    *self
                }
            }
            impl<R: Shown<$value>> Shown<$value> for &R {
                fn shown(&self) -> $value {
                    (**self).shown()
                }
            }
        )+
    };
}

shown!(Timestamp, Environment, TrustLevel, LeakState, Role, JobState, DeliveryState, ImportOutcome);
shown!(NanoUsd, PicoUsd, u64);

/// The form of a moment that is told to the second.
const SECOND: &str = "second";

/// A moment. Scripts tell it in the viewer's zone, with UTC on hover; without them it is told in UTC.
#[derive(Clone, Copy)]
pub(super) struct Moment(Timestamp, &'static str);

/// When, with the time of day.
pub(super) fn time(at: impl Shown<Timestamp>) -> Moment {
    Moment(at.shown(), "full")
}

/// How long ago, or how long until then.
pub(super) fn ago(at: impl Shown<Timestamp>) -> Moment {
    Moment(at.shown(), "relative")
}

/// When, to the second.
pub(super) fn second(at: impl Shown<Timestamp>) -> Moment {
    Moment(at.shown(), SECOND)
}

/// Which day.
pub(super) fn day(at: impl Shown<Timestamp>) -> Moment {
    Moment(at.shown(), "day")
}

impl Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        let (date, time) = text.split_once('T').unwrap_or((&text, ""));
        let length = if self.1 == SECOND { 8 } else { 5 };
        let shown = time.get(..length).unwrap_or_default();
        write!(f, "<time datetime=\"{text}\" data-time=\"{}\">{date} {shown} UTC</time>", self.1)
    }
}

/// A word on a coloured ground.
pub(super) struct Badge {
    pub(super) tone: &'static str,
    pub(super) word: &'static str,
}

impl Display for Badge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<span class=\"badge {}\">{}</span>", self.tone, self.word)
    }
}

/// Whether a key can be used.
pub(super) fn status(key: &ApiKey, now: impl Shown<Timestamp>) -> Badge {
    let status = key.status(now.shown());
    let tone = match status {
        KeyStatus::Active if key.blocked.is_some() => return Badge { tone: "dot bad", word: "Blocked" },
        KeyStatus::Active => "dot good",
        KeyStatus::Inactive => "dot",
        KeyStatus::Revoked => "dot bad",
        KeyStatus::Expired => "dot warn",
    };
    Badge { tone, word: words::status(status) }
}

/// Where a key works.
pub(super) fn environment(environment: impl Shown<Environment>) -> Badge {
    let environment = environment.shown();
    let tone = match environment {
        Environment::Production => "accent",
        Environment::Staging => "info",
        Environment::Development => "",
    };
    Badge { tone, word: words::environment(environment).name }
}

/// How a source is treated.
pub(super) fn trust(level: impl Shown<TrustLevel>) -> Badge {
    let level = level.shown();
    let tone = match level {
        TrustLevel::External => "",
        TrustLevel::Internal => "info",
        TrustLevel::Trusted => "good",
    };
    Badge { tone, word: words::trust(level).name }
}

/// What a secret that leaked opens.
pub(super) fn leak_state(state: impl Shown<LeakState>) -> Badge {
    let state = state.shown();
    let tone = match state {
        LeakState::Live => "dot bad",
        LeakState::Blocked | LeakState::Disabled | LeakState::Expired => "dot warn",
        LeakState::Revoked | LeakState::Replaced => "dot good",
        LeakState::Unknown => "dot",
    };
    Badge { tone, word: words::leak_state(state).name }
}

/// What a member may do.
pub(super) fn role(role: impl Shown<Role>) -> Badge {
    let role = role.shown();
    let tone = match role {
        Role::Owner => "accent",
        Role::Admin => "info",
        Role::Developer => "good",
        Role::Viewer => "",
    };
    Badge { tone, word: words::role(role).name }
}

/// A series as small bars, for the eye only: its sum stands beside it.
pub(super) struct Spark(Vec<u64>);

/// The bars of a series. Whatever is more than nothing can be seen.
pub(super) fn spark(counts: &[u64]) -> Spark {
    Spark(counts.to_vec())
}

impl Display for Spark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (width, most) = (4 * self.0.len(), self.0.iter().copied().max().unwrap_or(0).max(1));
        write!(f, "<svg class=\"spark\" viewBox=\"0 0 {width} 20\" aria-hidden=\"true\"><path d=\"")?;
        for (place, count) in self.0.iter().enumerate().filter(|(_, count)| **count > 0) {
            let height = 1 + u128::from(*count) * 19 / u128::from(most);
            write!(f, "M{} 20v-{height}h3v{height}z", 4 * place)?;
        }
        f.write_str("\"/></svg>")
    }
}

/// How much of a budget is spent, and how much is held, for the eye only: both stand beside it in words.
pub(super) struct Bar {
    /// Of a thousand parts.
    spent: u128,
    held: u128,
}

/// The bar of a budget. Whatever is more than nothing can be seen.
pub(super) fn bar(spent: NanoUsd, held: NanoUsd, most: NanoUsd) -> Bar {
    let all = u128::try_from(most.as_nanos()).unwrap_or(0).max(1);
    let share = |part: NanoUsd| (u128::try_from(part.as_nanos()).unwrap_or(0) * 1_000).div_ceil(all);
    let spent = share(spent).min(1_000);
    Bar { spent, held: share(held).min(1_000 - spent) }
}

impl Display for Bar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { spent, held } = self;
        let full = if *spent + *held >= 1_000 { " full" } else { "" };
        write!(
            f,
            "<svg class=\"budget-bar{full}\" viewBox=\"0 0 1000 8\" preserveAspectRatio=\"none\" aria-hidden=\"true\">\
            <rect class=\"spent\" width=\"{spent}\" height=\"8\"/><rect class=\"held\" x=\"{spent}\" width=\"{held}\" height=\"8\"/></svg>"
        )
    }
}

/// Where a background job stands.
pub(super) fn job_state(state: impl Shown<JobState>) -> Badge {
    let state = state.shown();
    let tone = match state {
        JobState::Waiting => "dot",
        JobState::Running => "dot info",
        JobState::Cancelling | JobState::Cancelled => "dot warn",
        JobState::Done => "dot good",
        JobState::Failed => "dot bad",
    };
    Badge { tone, word: words::job_state(state) }
}

/// Whether a webhook is sent to.
pub(super) fn webhook(webhook: &Webhook) -> Badge {
    match (webhook.disabled, webhook.unreachable_since) {
        (Some((_, why)), _) => Badge { tone: "dot", word: words::why_disabled(why).name },
        (None, Some(_)) => Badge { tone: "dot warn", word: "No answer" },
        (None, None) => Badge { tone: "dot good", word: "On" },
    }
}

/// What became of a message to a webhook.
pub(super) fn delivery(state: impl Shown<DeliveryState>) -> Badge {
    let state = state.shown();
    let tone = match state {
        DeliveryState::Pending => "dot warn",
        DeliveryState::Delivered => "dot good",
        DeliveryState::Failed => "dot bad",
    };
    Badge { tone, word: words::delivery_state(state) }
}

/// Whether anything is sent to a provider of models.
pub(super) const fn provider(provider: &Provider) -> Badge {
    on_or_off(provider.enabled)
}

/// Whether a model is offered.
pub(super) const fn model(model: &Model) -> Badge {
    on_or_off(model.enabled)
}

const fn on_or_off(enabled: bool) -> Badge {
    if enabled { Badge { tone: "dot good", word: "On" } } else { Badge { tone: "dot", word: "Off" } }
}

/// What becomes of a model of a table that is taken over.
pub(super) fn import_outcome(outcome: impl Shown<ImportOutcome>) -> Badge {
    let outcome = outcome.shown();
    let tone = match outcome {
        ImportOutcome::Made => "good",
        ImportOutcome::Changed => "info",
        ImportOutcome::Unchanged => "",
        ImportOutcome::Kept => "warn",
    };
    Badge { tone, word: words::import_outcome(outcome).name }
}

/// What is written here is ours: no text of anybody else's goes into it.
macro_rules! safe {
    ($($part:ty),+) => {
        $(
            impl FastWritable for $part {
                fn write_into(&self, dest: &mut dyn fmt::Write, _: &dyn askama::Values) -> askama::Result<()> {
                    Ok(write!(dest, "{self}")?)
                }
            }
            impl HtmlSafe for $part {}
        )+
    };
}

safe!(Icon, Moment, Badge, Spark, Bar);

/// A number as people read it: `1,234,567`.
pub(super) fn number(count: impl Shown<u64>) -> String {
    let digits = count.shown().to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// The length of a window as people say it: `1 min`, `24 h`, `90 s`.
pub(super) fn window(seconds: u64) -> String {
    let units = [(86_400, "d"), (3_600, "h"), (60, "min")];
    let whole = units.into_iter().find(|(length, _)| seconds >= *length && seconds.is_multiple_of(*length));
    let (length, unit) = whole.unwrap_or((1, "s"));
    format!("{} {unit}", seconds / length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_told_in_their_largest_whole_unit() {
        let told: Vec<_> = [1, 90, 60, 3_600, 5_400, 86_400, 604_800].into_iter().map(window).collect();
        assert_eq!(told, ["1 s", "90 s", "1 min", "1 h", "90 min", "1 d", "7 d"]);
    }

    #[test]
    fn a_spark_has_a_bar_for_each_count_that_is_not_nothing() {
        let shown = spark(&[0, 1, 1_000_000]).to_string();
        assert!(shown.contains("viewBox=\"0 0 12 20\""), "{shown}");
        assert!(shown.contains("d=\"M4 20v-1h3v1zM8 20v-20h3v20z\""), "{shown}");
        assert!(spark(&[0; 24]).to_string().contains("d=\"\""));
    }

    #[test]
    fn a_bar_shows_what_is_spent_and_held_and_no_more_than_all() {
        let parts = |spent, held, most| {
            let amount = NanoUsd::from_nanos;
            let Bar { spent, held } = bar(amount(spent), amount(held), amount(most));
            (spent, held)
        };
        assert_eq!(parts(250, 100, 1_000), (250, 100));
        assert_eq!(parts(1, 0, 1_000_000_000), (1, 0), "a little is seen");
        assert_eq!(parts(900, 300, 1_000), (900, 100));
        assert_eq!((parts(2_000, 5, 1_000), parts(-5, 0, 0)), ((1_000, 0), (0, 0)));
        assert!(bar(NanoUsd::ZERO, NanoUsd::ZERO, NanoUsd::ZERO).to_string().contains("width=\"0\""));
    }

    #[test]
    fn numbers_are_grouped_by_thousands() {
        let told: Vec<_> = [0u64, 999, 1_000, 12_345, 1_234_567].into_iter().map(number).collect();
        assert_eq!(told, ["0", "999", "1,000", "12,345", "1,234,567"]);
    }

    /// A template that asks for an icon that is not there would show an empty picture.
    #[test]
    fn every_icon_that_a_template_names_is_there() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/templates");
        let mut named = 0;
        for file in std::fs::read_dir(folder).unwrap().flat_map(|entry| files(&entry.unwrap().path())) {
            let text = std::fs::read_to_string(&file).unwrap();
            for (_, rest) in text.match_indices("icon(\"").map(|(at, found)| (at, &text[at + found.len()..]))
            {
                let name = rest.split('"').next().unwrap();
                assert!(ICONS.contains(&name), "{name} in {}", file.display());
                named += 1;
            }
        }
        assert!(named > 10, "{named}");
    }

    fn files(path: &std::path::Path) -> Vec<std::path::PathBuf> {
        if path.is_file() {
            return vec![path.to_owned()];
        }
        std::fs::read_dir(path).unwrap().flat_map(|entry| files(&entry.unwrap().path())).collect()
    }

    #[test]
    fn a_moment_is_told_in_utc_where_no_script_runs() {
        let shown = time(Timestamp::from_millis(1_790_000_000_000)).to_string();
        assert_eq!(
            shown,
            "<time datetime=\"2026-09-21T14:13:20.000Z\" data-time=\"full\">2026-09-21 14:13 UTC</time>"
        );
        let exact = second(Timestamp::from_millis(1_790_000_000_000)).to_string();
        assert!(exact.contains("data-time=\"second\">2026-09-21 14:13:20 UTC<"), "{exact}");
    }
}
