//! Results of jobs on their way.

use keystile_core::{Invalid, JobId, JobKind, Timestamp};
use keystile_manage::{Caller, JobPiece, JobResult, Refused};
use keystile_wire::{JobResultFormat, KeyView};
use serde_json::{Map, Value};

use super::csv;
use crate::api::Answer;
use crate::api::saved::{CSV, NDJSON, Pieces, saved};
use crate::api::shown::Shown;
use crate::state::App;

/// What an export leaves out: by it a secret that is found elsewhere could be matched with its key.
pub(super) const LEFT_OUT: &str = "key_fingerprint";

/// A result, written piece by piece.
struct Written {
    result: JobResult,
    format: JobResultFormat,
    shown: Shown,
    /// When the keys are as they are told.
    at: Timestamp,
    is_begun: bool,
}

/// The result of a job as a file to save. What fails on the way cuts the connection.
pub async fn download(app: &App, caller: &Caller, id: JobId, format: JobResultFormat) -> Answer {
    let shown = Shown::to(app, caller).await?;
    let result = app.control.job_result(caller, id).await?;
    let (ending, media_type) = match format {
        JobResultFormat::Ndjson => ("ndjson", NDJSON),
        JobResultFormat::Csv if result.job().kind == JobKind::Export => ("csv", CSV),
        JobResultFormat::Csv => {
            return Err(Invalid::new("format", "must be `ndjson`: only exports are written as `csv`").into());
        }
    };
    let at = result.job().ended_at.unwrap_or_else(|| app.control.present());
    let written = Written { result, format, shown, at, is_begun: false };
    Ok(saved(&format!("keystile-{id}.{ending}"), media_type, written))
}

impl Pieces for Written {
    const WHAT: &'static str = "the result of a job";

    async fn next(&mut self) -> Result<Option<String>, Refused> {
        if !std::mem::replace(&mut self.is_begun, true) {
            match self.format {
                JobResultFormat::Csv => return Ok(Some(csv::header())),
                JobResultFormat::Ndjson => {}
            }
        }
        Ok(self.result.piece().await?.map(|piece| match piece {
            JobPiece::Lines(lines) => lines,
            JobPiece::Keys(keys) => {
                keys.into_iter().map(|key| self.line(&fields(&self.shown.view(key, self.at)))).collect()
            }
        }))
    }
}

impl Written {
    fn line(&self, key: &Map<String, Value>) -> String {
        match self.format {
            JobResultFormat::Ndjson => serde_json::to_string(key).unwrap_or_default() + "\n",
            JobResultFormat::Csv => csv::line(key),
        }
    }
}

/// The record of a key as the list shows it, but for what an export leaves out.
pub(super) fn fields(view: &KeyView) -> Map<String, Value> {
    match serde_json::to_value(view) {
        Ok(Value::Object(mut fields)) => {
            fields.remove(LEFT_OUT);
            fields
        }
        Ok(_) | Err(_) => Map::new(),
    }
}
