//! The refusals that operations share, in the OpenAPI document. Which of them an operation can give follows from what it
//! takes: a credential, a body, parameters. A refusal of its own, or a better description, stands at its handler.

use keystile_wire::Problem;
use utoipa::ToSchema;
use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::path::{Operation, Parameter, ParameterIn, PathItem};
use utoipa::openapi::schema::{SchemaType, Type};
use utoipa::openapi::{
    ContentBuilder, ObjectBuilder, OpenApi, Ref, RefOr, Response, ResponseBuilder, SecurityRequirement,
};

/// A refusal that operations share: its status, its name among the components, and when it is given.
struct Shared(&'static str, &'static str, &'static str);

const INVALID: Shared =
    Shared("400", "Invalid", "The request breaks a rule; `errors` names each field and its rule.");
const UNAUTHENTICATED: Shared =
    Shared("401", "Unauthenticated", "No credential was sent, or one that is not good now.");
const FORBIDDEN: Shared = Shared("403", "Forbidden", "The caller may not do this.");
const NOT_FOUND: Shared = Shared("404", "NotFound", "There is none that the caller may see.");
const BODY_TIMEOUT: Shared = Shared("408", "BodyTimeout", "The body took too long.");
const CONFLICT: Shared =
    Shared("409", "Conflict", "Something stands in the way, which `code` names; nothing was changed.");
const BODY_TOO_LARGE: Shared = Shared("413", "BodyTooLarge", "The body is too large.");
const NOT_JSON: Shared = Shared("415", "NotJson", "The body is not declared as JSON.");
const KEY_REUSED: Shared =
    Shared("422", "IdempotencyKeyReused", "The `Idempotency-Key` was sent with another request.");
const LIMITED: Shared = Shared(
    "429",
    "Limited",
    "A limit that bears on the API key is used up: its own, or one that it shares with its customer's, its application's or its \
        tenant's keys.",
);
const HEAD_TOO_LONG: Shared =
    Shared("431", "HeadTooLong", "There are too many header lines, or too long ones.");
const FAILED: Shared = Shared("500", "Failed", "This is the server's fault, and was logged.");
const NOT_NOW: Shared = Shared("503", "NotNow", "The server cannot do this now.");

/// A header of a refusal: its name, the type of its value, and what it tells.
struct Told(&'static str, Type, &'static str);

const AGAIN: Told = Told("Retry-After", Type::Integer, "Seconds after which the same may be asked again.");
const AGAIN_IF_EVER: Told = Told(
    "Retry-After",
    Type::Integer,
    "Seconds after which the same request fits; left out if it costs more than can ever come at once.",
);
const POLICY: Told = Told(
    "RateLimit-Policy",
    Type::String,
    "The limit that refused: `\"rpm\";q=60;w=60` is 60 requests in 60 seconds.",
);
const LEFT: Told = Told(
    "RateLimit",
    Type::String,
    "What is left of that limit: `\"rpm\";r=0;t=12` is nothing, and the same request fits in 12 seconds.",
);

const OF_A_PERSON: &[&Shared] = &[&INVALID, &UNAUTHENTICATED, &FAILED, &NOT_NOW];
const OF_A_KEY: &[&Shared] = &[&FORBIDDEN, &LIMITED];
const OF_A_BODY: &[&Shared] = &[&INVALID, &BODY_TIMEOUT, &BODY_TOO_LARGE, &NOT_JSON, &FAILED, &NOT_NOW];
const OF_A_PLACE: &[&Shared] = &[&NOT_FOUND];
const OF_A_VERSION: &[&Shared] = &[&CONFLICT];
const OF_A_REPETITION: &[&Shared] = &[&CONFLICT, &KEY_REUSED];
const OF_ALL: &[&Shared] = &[&HEAD_TOO_LONG];

/// Gives each operation the refusals that follow from what it takes. Those that it describes itself get their headers.
pub(crate) fn describe(document: &mut OpenApi) {
    let everywhere = document.security.clone().unwrap_or_default();
    let mut used = Vec::new();
    for operation in document.paths.paths.values_mut().flat_map(operations) {
        for refusal in refusals(operation, &everywhere) {
            let Shared(status, name, _) = refusal;
            let described = &mut operation.responses.responses;
            let shared = || RefOr::Ref(Ref::from_response_name(*name));
            if let RefOr::T(own) = described.entry((*status).to_owned()).or_insert_with(shared) {
                own.headers.extend(headers(status));
            }
            used.push(refusal);
        }
    }
    let components = document.components.get_or_insert_with(Default::default);
    let named = used.into_iter().map(|one| (one.1.to_owned(), response(one).into()));
    components.responses.extend(named);
}

fn response(Shared(status, _, says): &Shared) -> Response {
    let problem = Ref::from_schema_name(Problem::name());
    let content = ContentBuilder::new().schema(Some(problem)).build();
    let mut response =
        ResponseBuilder::new().description(*says).content("application/problem+json", content).build();
    response.headers.extend(headers(status));
    response
}

/// What refusals with this status tell in headers of their own.
fn headers(status: &str) -> impl Iterator<Item = (String, RefOr<Header>)> {
    let told: &[Told] = match status {
        "429" => &[AGAIN_IF_EVER, POLICY, LEFT],
        "503" => &[AGAIN],
        _ => &[],
    };
    told.iter().map(|told| (told.0.to_owned(), header(told).into()))
}

fn header(Told(_, kind, says): &Told) -> Header {
    let value = ObjectBuilder::new().schema_type(SchemaType::Type(kind.clone())).build();
    HeaderBuilder::new().schema(Some(value)).description(Some(*says)).build()
}

fn operations(path: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, put, post, delete, options, head, patch, .. } = path;
    [get, put, post, delete, options, head, patch].into_iter().flatten()
}

