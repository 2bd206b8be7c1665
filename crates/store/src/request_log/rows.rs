//! A request as its row has it.

use std::borrow::Cow;

use keystile_core::{
    Actor, ApplicationId, Code, CustomerId, Environment, KeyId, LogId, LogMethod, LoggedRequest, PersonId,
    TenantId,
};

use crate::StoreError;
use crate::row::{Read, Row};
use crate::value::Value;

/// Every column, in the order in which rows are written and read.
pub(super) const COLUMNS: &str =
    "tenant_id, id, face, environment, application_id, customer_id, key_id, asked_by,
    person, method, path, ip, user_agent, code, status, duration_micros, bytes_in, bytes_out, request_id";
/// How many that are.
pub(super) const WIDTH: usize = 19;

pub(super) fn values(request: &LoggedRequest) -> Vec<Value> {
    let (asked_by, person) = match request.caller {
        Some(Actor::Key(id)) => (Some(id.as_u128()), None),
        Some(Actor::Person(id)) => (None, Some(id.as_u128())),
        Some(Actor::System) | None => (None, None),
    };
    vec![
        Value::bits(request.tenant_id.as_u128()),
        Value::bits(request.id.as_u128()),
        Value::Word(request.face.as_str()),
        Value::opt_word(request.environment.map(Environment::as_str)),
        Value::opt_bits(request.application_id.map(ApplicationId::as_u128)),
        Value::opt_bits(request.customer_id.map(CustomerId::as_u128)),
        Value::opt_bits(request.key_id.map(KeyId::as_u128)),
        Value::opt_bits(asked_by),
        Value::opt_bits(person),
        Value::opt_word(request.method.map(LogMethod::as_str)),
        Value::opt_text(request.path.as_ref()),
        Value::opt_text(request.ip),
        Value::opt_text(request.user_agent.as_ref()),
        code_value(request),
        number(request.status),
        number(request.duration_micros),
        Value::count(request.bytes_in),
        Value::count(request.bytes_out),
        Value::opt_text(request.request_id.as_ref()),
    ]
}

pub(super) fn read(mut row: Row) -> Read<LoggedRequest> {
    let row = &mut row;
    let tenant_id = TenantId::from_u128(row.bits("tenant_id")?);
    let id = LogId::from_u128(row.bits("id")?);
    let face = row.parsed("face")?;
    let environment = row.opt_parsed("environment")?;
    let application_id = opt_id(row, "application_id")?.map(ApplicationId::from_u128);
    let customer_id = opt_id(row, "customer_id")?.map(CustomerId::from_u128);
    let key_id = opt_id(row, "key_id")?.map(KeyId::from_u128);
    let asked_by = opt_id(row, "asked_by")?.map(|id| Actor::Key(KeyId::from_u128(id)));
    let person = opt_id(row, "person")?.map(|id| Actor::Person(PersonId::from_u128(id)));
    Ok(LoggedRequest {
        id,
        tenant_id,
        face,
        environment,
        application_id,
        customer_id,
        key_id,
        caller: asked_by.or(person),
        method: row.opt_parsed("method")?,
        path: row.opt_text("path")?,
        ip: row.opt_parsed("ip")?,
        user_agent: row.opt_text("user_agent")?,
        code: code(row.text("code")?),
        status: opt_small(row, "status")?,
        duration_micros: opt_small(row, "duration_micros")?,
        bytes_in: row.opt_count("bytes_in")?,
        bytes_out: row.opt_count("bytes_out")?,
        request_id: row.opt_text("request_id")?,
    })
}

/// Nearly every code is one of a decision, which needs no memory.
fn code(text: String) -> Cow<'static, str> {
    text.parse::<Code>().map_or(Cow::Owned(text), |code| Cow::Borrowed(code.as_str()))
}

fn code_value(request: &LoggedRequest) -> Value {
    match &request.code {
        Cow::Borrowed(word) => Value::Word(word),
        Cow::Owned(text) => Value::Text(text.clone()),
    }
}

fn number(number: Option<impl Into<i64>>) -> Value {
    number.map_or(Value::Null, |number| Value::Int(number.into()))
}

fn opt_id(row: &mut Row, column: &str) -> Read<Option<u128>> {
    let id = |bytes: Vec<u8>| {
        let bytes: Result<[u8; 16], _> = bytes.try_into();
        bytes.map(u128::from_be_bytes).map_err(|_| corrupt(column, "is not 16 bytes long"))
    };
    row.opt_blob(column)?.map(id).transpose()
}

fn opt_small<T: TryFrom<u64>>(row: &mut Row, column: &str) -> Read<Option<T>> {
    let small = |count: u64| count.try_into().map_err(|_| corrupt(column, "is out of range"));
    row.opt_count(column)?.map(small).transpose()
}

fn corrupt(column: &str, what: &str) -> StoreError {
    StoreError::Corrupt(format!("column `{column}` {what}"))
}
