//! A body of `multipart/form-data` (RFC 7578), read as a whole and written anew.
//!
//! The body is in memory already, within the bound that the gateway sets, so nothing here waits. What is written has another
//! boundary and none but the fields of a part that are understood.

use bytes::Bytes;
use http::HeaderValue;
use memchr::memmem;
use percent_encoding::percent_decode_str;

use crate::fault::Fault;

/// Most parts of a form: sixteen images and a mask, and every field there is, several times over.
const MOST_PARTS: usize = 128;
/// Longest header of a part, in bytes.
const LONGEST_HEADER: usize = 4_096;
/// Longest text that is a field of its own, in bytes: four times the longest prompt that is taken for an image.
const LONGEST_TEXT: usize = 128 * 1024;
/// Boundaries that are tried for what is written. Nobody's parts have even one by chance, and each try reads all of the body: whoever
/// writes many into a body would have it read again and again.
const MOST_BOUNDARIES: u64 = 16;
/// Fields that decide what a request costs or where it leads, and are texts. One that came as a file would be read by some and not by
/// others.
const TEXTS: [&str; 8] =
    ["model", "n", "partial_images", "prompt", "quality", "response_format", "size", "stream"];
/// Longest boundary (RFC 2046, section 5.1.1).
const LONGEST_BOUNDARY: usize = 70;

/// The parts of a form, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Form(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Part {
    name: String,
    content: Content,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Content {
    Text(String),
    File { name: String, kind: Option<String>, bytes: Bytes },
}

impl Form {
    /// Reads a body. A name may stand twice only if it ends in `[]`, which marks a list, so that no two readers take another one.
    pub(crate) fn read(content_type: &str, body: &Bytes) -> Result<Self, Fault> {
        let boundary =
            boundary(content_type).ok_or_else(|| broken("its content type has no good `boundary`"))?;
        let mut parts: Vec<Part> = Vec::new();
        for range in sections(body, boundary)? {
            let part = Part::read(&body.slice(range))?;
            if !part.name.ends_with("[]") && parts.iter().any(|earlier| earlier.name == part.name) {
                return Err(Fault::field(&part.name, "stands twice in the form"));
            }
            if matches!(part.content, Content::File { .. }) && TEXTS.contains(&part.name.as_str()) {
                return Err(Fault::field(&part.name, "must be a text, and came as a file"));
            }
            if parts.len() == MOST_PARTS {
                return Err(broken("it has too many parts"));
            }
            parts.push(part);
        }
        Ok(Self(parts))
    }

    /// The text of the field of this name.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.texts().find_map(|(own, text)| (own == name).then_some(text))
    }

    /// Every field that is a text.
    pub(crate) fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        let Self(parts) = self;
        parts.iter().filter_map(|part| match &part.content {
            Content::Text(text) => Some((part.name.as_str(), text.as_str())),
            Content::File { .. } => None,
        })
    }

    /// The name of every part, be it a text or a file.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        let Self(parts) = self;
        parts.iter().map(|part| part.name.as_str())
    }

    /// How many bytes each file has.
    pub(crate) fn file_sizes(&self) -> impl Iterator<Item = u64> {
        let Self(parts) = self;
        parts.iter().filter_map(|part| match &part.content {
            Content::Text(_) => None,
            Content::File { bytes, .. } => Some(u64::try_from(bytes.len()).unwrap_or(u64::MAX)),
        })
    }

    /// The form with another `model`: its content type and its body.
    pub(crate) fn write(&self, model: &str) -> Result<(HeaderValue, Bytes), Fault> {
        let Self(parts) = self;
        let boundary = self.free_boundary()?;
        let mut body = Vec::with_capacity(self.length());
        for part in parts.iter().filter(|part| part.name != "model") {
            part.write(&boundary, &mut body);
        }
        let model = Part { name: "model".to_owned(), content: Content::Text(model.to_owned()) };
        model.write(&boundary, &mut body);
        body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
        let content_type = format!("multipart/form-data; boundary={boundary}");
        let content_type = HeaderValue::try_from(content_type).map_err(|_| Fault::internal())?;
        Ok((content_type, body.into()))
    }

    /// A boundary that stands in no part.
    fn free_boundary(&self) -> Result<String, Fault> {
        let Self(parts) = self;
        let mut boundaries = (0..MOST_BOUNDARIES).map(|number| format!("keystile-part-{number:016x}"));
        let free = boundaries.find(|boundary| !parts.iter().any(|part| part.contains(boundary)));
        free.ok_or_else(|| broken("it is full of boundaries"))
    }

    /// About how long it is when it is written.
    fn length(&self) -> usize {
        let Self(parts) = self;
        parts.iter().map(|part| part.content.as_bytes().len() + 256).sum()
    }
}

