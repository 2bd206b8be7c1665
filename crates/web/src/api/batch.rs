//! Many questions at a time: one authentication, one body, one answer. They go through the router, which costs a batch next to
//! nothing.

use axum::extract::{Request, State};
use axum::response::IntoResponse;
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use keystile_bearer::RequestId;
use keystile_core::{Invalid, LogFace};
use keystile_verify::Verdict;
use keystile_wire::{
    BatchAnswers, BrokenQuestion, MAX_BATCH_PERMISSIONS, MAX_QUESTIONS, Object, Problem, VerifyBatch,
    VerifyRequest,
};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Answer;
use super::answer::AllWritten;
use super::asking::Asking;
use super::question::Question;
use crate::body::{parse_json, read_json};
use crate::metrics::Face;
use crate::problem::ApiProblem;
use crate::request_log::{Asked, Asker, Noted};
use crate::state::App;

/// May these keys do this? Each of up to 1,000 questions, with 10,000 permissions altogether, is answered, in order, as
/// `POST /api/v1/keys/verify` would. One that breaks a rule is answered with `invalid_request` in its place, and spoils no other.
#[utoipa::path(post, path = "/api/v1/keys/verify-batch", tag = "verification", request_body = VerifyBatch, responses(
    (status = 200, body = BatchAnswers, description = "An answer for each."),
    (status = 404, body = Problem, content_type = "application/problem+json", description = "The token is for no tenant."),
))]
pub(crate) async fn verify_keys(State(app): State<App>, Asking(asker): Asking, request: Request) -> Answer {
    let (parts, body) = request.into_parts();
    let request_id = parts.extensions.get::<RequestId>().ok_or_else(ApiProblem::internal)?;
    let asked = Asked::begin(LogFace::VerifyBatch, &parts.headers, request_id);
    let body = read_json(&parts.headers, body, &app.reading).await?;
    let requests = read_all(&body)?;
    permissions_bounded(&requests)?;
    let answers = answer_all(&app, &requests, &asker, &asked).await;
    if answers.iter().any(Result::is_ok) {
        // Each question is in the log, with who asked it.
        Noted::of(&parts).nothing_more();
    }
    let mut response = AllWritten::of(answers).into_body().into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// Reads all at once, as nearly every batch can be; only one that breaks a rule is read question by question.
fn read_all(body: &[u8]) -> Result<Vec<Result<VerifyRequest, BrokenQuestion>>, ApiProblem> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Apart {
        requests: Vec<Box<RawValue>>,
    }
    if let Ok(VerifyBatch { requests }) = parse_json(body) {
        bounded(requests.len())?;
        return Ok(requests.into_iter().map(|Object(request)| Ok(request)).collect());
    }
    let Apart { requests } = parse_json(body)?;
    bounded(requests.len())?;
    let read = |(place, request): (usize, Box<RawValue>)| {
        parse_json(request.get().as_bytes()).map_err(|problem| at(place, problem))
    };
    Ok(requests.into_iter().enumerate().map(read).collect())
}

fn bounded(count: usize) -> Result<(), Invalid> {
    if count > MAX_QUESTIONS {
        return Err(Invalid::new("requests", format!("must have at most {MAX_QUESTIONS} entries")));
    }
    Ok(())
}

fn permissions_bounded(requests: &[Result<VerifyRequest, BrokenQuestion>]) -> Result<(), Invalid> {
    let permissions =
        |request: &VerifyRequest| request.permissions.as_ref().map_or(0, |asked| asked.parts().0.len());
    let asked: usize = requests.iter().flatten().map(permissions).sum();
    if asked > MAX_BATCH_PERMISSIONS {
        let rule = format!("must ask for at most {MAX_BATCH_PERMISSIONS} permissions altogether");
        return Err(Invalid::new("requests", rule));
    }
    Ok(())
}

async fn answer_all(
    app: &App,
    requests: &[Result<VerifyRequest, BrokenQuestion>],
    asker: &Asker,
    asked: &Asked<'_>,
) -> Vec<Result<Verdict, BrokenQuestion>> {
    let questions: Vec<_> = requests.iter().enumerate().map(question).collect();
    let asks = questions.iter().flatten().map(|question| (question.key(), question.ask(asker.tenant_id)));
    let asks: Vec<_> = asks.collect();
    let verdicts = app.verifier.verify_all(&asks).await;
    for (verdict, (_, ask)) in verdicts.iter().zip(&asks) {
        app.metrics.decided(Face::Verify, verdict.code());
        asked.decided(app, asker, (verdict, ask), None);
    }
    let mut verdicts = verdicts.into_iter();
    // There is one verdict for each question that could be asked.
    let answers = questions.into_iter().filter_map(|question| match question {
        Ok(_) => verdicts.next().map(Ok),
        Err(broken) => Some(Err(broken)),
    });
    answers.collect()
}

fn question(
    (place, request): (usize, &Result<VerifyRequest, BrokenQuestion>),
) -> Result<Question<'_>, BrokenQuestion> {
    let request = request.as_ref().map_err(Clone::clone)?;
    if request.explain {
        // Explanations are for people, and slow beside a verdict.
        let rule = "is for one question at a time: `POST /api/v1/keys/verify`";
        return Err(at(place, Invalid::new("explain", rule).into()));
    }
    if request.estimate.is_some() {
        let rule = "is for one question at a time: `POST /api/v1/keys/verify`";
        return Err(at(place, Invalid::new("estimate", rule).into()));
    }
    Question::of(request).map_err(|invalid| at(place, invalid.into()))
}

fn at(place: usize, problem: ApiProblem) -> BrokenQuestion {
    problem.of_question(&format!("requests[{place}]"))
}
