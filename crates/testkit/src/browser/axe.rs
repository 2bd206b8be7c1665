//! axe-core, which finds what keeps people from using a page.
//!
//! `vendor/axe-core` is the released file of axe-core 4.14.1 (MPL-2.0, from the package `axe-core` of npm), unchanged. It
//! is for tests alone, and reaches the page through WebDriver, which the policy of contents does not bind.

use std::fmt;

use serde::Deserialize;

use super::Browser;

const AXE: &str = include_str!("../../vendor/axe-core/axe.min.js");
/// What WCAG 2.2 asks for on levels A and AA, and what axe-core calls good practice.
const RUN: &str = r"
return axe.run(document, {
    resultTypes: ['violations'],
    runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
}).then(result => result.violations.map(violation => ({
    rule: violation.id,
    impact: violation.impact ?? 'minor',
    help: violation.help,
    places: violation.nodes.map(node =>
        node.target.flat().join(' ') + '  ' + node.html.slice(0, 160).replace(/\s+/g, ' ') + '\n      '
        + [...node.any, ...node.all, ...node.none].map(check => check.message).join('; ')),
})));
";

/// How much a violation hinders, by axe-core's judgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Impact {
    /// Hardly.
    Minor,
    /// Somewhat.
    Moderate,
    /// Much: some cannot use that part.
    Serious,
    /// Some cannot use the page.
    Critical,
}

/// A rule that the page breaks.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Violation {
    /// Its name, such as `color-contrast`.
    pub rule: String,
    /// How much that hinders.
    pub impact: Impact,
    /// What the rule asks for.
    pub help: String,
    /// Where: each a selector, the element, and what is wrong with it.
    pub places: Vec<String>,
}

/// All rules that the page breaks.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Violations(pub Vec<Violation>);

impl Browser {
    /// What axe-core finds on the page as it is now.
    ///
    /// # Panics
    /// When it does not run.
    pub fn axe(&self) -> Violations {
        if self.script("return typeof axe === 'undefined'", &[]) == true {
            self.script(AXE, &[]);
        }
        serde_json::from_value(self.script(RUN, &[])).unwrap()
    }

    /// Goes on when nothing on the page hinders people much.
    ///
    /// # Panics
    /// When something does, saying what and where.
    #[track_caller]
    pub fn expect_accessible(&self) {
        let serious = self.axe().from(Impact::Serious);
        assert!(serious.0.is_empty(), "{} hinders people:\n{serious}", self.path());
    }
}

impl Violations {
    /// Those that hinder as much as this or more.
    #[must_use]
    pub fn from(self, impact: Impact) -> Self {
        Self(self.0.into_iter().filter(|violation| violation.impact >= impact).collect())
    }
}

impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Violation { rule, impact, help, places } in &self.0 {
            writeln!(f, "  {rule} ({impact:?}): {help}")?;
            places.iter().try_for_each(|place| writeln!(f, "    {place}"))?;
        }
        Ok(())
    }
}
