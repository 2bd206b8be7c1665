//! Requests as the rows that ClickHouse reads: an object of JSON a line (`JSONEachRow`), compressed.
//!
//! Source: <https://clickhouse.com/docs/interfaces/formats/JSONEachRow>.

use std::io::{self, Write};
use std::net::IpAddr;

use flate2::Compression;
use flate2::write::GzEncoder;
use keystile_core::{
    Actor, ApplicationId, CustomerId, Environment, KeyId, LogFace, LogId, LogMethod, LoggedRequest, PersonId,
    TenantId, Timestamp,
};
use serde::Serialize;

/// A row. What is left out has the default of its column, which is what stands for unknown.
#[derive(Serialize)]
struct Row<'r> {
    id: LogId,
    tenant_id: TenantId,
    at: Timestamp,
    face: LogFace,
    #[serde(skip_serializing_if = "Option::is_none")]
    environment: Option<Environment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    application_id: Option<ApplicationId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    customer_id: Option<CustomerId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_id: Option<KeyId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    asked_by: Option<KeyId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    person: Option<PersonId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<LogMethod>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<&'r str>,
    code: &'r str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_micros: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes_in: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes_out: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'r str>,
}

impl<'r> Row<'r> {
    fn of(request: &'r LoggedRequest) -> Self {
        let (asked_by, person) = match request.caller {
            Some(Actor::Key(id)) => (Some(id), None),
            Some(Actor::Person(id)) => (None, Some(id)),
            Some(Actor::System) | None => (None, None),
        };
        Self {
            id: request.id,
            tenant_id: request.tenant_id,
            at: request.at(),
            face: request.face,
            environment: request.environment,
            application_id: request.application_id,
            customer_id: request.customer_id,
            key_id: request.key_id,
            asked_by,
            person,
            method: request.method,
            path: request.path.as_deref(),
            ip: request.ip,
            user_agent: request.user_agent.as_deref(),
            code: &request.code,
            status: request.status,
            duration_micros: request.duration_micros,
            bytes_in: request.bytes_in,
            bytes_out: request.bytes_out,
            request_id: request.request_id.as_deref(),
        }
    }
}

/// The rows of these requests, as gzip. Two thousand take some ten milliseconds, most of it for the compression.
///
/// # Errors
/// When a row cannot be written, which does not happen to any that there can be.
pub(super) fn compressed(requests: &[LoggedRequest]) -> io::Result<Vec<u8>> {
    let mut body = GzEncoder::new(Vec::new(), Compression::fast());
    for request in requests {
        serde_json::to_writer(&mut body, &Row::of(request))?;
        body.write_all(b"\n")?;
    }
    body.finish()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;
    use keystile_core::Code;

    use super::super::table::COLUMNS;
    use super::*;

    fn bare(number: u128) -> LoggedRequest {
        let moment = Timestamp::from_millis(1_769_851_800_250);
        let (id, tenant_id) = (LogId::from_parts(moment, number), TenantId::from_parts(moment, 1));
        LoggedRequest::new(id, tenant_id, LogFace::Authz, Code::Allowed.as_str().into())
    }

    fn full() -> LoggedRequest {
        let moment = Timestamp::from_millis(1_769_851_800_250);
        LoggedRequest {
            environment: Some(Environment::Production),
            application_id: Some(ApplicationId::from_parts(moment, 2)),
            customer_id: Some(CustomerId::from_parts(moment, 3)),
            key_id: Some(KeyId::from_parts(moment, 4)),
            caller: Some(Actor::Key(KeyId::from_parts(moment, 5))),
            method: Some(LogMethod::Get),
            path: Some("/orders/\"7\"/ä\\".to_owned()),
            ip: Some("2001:db8::7".parse().unwrap()),
            user_agent: Some("curl/8.5.0".to_owned()),
            status: Some(200),
            duration_micros: Some(u32::MAX),
            bytes_in: Some(0),
            bytes_out: Some(u64::MAX),
            request_id: Some("req_7".to_owned()),
            ..bare(7)
        }
    }

    fn lines(requests: &[LoggedRequest]) -> Vec<String> {
        let mut text = String::new();
        GzDecoder::new(compressed(requests).unwrap().as_slice()).read_to_string(&mut text).unwrap();
        assert!(text.ends_with('\n'));
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_batch_is_a_line_for_each_request_with_what_is_known_of_it() {
        let by_person = Some(Actor::Person(PersonId::from_u128(9)));
        let written = lines(&[bare(1), LoggedRequest { caller: by_person, ..bare(2) }, full()]);
        let begins = |number: u128| {
            let (id, tenant) = (bare(number).id, bare(number).tenant_id);
            let at = "2026-01-31T09:30:00.250Z";
            format!(r#"{{"id":"{id}","tenant_id":"{tenant}","at":"{at}","face":"authz""#)
        };
        let person = PersonId::from_u128(9);
        assert_eq!(written[0], format!("{},\"code\":\"allowed\"}}", begins(1)));
        assert_eq!(written[1], format!("{},\"person\":\"{person}\",\"code\":\"allowed\"}}", begins(2)));
        let (request, Some(Actor::Key(asker))) = (full(), full().caller) else { panic!("no caller") };
        let (application, customer) = (request.application_id.unwrap(), request.customer_id.unwrap());
        let key = request.key_id.unwrap();
        let rest: [&str; 5] = [
            &format!(r#","environment":"production","application_id":"{application}""#),
            &format!(r#","customer_id":"{customer}","key_id":"{key}","asked_by":"{asker}""#),
            r#","method":"GET","path":"/orders/\"7\"/ä\\","ip":"2001:db8::7","user_agent":"curl/8.5.0""#,
            r#","code":"allowed","status":200,"duration_micros":4294967295,"bytes_in":0"#,
            r#","bytes_out":18446744073709551615,"request_id":"req_7"}"#,
        ];
        assert_eq!(written[2], begins(7) + &rest.concat());
        assert_eq!(written.len(), 3);
    }

    #[test]
    fn every_column_is_written_and_nothing_that_is_none() {
        let mut names = Vec::new();
        for caller in [full().caller, Some(Actor::Person(PersonId::from_u128(9)))] {
            let line = &lines(&[LoggedRequest { caller, ..full() }])[0];
            let row: serde_json::Map<String, serde_json::Value> = serde_json::from_str(line).unwrap();
            names.extend(row.into_iter().map(|(name, _)| name));
        }
        names.sort_unstable();
        names.dedup();
        let mut columns = COLUMNS.map(|(name, _)| name);
        columns.sort_unstable();
        assert_eq!(names, columns);
    }
}