fn refusals<'o>(
    operation: &'o Operation,
    everywhere: &'o [SecurityRequirement],
) -> impl Iterator<Item = &'static Shared> + use<> {
    let accepted = operation.security.as_deref().unwrap_or(everywhere);
    let takes = |scheme| accepted.contains(&SecurityRequirement::new(scheme, [""; 0]));
    let of = |truth: bool, refusals: &'static [&'static Shared]| if truth { refusals } else { &[] };
    [
        of(takes("bearer") || takes("api_key"), OF_A_PERSON),
        of(takes("api_key"), OF_A_KEY),
        of(operation.request_body.is_some(), OF_A_BODY),
        of(has(operation, &ParameterIn::Path, None), OF_A_PLACE),
        of(has(operation, &ParameterIn::Header, Some("If-Match")), OF_A_VERSION),
        of(has(operation, &ParameterIn::Header, Some("Idempotency-Key")), OF_A_REPETITION),
        OF_ALL,
    ]
    .into_iter()
    .flatten()
    .copied()
}

fn has(operation: &Operation, place: &ParameterIn, name: Option<&str>) -> bool {
    let fits = |parameter: &Parameter| {
        parameter.parameter_in == *place && name.is_none_or(|name| parameter.name == name)
    };
    operation.parameters.iter().flatten().any(|parameter| match parameter {
        RefOr::T(parameter) => fits(parameter),
        RefOr::Ref(_) => false,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn all() -> Vec<(String, Operation)> {
        let paths = crate::openapi().paths.paths.into_iter();
        let of_path = |(path, mut item): (String, PathItem)| {
            operations(&mut item).map(|operation| (path.clone(), operation.clone())).collect::<Vec<_>>()
        };
        paths.flat_map(of_path).collect()
    }

    #[test]
    fn each_status_that_an_operation_can_answer_with_is_documented_as_itself() {
        for (path, operation) in all() {
            for status in operation.responses.responses.keys() {
                assert!(status.parse::<u16>().is_ok(), "{path}: {status} is no status but a range of them");
            }
        }
    }

    #[test]
    fn an_operation_that_needs_a_credential_says_how_it_refuses_others() {
        let needing: Vec<_> =
            all().into_iter().filter(|(_, operation)| operation.security.is_none()).collect();
        assert!(needing.len() > 50, "the document is not what it was: {}", needing.len());
        for (path, Operation { responses, .. }) in needing {
            for status in ["400", "401", "403", "429", "431", "500", "503"] {
                assert!(responses.responses.contains_key(status), "{path}: {status}");
            }
        }
    }

    #[test]
    fn what_a_refusal_or_a_yes_tells_in_headers_is_documented() {
        let mut document = crate::openapi();
        let responses = document.components.take().unwrap().responses;
        let headers = |response: &RefOr<Response>| match response {
            RefOr::T(response) => response.headers.keys().cloned().collect::<Vec<_>>(),
            RefOr::Ref(_) => panic!("it is described elsewhere"),
        };
        assert_eq!(headers(&responses["Limited"]), ["RateLimit", "RateLimit-Policy", "Retry-After"]);
        assert_eq!(headers(&responses["NotNow"]), ["Retry-After"]);
        assert!(headers(&responses["Invalid"]).is_empty());
        let authz = document.paths.paths.get_mut(crate::authz::forward::TEMPLATE).unwrap();
        for operation in operations(authz) {
            let own = &operation.responses.responses;
            assert_eq!(headers(&own["200"]), ["RateLimit", "RateLimit-Policy"]);
            assert_eq!(headers(&own["503"]), ["Retry-After"]);
        }
    }

    #[test]
    fn refusals_follow_from_what_an_operation_takes() {
        let all: BTreeMap<_, _> = all()
            .into_iter()
            .filter_map(|(_, one)| Some((one.operation_id?, one.responses.responses)))
            .collect();
        let refusals = |operation: &str| -> Vec<_> {
            all[operation].keys().filter(|status| status.as_str() >= "400").map(String::as_str).collect()
        };
        assert_eq!(refusals("healthz"), ["431"]);
        assert_eq!(refusals("refresh_token"), ["400", "401", "408", "413", "415", "431", "500", "503"]);
        assert_eq!(refusals("show_me"), ["400", "401", "403", "429", "431", "500", "503"]);
        assert_eq!(refusals("show_key"), ["400", "401", "403", "404", "429", "431", "500", "503"]);
        let patch = ["400", "401", "403", "404", "408", "409", "413", "415", "429", "431", "500", "503"];
        assert_eq!(refusals("patch_key"), patch);
        let create =
            ["400", "401", "403", "404", "408", "409", "413", "415", "422", "429", "431", "500", "503"];
        assert_eq!(refusals("create_key"), create);
    }
}
