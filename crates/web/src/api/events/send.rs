//! Taking events in.

use axum::extract::{Request, State};
use http::StatusCode;
use keystile_core::{Event, Heard, Invalid, Stamp};
use keystile_wire::{IngestAnswer, Problem, RejectedEvent, SendEvents};

use super::form::{Form, Sent};
use super::sender::stamp_of;
use crate::api::{Answer, json};
use crate::body::{MAX_BODY, read_bytes};
use crate::problem::ApiProblem;
use crate::state::App;
use crate::unpack::unpack;

/// Send events, in the name of the source of the API key, which holds `keystile.events:write`. Answered when they are kept for good.
/// Takes one event or a list of up to 1,000 as JSON; an event a line as `application/x-ndjson`; CloudEvents 1.0 as
/// `application/cloudevents+json`, `application/cloudevents-batch+json`, or with their attributes as headers; and bodies with
/// `Content-Encoding: gzip` or `zstd` that unpack to at most 8 MiB. One event that breaks a rule is refused; of several each that breaks
/// one is told of in the answer, and the others are kept. With an `id` of your own it does no harm to send an event again.
#[utoipa::path(post, path = "/api/v1/events", tag = "events", request_body = SendEvents, responses(
    (status = 202, body = IngestAnswer, description = "How many are kept, and why others are not."),
    (status = 409, body = Problem, content_type = "application/problem+json", description = "`event_id_reused`: the source has sent another event with this id; that one is kept."),
))]
pub(crate) async fn send_events(State(app): State<App>, request: Request) -> Answer {
    let (parts, body) = request.into_parts();
    let stamp = stamp_of(&parts, &app).await?;
    let form = Form::of(&parts.headers)?;
    let mut part = app.reading.room.part();
    let body = read_bytes(&parts.headers, body, (app.reading.within, &mut part), MAX_BODY).await?;
    let body = unpack(&parts.headers, body, &mut part).await?;
    let moment = form.moment();
    // A body that cannot be read at all counts as one event.
    let sent = form.read(&body, &stamp, app.control.present());
    let sent = sent.inspect_err(|_| app.ingest.note_refused(&stamp, 1))?;
    drop(body);
    Ok(json(StatusCode::ACCEPTED, &keep(&app, stamp, sent, moment).await?))
}

/// Keeps what can be kept. What cannot is told of, or refused if it is all there is.
async fn keep(app: &App, stamp: Stamp, sent: Sent, moment: &'static str) -> Result<IngestAnswer, ApiProblem> {
    let Sent { events, is_one } = sent;
    app.ingest.note_refused(&stamp, events.iter().filter(|event| event.is_err()).count() as u64);
    let (mut good, mut places): (Vec<Event>, Vec<usize>) = Default::default();
    let mut answer = IngestAnswer { accepted: 0, rejected: Vec::new() };
    for (place, event) in events.into_iter().enumerate() {
        match event {
            Ok(event) => {
                good.push(event);
                places.push(place);
            }
            Err(problem) => reject(&mut answer, place, problem, is_one)?,
        }
    }
    if !good.is_empty() {
        let heard = app.ingest.keep(stamp, good).await?;
        for (place, heard) in places.into_iter().zip(heard) {
            match refusal(heard, moment) {
                None => answer.accepted += 1,
                Some(problem) => reject(&mut answer, place, problem, is_one)?,
            }
        }
    }
    answer.rejected.sort_by_key(|rejected| rejected.index);
    Ok(answer)
}

/// Tells of an event that is not kept, or refuses the request if there is no other.
fn reject(
    answer: &mut IngestAnswer,
    place: usize,
    problem: ApiProblem,
    is_all: bool,
) -> Result<(), ApiProblem> {
    if is_all {
        return Err(problem);
    }
    let (reason, errors) = (problem.detail().to_owned(), problem.errors().to_vec());
    answer.rejected.push(RejectedEvent { index: place as u64, reason, errors });
    Ok(())
}

fn refusal(heard: Heard, moment: &'static str) -> Option<ApiProblem> {
    match heard {
        Heard::Accepted | Heard::Repeated => None,
        Heard::Reused => {
            let rule = "was sent before with another event, which is kept; take a new id for a new event";
            Some(ApiProblem::conflict("event_id_reused", Invalid::new("id", rule)))
        }
        Heard::TooOld { days } => {
            let rule = format!("must not be longer ago than the {days} days for which events are kept");
            Some(Invalid::new(moment, rule).into())
        }
    }
}