impl Part {
    /// Reads what stands between two boundaries: header, an empty line, content.
    fn read(section: &Bytes) -> Result<Self, Fault> {
        let end =
            memmem::find(section.get(..LONGEST_HEADER.min(section.len())).unwrap_or_default(), b"\r\n\r\n");
        let end = end.ok_or_else(|| broken("a part has no header, or too long a one"))?;
        let header = std::str::from_utf8(&section[..end]).map_err(|_| broken("a header is not UTF-8"))?;
        let content = section.slice(end + 4..);
        let field = |name: &str| {
            header.split("\r\n").find_map(|line| {
                let (own, value) = line.split_once(':')?;
                own.trim().eq_ignore_ascii_case(name).then(|| value.trim())
            })
        };
        let disposition =
            field("content-disposition").ok_or_else(|| broken("a part has no `Content-Disposition`"))?;
        let (kind, parameters) = disposition.split_once(';').unwrap_or_default();
        let name = parameter(parameters, "name").filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| broken("a part has no name"))?;
        if name.chars().any(char::is_control) {
            return Err(broken("a name has control characters"));
        }
        if !kind.trim().eq_ignore_ascii_case("form-data") {
            return Err(broken("a part is no `form-data`"));
        }
        let kind = field("content-type").map(str::to_owned);
        let content = match file_name(parameters) {
            Some(name) => Content::File { name, kind, bytes: content },
            None => Content::Text(text(&name, &content)?),
        };
        Ok(Self { name, content })
    }

    fn write(&self, boundary: &str, body: &mut Vec<u8>) {
        let mut header =
            format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{}\"", quoted(&self.name));
        if let Content::File { name, kind, .. } = &self.content {
            header.push_str(&format!("; filename=\"{}\"", quoted(name)));
            let kind = kind.as_deref().filter(|kind| is_media_type(kind));
            header.push_str(&format!("\r\nContent-Type: {}", kind.unwrap_or("application/octet-stream")));
        }
        header.push_str("\r\n\r\n");
        body.extend_from_slice(header.as_bytes());
        body.extend_from_slice(self.content.as_bytes());
        body.extend_from_slice(b"\r\n");
    }

    fn contains(&self, boundary: &str) -> bool {
        self.name.contains(boundary) || memmem::find(self.content.as_bytes(), boundary.as_bytes()).is_some()
    }
}

impl Content {
    fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::File { bytes, .. } => bytes,
        }
    }
}

fn broken(what: &str) -> Fault {
    Fault::invalid(format!("the body is not a good form: {what}"))
}

fn text(name: &str, content: &[u8]) -> Result<String, Fault> {
    if content.len() > LONGEST_TEXT {
        return Err(Fault::field(name, &format!("must be of at most {LONGEST_TEXT} bytes")));
    }
    String::from_utf8(content.to_vec()).map_err(|_| Fault::field(name, "must be UTF-8"))
}

/// The boundary that a content type names: 1–70 characters that need no quoting in a header.
fn boundary(content_type: &str) -> Option<&str> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let values = parameters.split(';').filter_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim())
    });
    let mut values = values
        .map(|value| value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value));
    let boundary = values.next().filter(|_| values.next().is_none())?;
    let is_good = |b: u8| b.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&b);
    let fits = (1..=LONGEST_BOUNDARY).contains(&boundary.len()) && !boundary.ends_with(' ');
    (fits && boundary.bytes().all(is_good)).then_some(boundary)
}

/// Where the parts are: between `--boundary` lines, the last of which ends in `--`. What stands before the first and behind the last is
/// passed over.
fn sections(body: &[u8], boundary: &str) -> Result<Vec<std::ops::Range<usize>>, Fault> {
    let delimiter = format!("\r\n--{boundary}");
    let finder = memmem::Finder::new(delimiter.as_bytes());
    let unfinished = || broken("it does not end with its boundary");
    let mut at = if body.starts_with(&delimiter.as_bytes()[2..]) {
        delimiter.len() - 2
    } else {
        finder.find(body).ok_or_else(unfinished)? + delimiter.len()
    };
    let mut sections = Vec::new();
    loop {
        let rest = body.get(at..).unwrap_or_default();
        if rest.starts_with(b"--") {
            return Ok(sections);
        }
        let padding = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        if !rest.get(padding..).unwrap_or_default().starts_with(b"\r\n") {
            return Err(broken("a boundary does not end its line"));
        }
        if sections.len() > MOST_PARTS {
            return Err(broken("it has too many parts"));
        }
        let start = at + padding + 2;
        // The empty line of a part without a header may be the one that the next boundary begins with.
        let end = start + finder.find(body.get(start..).unwrap_or_default()).ok_or_else(unfinished)?;
        sections.push(start..end);
        at = end + delimiter.len();
    }
}

