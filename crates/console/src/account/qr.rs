//! QR codes, drawn here: an authenticator's secret must not be sent anywhere to be drawn.

use std::fmt::{self, Display, Write as _};

use askama::FastWritable;
use askama::filters::HtmlSafe;
use qrcodegen::{QrCode, QrCodeEcc};
use zeroize::Zeroizing;

/// Light modules around the code (ISO/IEC 18004, section 5.3.8).
const QUIET: i32 = 4;

/// A picture of a text, dark on light whatever the theme: many readers want it so.
pub(super) struct Qr(Zeroizing<String>);

impl Qr {
    /// None for a text that is too long for one.
    pub(super) fn of(text: &str) -> Option<Self> {
        let code = QrCode::encode_text(text, QrCodeEcc::Medium).ok()?;
        let mut lines = Zeroizing::new(String::new());
        for y in 0..code.size() {
            draw_line(&code, y, &mut lines).ok()?;
        }
        let side = code.size() + 2 * QUIET;
        Some(Self(Zeroizing::new(format!(
            "<svg class=\"qr\" viewBox=\"0 0 {side} {side}\" width=\"208\" height=\"208\" role=\"img\" \
             aria-label=\"QR code of the secret\" shape-rendering=\"crispEdges\"><rect width=\"{side}\" \
             height=\"{side}\" fill=\"#fff\"/><path fill=\"#000\" d=\"{}\"/></svg>",
            *lines
        ))))
    }
}

/// The dark modules of a line, neighbours together.
fn draw_line(code: &QrCode, y: i32, lines: &mut String) -> fmt::Result {
    let mut x = 0;
    while x < code.size() {
        let length = (x..code.size()).take_while(|x| code.get_module(*x, y)).count();
        let length = i32::try_from(length).map_err(|_| fmt::Error)?;
        if length > 0 {
            write!(lines, "M{} {}h{length}v1h-{length}z", x + QUIET, y + QUIET)?;
        }
        x += length.max(1);
    }
    Ok(())
}

impl Display for Qr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FastWritable for Qr {
    fn write_into(&self, dest: &mut dyn fmt::Write, _: &dyn askama::Values) -> askama::Result<()> {
        Ok(dest.write_str(&self.0)?)
    }
}

/// Numbers only: nothing of the text stands in it.
impl HtmlSafe for Qr {}

#[cfg(test)]
mod tests {
    use super::*;

    /// The modules that a picture shows dark, read back from its path.
    fn dark(picture: &str) -> Vec<(i32, i32)> {
        let path = picture.split(" d=\"").nth(1).unwrap().split('"').next().unwrap();
        let runs = path.split('M').skip(1).map(|run| {
            let (x, rest) = run.split_once(' ').unwrap();
            let (y, rest) = rest.split_once('h').unwrap();
            let length = rest.split('v').next().unwrap();
            (x.parse::<i32>().unwrap(), y.parse::<i32>().unwrap(), length.parse::<i32>().unwrap())
        });
        runs.flat_map(|(x, y, length)| (x..x + length).map(move |x| (x - QUIET, y - QUIET))).collect()
    }

    #[test]
    fn the_picture_shows_every_module_of_the_code() {
        let text = "otpauth://totp/Keystile:ada%40example.com?secret=JBSWY3DPEHPK3PXP&issuer=Keystile";
        let code = QrCode::encode_text(text, QrCodeEcc::Medium).unwrap();
        let all = (0..code.size()).flat_map(|y| (0..code.size()).map(move |x| (x, y)));
        let expected: Vec<_> = all.filter(|(x, y)| code.get_module(*x, *y)).collect();
        assert!(expected.len() > 400, "{}", expected.len());
        assert_eq!(dark(&Qr::of(text).unwrap().0), expected);
    }

    #[test]
    fn a_text_that_is_too_long_has_none() {
        assert!(Qr::of(&"x".repeat(3_000)).is_none());
    }
}
