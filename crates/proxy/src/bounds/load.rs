//! How much of each kind a request can use, by the rule of its operation.

use keystile_core::llm::{PicoUsd, Price, Upstream};

use super::prompt::Prompt;
use super::vision::is_dearest_vision;
use super::{dearest_input, picos};
use crate::call::{Body, Call, Form};
use crate::json::Json;
use crate::operation::Operation;

/// Fewest bytes in which anybody packs a second of speech: Opus at 6 kbit/s has 750.
const BYTES_A_SECOND: u64 = 500;
/// Tokens that a second of speech becomes at most; with OpenAI it is ten.
const TOKENS_A_SECOND: u64 = 32;
/// Most tokens of an image that is made, where the model does not say; the largest in the highest quality has some six thousand.
const IMAGE_OUTPUT: u64 = 16_384;
/// Most tokens of an image that is changed; with the highest fidelity some seven thousand.
const IMAGE_INPUT: u64 = 16_384;
/// Most tokens of what is written down of speech, where the model does not say.
const TRANSCRIPT: u64 = 16_384;

/// Fields by which a recording is elsewhere than in a file of the form, so that nobody knows how long it is.
const SOUND_ELSEWHERE: [&str; 4] = ["audio_url", "file", "file_url", "url"];

/// Upper bounds of all that a request can use, but for the output that can be capped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Load {
    /// Tokens of input.
    pub(crate) input: u64,
    /// Tokens of output that no cap bears on.
    pub(crate) output: u64,
    /// How many answers a cap bears on each of; `None` where nothing can be capped.
    pub(crate) choices: Option<u64>,
    pub(crate) images: u64,
    pub(crate) characters: u64,
    pub(crate) audio_seconds: u64,
    /// The field that makes the input unbounded, if there is one and the model's window is not known.
    pub(crate) unbounded: Option<String>,
}

impl Load {
    pub(crate) fn of(call: &Call, upstream: &Upstream) -> Self {
        let price = upstream.model.price.as_ref();
        match call.operation() {
            Operation::ChatCompletions
            | Operation::Responses
            | Operation::Completions
            | Operation::Messages
            | Operation::Embeddings => Self::of_text(call, upstream),
            Operation::ImagesGenerations | Operation::ImagesEdits | Operation::ImagesVariations => {
                Self::of_images(call, upstream, price)
            }
            Operation::AudioSpeech => Self::of_speech(call, price),
            Operation::AudioTranscriptions | Operation::AudioTranslations => {
                Self::of_transcript(call, upstream, price)
            }
            Operation::Models | Operation::Model(_) | Operation::Moderations | Operation::CountTokens => {
                Self::default()
            }
        }
    }

    fn of_text(call: &Call, upstream: &Upstream) -> Self {
        let shape = call.shape();
        // Where a deployment may be called anything, what clients call the model may tell more.
        let (own, theirs) = (upstream.model.name.as_str(), upstream.model.upstream_name.as_str());
        let prompt = Prompt::of(call, if is_dearest_vision(own) { own } else { theirs });
        let window = upstream.model.context_window.map(|window| window.saturating_mul(shape.prompts));
        let visible = prompt.tokens.saturating_mul(prompt.weight);
        let (input, unbounded) = match (window, prompt.hidden) {
            (Some(window), Some(_)) => (window.saturating_mul(prompt.weight), None),
            (Some(window), None) => (visible.min(window.saturating_mul(prompt.weight)), None),
            (None, hidden) => (visible, hidden),
        };
        let echoed =
            if call.is_echoed() { input.saturating_mul(shape.choices / shape.prompts.max(1)) } else { 0 };
        let guessed = prompt.guessed.saturating_mul(shape.choices);
        let has_output = !matches!(call.operation(), Operation::Embeddings);
        Self {
            input,
            output: echoed.saturating_add(guessed),
            choices: has_output.then_some(shape.choices),
            unbounded,
            ..Self::default()
        }
    }

    fn of_images(call: &Call, upstream: &Upstream, price: Option<&Price>) -> Self {
        let made = call.shape().choices;
        if price.is_some_and(|price| price.image.is_some()) {
            return Self { images: made, ..Self::default() };
        }
        let output = upstream.model.max_output_tokens.unwrap_or(IMAGE_OUTPUT);
        let input =
            Prompt::of(call, "").tokens.saturating_add(given_images(call).saturating_mul(IMAGE_INPUT));
        Self { input, output: output.saturating_mul(made), ..Self::default() }
    }

