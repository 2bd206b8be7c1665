//! One row of the ledger, wholly.

use askama::Template;
use axum::extract::State;
use keystile_core::LedgerId;
use keystile_core::quota::{LedgerEntry, LedgerKind};
use keystile_manage::Names;

use super::{basis, charged, held, kind, name_of, tone};
use crate::page::page;
use crate::shell::Shell;
use crate::visitor::Inside;
use crate::{assets, parts, words};
use keystile_web::App;
use keystile_web::api::Answer;
use keystile_web::api::ledger::written;
use keystile_web::extract::PathId;

#[derive(Template)]
#[template(path = "llm/ledger_row.html")]
struct Show {
    shell: Shell,
    row: LedgerEntry,
    names: Names,
}

impl Show {
    fn path(&self) -> String {
        self.shell.path(&format!("ledger/{}", self.row.id))
    }

    fn name_of(&self, id: &impl ToString) -> String {
        name_of(&self.names, id)
    }

    fn means(&self) -> &'static str {
        words::ledger_kind(self.row.kind).what
    }

    fn basis_means(&self) -> &'static str {
        self.row.basis.map_or("", |basis| words::basis(basis).what)
    }

    /// A correction is corrected by correcting its row again.
    fn may_be_corrected(&self) -> bool {
        self.shell.may_administer() && self.row.kind != LedgerKind::Correction
    }

    /// What was used, kind by kind, of which there was anything.
    fn used(&self) -> Vec<(&'static str, u64)> {
        let used = &self.row.used;
        let all = [
            ("tokens of input", used.input),
            ("tokens of input from a cache", used.cached_input),
            ("tokens of input into a cache", used.cache_write),
            ("tokens of output", used.output),
            ("images", used.images),
            ("characters spoken", used.characters),
            ("milliseconds of audio", used.audio_millis),
        ];
        all.into_iter().filter(|(_, count)| *count > 0).collect()
    }
}

/// The page of a row.
pub(super) async fn show(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathId(id): PathId<LedgerId>,
) -> Answer {
    written(&app, &caller).await?;
    let row = app.control.ledger_entry(&caller, id).await?;
    let names = app.control.names_in_ledger(&caller, std::slice::from_ref(&row)).await?;
    page(&Show { shell, row, names })
}
