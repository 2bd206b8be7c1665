//! What a program that signed in is, in words.

/// Browsers, by what only they write in their name; those that others pretend to be come last.
const PROGRAMS: &[(&str, &str)] = &[
    ("Edg/", "Edge"),
    ("EdgA/", "Edge"),
    ("EdgiOS/", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Vivaldi/", "Vivaldi"),
    ("FxiOS/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("keystile-client/", "Keystile command line"),
    ("curl/", "curl"),
];

const SYSTEMS: &[(&str, &str)] = &[
    ("Windows", "Windows"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
];

/// What calls itself so: `Firefox on Linux`. What is not known is told as it calls itself.
pub(super) fn device(user_agent: Option<&str>) -> String {
    let Some(name) = user_agent else { return "Unknown program".to_owned() };
    let find = |known: &[(&str, &'static str)]| {
        known.iter().find(|(mark, _)| name.contains(mark)).map(|(_, word)| *word)
    };
    match (find(PROGRAMS), find(SYSTEMS)) {
        (Some(program), Some(system)) => format!("{program} on {system}"),
        (Some(program), None) => program.to_owned(),
        (None, _) => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::device;

    #[test]
    fn browsers_are_told_by_their_own_name() {
        let told = |name: String| device(Some(&name));
        let on = |system: &str| {
            format!(
                "Mozilla/5.0 ({system}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Safari/537.36"
            )
        };
        let linux = on("X11; Linux x86_64");
        assert_eq!(told(linux.clone()), "Chrome on Linux");
        assert_eq!(told(on("Windows NT 10.0; Win64; x64")), "Chrome on Windows");
        assert_eq!(told(format!("{linux} Edg/150.0.0.0")), "Edge on Linux");
        let iphone = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1";
        assert_eq!(told(iphone.to_owned()), "Safari on iPhone");
        let mac = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:140.0) Gecko/20100101 Firefox/140.0";
        assert_eq!(told(mac.to_owned()), "Firefox on macOS");
        assert_eq!(told("keystile-client/0.1.0".to_owned()), "Keystile command line");
        assert_eq!(told("my-script/1".to_owned()), "my-script/1");
        assert_eq!(device(None), "Unknown program");
    }
}