    fn of_speech(call: &Call, price: Option<&Price>) -> Self {
        let spoken = call.body().text("input").ok().flatten().unwrap_or_default();
        let characters = u64::try_from(spoken.chars().count()).unwrap_or(u64::MAX);
        if price.is_some_and(|price| price.character.is_some()) {
            return Self { characters, ..Self::default() };
        }
        Self { input: Prompt::of(call, "").tokens, characters, ..Self::default() }
    }

    fn of_transcript(call: &Call, upstream: &Upstream, price: Option<&Price>) -> Self {
        let bytes = sizes(call).fold(0, u64::saturating_add);
        let audio_seconds = bytes.div_ceil(BYTES_A_SECOND);
        let unbounded = sound_elsewhere(call);
        if price.is_some_and(|price| price.second.is_some()) {
            return Self { audio_seconds, unbounded, ..Self::default() };
        }
        let heard = audio_seconds.saturating_mul(TOKENS_A_SECOND);
        let input = Prompt::of(call, "").tokens.saturating_add(heard);
        let output = upstream.model.max_output_tokens.unwrap_or(TRANSCRIPT);
        Self { input, output, unbounded, ..Self::default() }
    }

    pub(crate) const fn fixed_tokens(&self) -> u64 {
        self.input.saturating_add(self.output)
    }

    /// What all but the capped output costs at most.
    pub(crate) fn fixed_picos(&self, price: &Price) -> u128 {
        let given = |price: Option<PicoUsd>| price.map_or(0, PicoUsd::as_picos);
        [
            picos(dearest_input(price), self.input),
            picos(price.output.as_picos(), self.output),
            picos(given(price.image), self.images),
            picos(given(price.character), self.characters),
            picos(given(price.second), self.audio_seconds),
        ]
        .into_iter()
        .fold(0, u128::saturating_add)
    }
}

/// Whether what the operation uses has a price. Tokens always have; of speech no upstream tells the tokens.
pub(crate) const fn has_price(operation: &Operation, price: &Price) -> bool {
    match operation {
        Operation::AudioSpeech => price.character.is_some(),
        Operation::ChatCompletions
        | Operation::Responses
        | Operation::Completions
        | Operation::Embeddings
        | Operation::Models
        | Operation::Model(_)
        | Operation::Moderations
        | Operation::ImagesGenerations
        | Operation::ImagesEdits
        | Operation::ImagesVariations
        | Operation::AudioTranscriptions
        | Operation::AudioTranslations
        | Operation::Messages
        | Operation::CountTokens => true,
    }
}

impl Call {
    pub(super) fn is_completion(&self) -> bool {
        matches!(self.operation(), Operation::Completions)
    }

    /// Whether each answer begins with the text that it continues.
    fn is_echoed(&self) -> bool {
        self.is_completion() && self.body().flag("echo").unwrap_or(true)
    }
}

/// How many images are sent to be changed, the mask among them.
fn given_images(call: &Call) -> u64 {
    let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    match call.body() {
        Body::Nothing => 0,
        Body::Json(object) => {
            let listed = object.given("images").map(Json::items).unwrap_or_default().len();
            let alone = ["image", "mask"].iter().filter(|name| object.given(name).is_some()).count();
            count(listed).saturating_add(count(alone))
        }
        Body::Form(form) => count(form.file_sizes().count()),
    }
}

/// The field that says where a recording is, if it is not in the form.
fn sound_elsewhere(call: &Call) -> Option<String> {
    let form = match call.body() {
        Body::Form(form) => form,
        Body::Nothing | Body::Json(_) => return None,
    };
    form.texts().map(|(name, _)| name).find(|name| SOUND_ELSEWHERE.contains(name)).map(str::to_owned)
}

/// The files of a form.
fn sizes(call: &Call) -> impl Iterator<Item = u64> {
    let form = match call.body() {
        Body::Form(form) => Some(form),
        Body::Nothing | Body::Json(_) => None,
    };
    form.into_iter().flat_map(Form::file_sizes)
}
