//! Many questions at a time, and their answers.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{FieldProblem, Object, VerifyAnswer, VerifyRequest, schema};

/// Most questions in one request: the time that it takes to answer them is then still short beside a round trip.
pub const MAX_QUESTIONS: usize = 1_000;
/// Most permissions in one request, of all questions together: each is parsed and looked for, so their number is what a batch costs.
pub const MAX_BATCH_PERMISSIONS: usize = 10_000;

/// Questions about keys.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VerifyBatch {
    /// The questions, 1,000 at most, with 10,000 permissions altogether. `explain` and `estimate` are not for them.
    #[schema(schema_with = schema::questions)]
    pub requests: Vec<Object<VerifyRequest>>,
}

/// The answers to a batch.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct BatchAnswers {
    /// One for each question, in their order.
    pub answers: Vec<BatchAnswer>,
}

/// What came of one question of a batch.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum BatchAnswer {
    /// Yes, or why not.
    Answered(Box<VerifyAnswer<'static>>),
    /// The question breaks a rule. The others are answered all the same.
    Broken(BrokenQuestion),
}

/// A question that breaks a rule, which is no yes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BrokenQuestion {
    /// Always false.
    pub valid: bool,
    /// `invalid_request`.
    pub code: String,
    /// What is wrong and what to do about it.
    pub detail: String,
    /// Each broken rule.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldProblem>,
}

impl BatchAnswer {
    /// Whether the key may do what was asked.
    pub fn is_allowed(&self) -> bool {
        match self {
            Self::Answered(answer) => answer.valid,
            Self::Broken(_) => false,
        }
    }
}
