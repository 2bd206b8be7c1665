//! What Envoy asks, made into a question.

use std::borrow::Cow;
use std::collections::HashMap;
use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue};
use keystile_core::Invalid;

use super::messages::{AttributeContext, HttpRequest, Peer};
use crate::authz::place::Place;
use crate::problem::ApiProblem;
use crate::service::{MAX_LINES, is_head_too_long};

const APPLICATION_ID: &str = "application_id";

/// Where the settings of a check stand in Envoy's configuration.
pub(super) fn read_place(extensions: &HashMap<String, String>) -> Result<Place<'_>, ApiProblem> {
    let application_id = extensions.get(APPLICATION_ID).ok_or_else(|| {
        Invalid::new(APPLICATION_ID, "is required: name the application in Envoy's `context_extensions`")
    })?;
    let application_id = application_id.parse().map_err(|_| ApiProblem::not_found("application"))?;
    let mut place = Place::new(application_id);
    for (name, value) in extensions.iter().filter(|(name, _)| *name != APPLICATION_ID) {
        // A name stands there once, so several permissions stand in one value.
        let values =
            if name == "permission" { value.split_whitespace().collect() } else { vec![value.as_str()] };
        for value in values {
            place.set(name, Cow::Borrowed(value))?;
        }
    }
    Ok(place)
}

/// The headers of the request that is asked about, within the bounds that hold for every request.
pub(super) fn read_headers(request: &HttpRequest) -> Result<HeaderMap, ApiProblem> {
    let joined = request.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    let raw = request.header_map.iter().flat_map(|lines| &lines.headers).map(|line| {
        let value = if line.raw_value.is_empty() { line.value.as_bytes() } else { &line.raw_value };
        (line.key.as_str(), value)
    });
    // Method, path and host stand among them as well, behind a colon.
    let lines = joined.chain(raw).filter(|(name, _)| !name.starts_with(':'));
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        if headers.len() == MAX_LINES {
            return Err(ApiProblem::head_too_long());
        }
        let broken = || Invalid::new("headers", "must be header lines of HTTP");
        let name: HeaderName = name.parse().map_err(|_| broken())?;
        headers.append(name, HeaderValue::from_bytes(value).map_err(|_| broken())?);
    }
    if is_head_too_long(request.path.len(), &headers) {
        return Err(ApiProblem::head_too_long());
    }
    Ok(headers)
}

/// Who is at the other end of Envoy's connection; nothing where that is no network.
pub(super) fn source(attributes: &AttributeContext) -> Option<IpAddr> {
    let address = attributes.source.as_ref().and_then(|Peer { address }| address.as_ref());
    address?.socket_address.as_ref()?.address.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::super::messages::{Header, RawHeaders};
    use super::*;

    const APPLICATION: &str = "app_01J00000000000000000000001";

    fn place(settings: &[(&str, &str)]) -> Result<(usize, bool), String> {
        let extensions =
            settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let place = read_place(&extensions).map_err(|problem| format!("{problem:?}"))?;
        let needed = place.needed().map_err(|problem| format!("{problem:?}"))?;
        Ok((needed.len(), place.environment.is_some()))
    }

    #[test]
    fn the_configuration_names_application_environment_and_permissions() {
        let application = (APPLICATION_ID, APPLICATION);
        assert_eq!(place(&[application]), Ok((0, false)));
        let all = [application, ("environment", "staging"), ("permission", "orders:read  customers:read")];
        assert_eq!(place(&all), Ok((2, true)));
        for wrong in [
            &[("environment", "staging")][..],
            &[(APPLICATION_ID, "nonsense")],
            &[application, ("environment", "nowhere")],
            &[application, ("permission", "no permission!")],
            &[application, ("permision", "orders:read")],
        ] {
            assert!(place(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn headers_are_read_in_both_forms_and_bounded() {
        let joined = |name: &str| HttpRequest {
            headers: HashMap::from([(name.to_owned(), "v".to_owned())]),
            ..HttpRequest::default()
        };
        assert_eq!(read_headers(&joined("x-a")).unwrap()["x-a"], "v");
        assert!(read_headers(&joined(":path")).unwrap().is_empty());
        assert!(read_headers(&joined("no name")).is_err());
        let raw = |count: usize, value: &'static str| {
            let line =
                |index| Header { key: format!("x-{index}"), raw_value: value.into(), ..Header::default() };
            let headers = Some(RawHeaders { headers: (0..count).map(line).collect() });
            read_headers(&HttpRequest { header_map: headers, ..HttpRequest::default() })
        };
        assert_eq!(raw(1, "\u{fc}").unwrap()["x-0"], "\u{fc}".as_bytes());
        assert!(raw(1, "\n").is_err());
        assert_eq!(raw(MAX_LINES, "v").unwrap().len(), MAX_LINES);
        assert!(raw(MAX_LINES + 1, "v").is_err());
        let long = HttpRequest { path: "/".repeat(70_000), ..HttpRequest::default() };
        assert!(read_headers(&long).is_err());
    }
}
