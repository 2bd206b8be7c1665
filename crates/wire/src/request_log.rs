//! The request log.

use std::net::IpAddr;

use keystile_core::request_log::PATH_MAX;
use keystile_core::text::check_word;
use keystile_core::{
    Actor, ApplicationId, CustomerId, Environment, Invalid, KeyId, LogExportFormat, LogFace, LogFilter,
    LogId, LogMethod, LogResult, LoggedRequest, TenantId, Timestamp,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::csv::CsvLine;
use crate::schema;

/// Longest code that can be asked for, in bytes; no code is longer.
const CODE_MAX: usize = 64;

/// Declares a query with these fields and those by which requests are chosen, which are the same for all of them: the reader of
/// queries refuses fields that it does not know, and can do so for one struct only.
macro_rules! log_query {
    ($(#[$outer:meta])* $name:ident { $($(#[$inner:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$outer])*
        #[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
        #[into_params(parameter_in = Query)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $(
                $(#[$inner])*
                #[serde(skip_serializing_if = "Option::is_none")]
                pub $field: Option<$type>,
            )*
            /// Only requests about this key, or asked with it.
            #[param(schema_with = schema::key_id)]
            #[serde(skip_serializing_if = "Option::is_none")]
            pub key_id: Option<KeyId>,
            /// Only those of keys of this application, or that named it.
            #[param(schema_with = schema::application_id)]
            #[serde(skip_serializing_if = "Option::is_none")]
            pub application_id: Option<ApplicationId>,
            /// Only those of keys that are restricted to this customer.
            #[param(schema_with = schema::customer_id)]
            #[serde(skip_serializing_if = "Option::is_none")]
            pub customer_id: Option<CustomerId>,
            /// Only those of this environment; all by default.
            #[param(schema_with = schema::environment)]
            #[serde(skip_serializing_if = "Option::is_none")]
            pub environment: Option<Environment>,
            /// Only those in which this was asked.
            #[param(schema_with = schema::log_face)]
            #[serde(skip_serializing_if = "Option::is_none")]
            pub face: Option<LogFace>,
            /// Only those in which something else was asked: `console` leaves out the pages and forms of the console.
            #[param(schema_with = schema::log_face)]
            #[serde(skip_serializing_if = "Option::is_none")]
            pub except_face: Option<LogFace>,
            /// Only those that were allowed, or only those that were refused or went wrong.
            #[param(schema_with = schema::log_result)]
            #[serde(skip_serializing_if = "Option::is_none")]
            pub result: Option<LogResult>,
            /// Only those with this code, such as `allowed` or `key_revoked`.
            #[param(pattern = "^[!-~]{1,64}$")]
            #[serde(skip_serializing_if = "Option::is_none")]
            pub code: Option<String>,
            /// Only those that were answered with this status, or one of a class: `403` or `4xx`.
            #[param(pattern = "^([1-5]xx|[1-5][0-9]{2})$")]
            #[serde(skip_serializing_if = "Option::is_none")]
            pub status: Option<String>,
            /// Only those whose path begins so.
            #[param(min_length = 1, max_length = 512)]
            #[serde(skip_serializing_if = "Option::is_none")]
            pub path: Option<String>,
            /// Only those from this address.
            #[param(schema_with = schema::ip)]
            #[serde(skip_serializing_if = "Option::is_none")]
            pub ip: Option<IpAddr>,
            /// Only what was answered then or later.
            #[param(schema_with = schema::time)]
            #[serde(skip_serializing_if = "Option::is_none")]
            pub from: Option<Timestamp>,
            /// Only what was answered before.
            #[param(schema_with = schema::time)]
            #[serde(skip_serializing_if = "Option::is_none")]
            pub to: Option<Timestamp>,
        }

        impl $name {
            /// Which requests are asked for.
            ///
            /// # Errors
            /// The first broken rule.
            pub fn filter(&self) -> Result<LogFilter, Invalid> {
                checked(LogFilter {
                    key_id: self.key_id,
                    application_id: self.application_id,
                    customer_id: self.customer_id,
                    environment: self.environment,
                    face: self.face,
                    except_face: self.except_face,
                    result: self.result,
                    code: self.code.clone(),
                    status: self
                        .status
                        .as_deref()
                        .map(str::parse)
                        .transpose()
                        .map_err(|broken: Invalid| broken.at("status"))?,
                    path: self.path.clone(),
                    ip: self.ip.map(|ip| ip.to_canonical()),
                    from: self.from,
                    to: self.to,
                })
            }
        }
    };
}

log_query!(
    /// Which requests to list.
    LogListQuery {
        /// Requests on the page, 1 to 200. A page of filtered requests may have fewer, or none, and be followed by others.
        #[param(minimum = 1, maximum = 200, default = 50)]
        limit: u16,
        /// `next_cursor` of the page before.
        cursor: String,
    }
);
log_query!(
    /// Which requests to export.
    LogExportQuery {
        /// In which form; `ndjson` by default.
        #[param(schema_with = schema::log_export_format)]
        format: LogExportFormat,
    }
);
log_query!(
    /// Which requests to tell of as they come.
    LogStreamQuery {}
);

fn checked(filter: LogFilter) -> Result<LogFilter, Invalid> {
    if let Some(code) = &filter.code {
        check_word(code, CODE_MAX).map_err(|broken| broken.at("code"))?;
    }
    if let Some(path) = &filter.path
        && (!(1..=PATH_MAX).contains(&path.len()) || path.contains(char::is_control))
    {
        return Err(Invalid::new(
            "path",
            format!("must be 1 to {PATH_MAX} bytes without control characters"),
        ));
    }
    match (filter.from, filter.to) {
        (Some(from), Some(to)) if from >= to => Err(Invalid::new("to", "must be later than `from`")),
        _ => Ok(filter),
    }
}

/// A request in the log: a decision about a key, or a call of the API. Never a body, a query or a credential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LoggedRequestView {
    /// Which one.
    #[schema(schema_with = schema::log_id)]
    pub id: LogId,
    /// Whose log it is in.
    #[schema(schema_with = schema::tenant_id)]
    pub tenant_id: TenantId,
    /// When it was answered.
    #[schema(schema_with = schema::time)]
    pub at: Timestamp,
    /// What was asked.
    #[schema(schema_with = schema::log_face)]
    pub face: LogFace,
    /// The environment of the key, or the one that was named.
    #[schema(schema_with = schema::maybe_environment, required)]
    pub environment: Option<Environment>,
    /// The application of the key, or the one that was named.
    #[schema(schema_with = schema::maybe_application_id, required)]
    pub application_id: Option<ApplicationId>,
    /// The customer that the key is restricted to.
    #[schema(schema_with = schema::maybe_customer_id, required)]
    pub customer_id: Option<CustomerId>,
    /// The key that was decided about, or that made the call.
    #[schema(schema_with = schema::maybe_key_id, required)]
    pub key_id: Option<KeyId>,
    /// Who asked, where that is not the bearer of that key: a person, or the key of a service.
    #[schema(schema_with = schema::maybe_actor, required)]
    pub caller: Option<Actor>,
    /// The method; of a decision that of the request which was asked about, if it was told.
    #[schema(schema_with = schema::maybe_log_method, required)]
    pub method: Option<LogMethod>,
    /// The path without its query, likewise; at most 512 bytes, and without what looks like a secret.
    #[schema(required)]
    pub path: Option<String>,
    /// Where the bearer of the key was, or the caller, as far as it is known.
    #[schema(schema_with = schema::maybe_ip, required)]
    pub ip: Option<IpAddr>,
    /// What they said of their software; at most 256 bytes.
    #[schema(required)]
    pub user_agent: Option<String>,
    /// `allowed`, or the code of the refusal.
    pub code: String,
    /// The status of our answer, where there was one: `POST /api/v1/keys/verify` answers 200 with a refusal in it.
    #[schema(required, minimum = 100, maximum = 599)]
    pub status: Option<u16>,
    /// How long the answer took, in microseconds, where it was measured.
    #[schema(required)]
    pub duration_micros: Option<u32>,
    /// Length of the body that was sent, in bytes, if it was announced.
    #[schema(required)]
    pub bytes_in: Option<u64>,
    /// Length of the body of the answer, in bytes, if it was known beforehand.
    #[schema(required)]
    pub bytes_out: Option<u64>,
    /// The id of the request, which is in its answer as `X-Request-Id`; many questions may share one.
    #[schema(required)]
    pub request_id: Option<String>,
}