/// A parameter of a header field, quoted or not. Browsers write `"` in a name as `%22` and no other character so, therefore nothing else is
/// decoded.
fn parameter(parameters: &str, wanted: &str) -> Option<String> {
    let mut rest = parameters;
    while let Some((name, behind)) = rest.split_once('=') {
        let name = name.trim_matches([';', ' ', '\t']);
        let (value, behind) = value(behind)?;
        if name.eq_ignore_ascii_case(wanted) {
            return Some(value);
        }
        rest = behind;
    }
    None
}

/// The value at the beginning of a text, and what is behind it.
fn value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let (value, rest) = text.split_once(';').unwrap_or((text, ""));
        return Some((value.trim().to_owned(), rest));
    };
    let mut value = String::new();
    let mut letters = quoted.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((value.replace("%22", "\""), &quoted[at + 1..])),
            // Only these two are escaped by anybody; a path of Windows keeps its backslashes.
            '\\' if quoted[at + 1..].starts_with(['"', '\\']) => {
                value.extend(letters.next().map(|(_, next)| next));
            }
            _ => value.push(letter),
        }
    }
    None
}

/// What a file is called; `None` of a part that is no file.
fn file_name(parameters: &str) -> Option<String> {
    let extended = parameter(parameters, "filename*").and_then(|value| {
        let (charset, rest) = value.split_once('\'')?;
        let (_, encoded) = rest.split_once('\'')?;
        let is_utf8 = charset.eq_ignore_ascii_case("utf-8");
        is_utf8.then(|| percent_decode_str(encoded).decode_utf8_lossy().into_owned())
    });
    extended.or_else(|| parameter(parameters, "filename"))
}

/// A name as it may stand between quotation marks: as browsers write it.
fn quoted(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for letter in name.chars() {
        match letter {
            '"' => text.push_str("%22"),
            '\\' => text.push_str("\\\\"),
            letter if letter.is_control() => text.push('_'),
            letter => text.push(letter),
        }
    }
    text
}

