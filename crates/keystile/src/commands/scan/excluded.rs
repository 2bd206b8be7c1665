//! What a search leaves out because it was told to.

use std::convert::Infallible;
use std::str::FromStr;

/// A name or a path, in which `*` stands for any characters. One without `/` means every file or folder of that name; one
/// with `/` is a path from the folder that is searched. What is below a folder that is meant is left out, too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    text: String,
    is_path: bool,
}

impl FromStr for Pattern {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let is_path = text.trim_end_matches('/').contains('/');
        Ok(Self { text: text.trim_matches('/').to_owned(), is_path })
    }
}

impl Pattern {
    /// Whether the path, with `/` between its parts, is meant or below what is meant.
    pub(super) fn covers(&self, path: &str) -> bool {
        if self.is_path {
            let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
            ends.map(|end| &path[..end]).any(|above| self.fits(above))
        } else {
            path.split('/').any(|name| self.fits(name))
        }
    }

    /// Takes the first place for each part between stars, so the time is linear.
    fn fits(&self, text: &str) -> bool {
        let mut parts = self.text.split('*');
        let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else { return false };
        let Some(last) = parts.next_back() else { return rest.is_empty() };
        for part in parts {
            let Some((_, behind)) = rest.split_once(part) else { return false };
            rest = behind;
        }
        rest.ends_with(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(pattern: &str, path: &str) -> bool {
        let pattern: Pattern = pattern.parse().unwrap();
        pattern.covers(path)
    }

    #[test]
    fn a_name_is_meant_wherever_it_stands() {
        for path in ["target", "target/debug/a", "crates/a/target/b", "a/target"] {
            assert!(covers("target", path) && covers("target/", path), "{path}");
        }
        for path in ["targets", "a/my-target/b", "src/target.rs"] {
            assert!(!covers("target", path), "{path}");
        }
        assert!(covers("*.snap", "a/b.snap") && covers("*.snap", "a.snap/b") && !covers("*.snap", "a.snapx"));
        assert!(covers("a*b*c", "aXbXbYc") && covers("a*b*c", "abc") && !covers("a*b*c", "acb"));
        assert!(!covers("ab*ba", "aba"), "no character counts twice");
    }

    #[test]
    fn a_path_is_meant_from_the_top() {
        assert!(covers("docs/old", "docs/old/a") && covers("/target", "target/a"));
        assert!(!covers("docs/old", "a/docs/old") && !covers("/target", "a/target"));
        assert!(covers("a/*/c", "a/b/c/d") && !covers("a/*/c", "a/b/d"));
    }
}