impl From<LoggedRequest> for LoggedRequestView {
    fn from(request: LoggedRequest) -> Self {
        Self {
            at: request.at(),
            id: request.id,
            tenant_id: request.tenant_id,
            face: request.face,
            environment: request.environment,
            application_id: request.application_id,
            customer_id: request.customer_id,
            key_id: request.key_id,
            caller: request.caller,
            method: request.method,
            path: request.path,
            ip: request.ip,
            user_agent: request.user_agent,
            code: request.code.into_owned(),
            status: request.status,
            duration_micros: request.duration_micros,
            bytes_in: request.bytes_in,
            bytes_out: request.bytes_out,
            request_id: request.request_id,
        }
    }
}

impl LoggedRequestView {
    /// The first line of a table (RFC 4180), with its line break.
    pub fn csv_head() -> String {
        CsvLine::of(&[
            "id",
            "tenant_id",
            "at",
            "face",
            "environment",
            "application_id",
            "customer_id",
            "key_id",
            "caller",
            "method",
            "path",
            "ip",
            "user_agent",
            "code",
            "status",
            "duration_micros",
            "bytes_in",
            "bytes_out",
            "request_id",
        ])
    }

    /// The line of a table, with its line break. What is null is empty. A cell that a spreadsheet would take for a formula has a `'`
    /// before it.
    pub fn csv_line(&self) -> String {
        let mut line = CsvLine::default();
        line.cell(Some(self.id)).cell(Some(self.tenant_id)).cell(Some(self.at)).cell(Some(self.face));
        line.cell(self.environment).cell(self.application_id).cell(self.customer_id).cell(self.key_id);
        line.cell(self.caller).cell(self.method).cell(self.path.as_deref()).cell(self.ip);
        line.cell(self.user_agent.as_deref()).cell(Some(&self.code)).cell(self.status);
        line.cell(self.duration_micros).cell(self.bytes_in).cell(self.bytes_out);
        line.cell(self.request_id.as_deref());
        line.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> LoggedRequest {
        let id = "log_01HF7YAT000000000000000001".parse().unwrap();
        let tenant_id = "ten_01HF7YAT000000000000000001".parse().unwrap();
        LoggedRequest::new(id, tenant_id, LogFace::Authz, "allowed".into())
    }

    #[test]
    fn every_field_has_a_column_and_formulas_are_kept_from_spreadsheets() {
        let view = LoggedRequestView::from(LoggedRequest {
            method: Some(LogMethod::Get),
            path: Some("/a,\"b\"".to_owned()),
            user_agent: Some("=cmd|' /C calc'!A0".to_owned()),
            ..request()
        });
        let names: Vec<_> = LoggedRequestView::csv_head().trim_end().split(',').map(str::to_owned).collect();
        let json = serde_json::to_value(&view).unwrap();
        let mut fields: Vec<_> = json.as_object().unwrap().keys().cloned().collect();
        let mut columns = names.clone();
        fields.sort();
        columns.sort();
        assert_eq!(fields, columns);
        let line = view.csv_line();
        assert_eq!(
            line,
            "log_01HF7YAT000000000000000001,ten_01HF7YAT000000000000000001,2023-11-14T22:13:20.000Z,authz,,,,,,GET,\
             \"/a,\"\"b\"\"\",,'=cmd|' /C calc'!A0,allowed,,,,,\r\n"
        );
    }

    #[test]
    fn broken_filters_are_named() {
        let broken = |query: LogListQuery| query.filter().unwrap_err().field;
        let any = LogListQuery::default;
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(broken(LogListQuery { status: text("6xx"), ..any() }), "status");
        assert_eq!(broken(LogListQuery { code: text("a b"), ..any() }), "code");
        for path in ["", "\0", &"x".repeat(PATH_MAX + 1)] {
            assert_eq!(broken(LogListQuery { path: text(path), ..any() }), "path");
        }
        let moment = Some(Timestamp::from_millis(7));
        assert_eq!(broken(LogListQuery { from: moment, to: moment, ..any() }), "to");
        let mapped = LogListQuery { ip: "::ffff:192.0.2.1".parse().ok(), ..any() }.filter().unwrap();
        assert_eq!(mapped.ip, "192.0.2.1".parse().ok());
    }
}