fn is_media_type(text: &str) -> bool {
    let is_good = |b: u8| b.is_ascii_graphic() || b == b' ';
    text.len() <= 200 && text.contains('/') && text.bytes().all(is_good)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = "preamble\r\n--XX\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n--XX \r\n\
        content-disposition: form-data; name=\"file\"; filename=\"a \\\"b%22.mp3\"\r\nContent-Type: audio/mpeg\r\n\r\n\
        \r\n--X\r\n\r\n--XX\r\nContent-Disposition: form-data; name=\"timestamp_granularities[]\"\r\n\r\nword\r\n--XX\r\n\
        Content-Disposition: form-data; name=\"timestamp_granularities[]\"\r\n\r\nsegment\r\n--XX--\r\nepilogue";

    fn read(body: &str) -> Result<Form, Fault> {
        Form::read("multipart/form-data; boundary=XX", &Bytes::copy_from_slice(body.as_bytes()))
    }

    #[test]
    fn parts_are_read_as_they_are_meant() {
        let form = read(BODY).unwrap();
        assert_eq!(form.text("model"), Some("whisper-1"));
        assert_eq!(form.file_sizes().collect::<Vec<_>>(), [7]);
        assert_eq!(form.texts().count(), 3);
        let Form(parts) = &form;
        let file = Content::File {
            name: "a \"b\".mp3".to_owned(),
            kind: Some("audio/mpeg".to_owned()),
            bytes: Bytes::from_static(b"\r\n--X\r\n"),
        };
        assert_eq!(parts[1].content, file);
    }

    #[test]
    fn what_is_written_reads_the_same_with_another_model() {
        let form = read(BODY).unwrap();
        let (content_type, body) = form.write("real").unwrap();
        let again = Form::read(content_type.to_str().unwrap(), &body).unwrap();
        assert_eq!(again.text("model"), Some("real"));
        let others =
            |form: &Form| form.0.iter().filter(|part| part.name != "model").cloned().collect::<Vec<_>>();
        assert_eq!(others(&again), others(&form));
    }

    #[test]
    fn a_boundary_is_chosen_that_stands_in_no_part() {
        let text = "--keystile-part-0000000000000000\r\n--keystile-part-0000000000000001--";
        let form =
            read(&format!("--XX\r\nContent-Disposition: form-data; name=\"prompt\"\r\n\r\n{text}\r\n--XX--"));
        let (content_type, body) = form.unwrap().write("m").unwrap();
        assert!(content_type.to_str().unwrap().ends_with("0000000000000002"));
        let again = Form::read(content_type.to_str().unwrap(), &body).unwrap();
        assert_eq!(again.text("prompt"), Some(text));
    }

    #[test]
    fn a_form_full_of_boundaries_is_refused_and_not_searched_again_and_again() {
        let of = |count: u64| {
            let taken: Vec<_> = (0..count).map(|number| format!("keystile-part-{number:016x}")).collect();
            let text = taken.concat();
            let part = "--XX\r\nContent-Disposition: form-data; name=\"prompt\"\r\n\r\n";
            read(&format!("{part}{text}\r\n--XX--")).unwrap().write("m")
        };
        assert!(of(MOST_BOUNDARIES - 1).is_ok());
        assert_eq!(of(MOST_BOUNDARIES).unwrap_err().status(), 400);
    }

    #[test]
    fn what_decides_the_cost_is_no_file() {
        let of = |name: &str| {
            read(&format!(
                "--XX\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"a\"\r\n\r\n9\r\n--XX--"
            ))
        };
        assert_eq!(of("n").unwrap_err().message(), "`n` must be a text, and came as a file");
        assert_eq!(of("image[]").unwrap().names().collect::<Vec<_>>(), ["image[]"]);
    }

    #[test]
    fn a_file_keeps_its_name_in_any_script() {
        let of = |parameters: &str| file_name(parameters);
        assert_eq!(of(" name=f; filename*=UTF-8''%c3%a4.wav").as_deref(), Some("ä.wav"));
        assert_eq!(of(" name=\"f;filename=x\"; filename=\"C:\\a.wav\"").as_deref(), Some("C:\\a.wav"));
        assert_eq!(of(" name=\"a\""), None);
        assert_eq!(quoted("a\"b\\c\r\nX: y"), "a%22b\\\\c__X: y");
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        let part =
            |name: &str| format!("--XX\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\na\r\n");
        let twice = format!("{}{}--XX--", part("model"), part("model"));
        for body in [
            twice.as_str(),
            "",
            "--XX",
            "--XX--x",
            "--XX\r\n\r\n--XX--",
            "--XXX\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\na\r\n--XXX--",
            "--XX\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\na\r\n",
            "--XX\r\nContent-Disposition: form-data\r\n\r\na\r\n--XX--",
            "--XX\r\nContent-Disposition: attachment; name=\"a\"\r\n\r\na\r\n--XX--",
            "--XX\r\nContent-Type: text/plain\r\n\r\na\r\n--XX--",
            "--XX\r\nContent-Disposition: form-data; name=\"mod\tel\"\r\n\r\na\r\n--XX--",
        ] {
            let outcome = read(body);
            assert!(outcome.is_err() || outcome.is_ok_and(|Form(parts)| parts.is_empty()), "{body:?}");
        }
        assert!(read(&twice).is_err());
        assert!(read(&format!("{}--XX--", part("a[]").repeat(MOST_PARTS + 1))).is_err());
        assert!(read(&format!("{}--XX--", part("a[]").repeat(MOST_PARTS))).is_ok());
    }

    #[test]
    fn a_boundary_is_one_good_word() {
        assert_eq!(boundary("Multipart/Form-Data; charset=utf-8; Boundary=\"a b\""), Some("a b"));
        for bad in [
            "multipart/form-data",
            "multipart/form-data; boundary=",
            "multipart/form-data; boundary=a; boundary=b",
            "multipart/form-data; boundary=\"a\u{e9}\"",
            "multipart/mixed; boundary=a",
            "application/json; boundary=a",
        ] {
            assert_eq!(boundary(bad), None, "{bad}");
        }
        assert_eq!(boundary(&format!("multipart/form-data; boundary={}", "a".repeat(71))), None);
    }
}
