//! The page of one request: all that the log knows of it.

use askama::Template;
use axum::extract::State;
use keystile_core::{Actor, LogFace, LogId, LoggedRequest};
use keystile_manage::Names;

use super::row::{called, method, outcome, took, why};
use super::{ANYTHING, Named};
use crate::page::page;
use crate::shell::Shell;
use crate::visitor::Inside;
use crate::words::{self, Word};
use crate::{assets, parts};
use keystile_web::App;
use keystile_web::api::Answer;
use keystile_web::extract::PathId;

#[derive(Template)]
#[template(path = "logs/show.html")]
struct Show {
    shell: Shell,
    request: LoggedRequest,
    names: Names,
}

/// Where one looks further.
struct Further {
    what: &'static str,
    path: String,
}

/// Shows the request.
pub(super) async fn show(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathId(id): PathId<LogId>,
) -> Answer {
    let request = app.control.logged_request(&caller, id).await?;
    let names = app.control.names_in_requests(&caller, std::slice::from_ref(&request)).await?;
    page(&Show { shell, request, names })
}

impl Show {
    fn result(&self) -> &'static str {
        outcome(&self.request).0
    }

    fn tone(&self) -> &'static str {
        outcome(&self.request).1
    }

    fn why(&self) -> String {
        why(&self.request)
    }

    /// What was asked, of which a title tells.
    fn title(&self) -> String {
        let told = [self.method(), self.request.path.as_deref()];
        let told = told.into_iter().flatten().collect::<Vec<_>>().join(" ");
        if told.is_empty() { self.face().name.to_owned() } else { told }
    }

    fn method(&self) -> Option<&'static str> {
        self.request.method.map(method)
    }

    const fn face(&self) -> Word {
        words::face(self.request.face)
    }

    fn named(&self, section: &str, id: Option<impl ToString>) -> Option<Named> {
        id.map(|id| Named::new(&self.shell, section, id.to_string(), &self.names))
    }

    fn key(&self) -> Option<Named> {
        self.named("keys", self.request.key_id)
    }

    fn application(&self) -> Option<Named> {
        self.named("applications", self.request.application_id)
    }

    fn customer(&self) -> Option<Named> {
        self.named("customers", self.request.customer_id)
    }

    /// Who called, where that is not the bearer of the key; their path leads to what they have done.
    fn caller(&self) -> Option<Named> {
        let caller = self.request.caller?;
        let path = match caller {
            Actor::Key(id) => self.shell.path(&format!("keys/{id}")),
            Actor::Person(id) => self.shell.path(&format!("audit?actor={id}")),
            Actor::System => self.shell.path("audit?actor=system"),
        };
        Some(Named { id: caller.to_string(), name: called(caller, &self.names), path })
    }

    fn took(&self) -> Option<String> {
        self.request.duration_micros.map(took)
    }

    /// What was sent and what was answered, as far as it is known.
    fn sizes(&self) -> Option<String> {
        let told = |bytes: Option<u64>, what: &str| bytes.map(|bytes| format!("{} {what}", size(bytes)));
        let known = [told(self.request.bytes_in, "sent"), told(self.request.bytes_out, "answered")];
        let known: Vec<_> = known.into_iter().flatten().collect();
        (!known.is_empty()).then(|| known.join(", "))
    }

    /// Other requests that have something in common with this one, and what the audit log tells.
    fn further(&self) -> Vec<Further> {
        let LoggedRequest { key_id, caller, ip, code, .. } = &self.request;
        let path = |below: String| self.shell.path(&below);
        // Others like a page of the console are found only where those are not left out.
        let is_own = self.request.face == LogFace::Console;
        let faces = if is_own { format!("&face={ANYTHING}") } else { String::new() };
        let key = key_id.map(|id| Further {
            what: "Requests with the same key",
            path: path(format!("logs?key_id={id}")),
        });
        let exposure = key_id.map(|id| Further {
            what: "What was done with the key, and from where",
            path: path(format!("keys/{id}/exposure")),
        });
        let address = ip.map(|ip| Further {
            what: "Requests from the same address",
            path: path(format!("logs?ip={ip}{faces}")),
        });
        let result = Further {
            what: "Requests with the same result",
            path: path(format!("logs?result={code}{faces}")),
        };
        let done = caller.or(key_id.map(Actor::Key)).map(|actor| Further {
            what: "What whoever called has changed",
            path: path(format!("audit?actor={actor}")),
        });
        [key, exposure, address, Some(result), done].into_iter().flatten().collect()
    }
}

/// A length, in a unit that fits.
fn size(bytes: u64) -> String {
    match bytes {
        0..1_024 => format!("{bytes} B"),
        1_024..1_048_576 => format!("{}.{} KiB", bytes / 1_024, bytes % 1_024 * 10 / 1_024),
        _ => format!("{}.{} MiB", bytes / 1_048_576, bytes % 1_048_576 * 10 / 1_048_576),
    }
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn lengths_are_told_in_a_unit_that_fits() {
        let told = [0, 1_023, 1_024, 1_536, 1_048_576, 2_621_440].map(size);
        assert_eq!(told, ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "1.0 MiB", "2.5 MiB"]);
    }
}
