"""The SDK of OpenAI against the gateway."""

import openai
from sdk import KEYS, MESSAGES, URL, Counting, expect, told

TOOL = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}},
}


def client(key, http=None, **more):
    secret = KEYS.get(key, key)
    return openai.OpenAI(api_key=secret, base_url=f"{URL}/v1", http_client=http, **more)


def chat(key, model="mock-open", **more):
    """A call that can be made with any HTTP client."""
    options = {name: more.pop(name) for name in ["max_retries"] if name in more}
    more.setdefault("messages", MESSAGES)
    return lambda http: client(key, http, **options).chat.completions.create(model=model, **more)


GOOD = client("good")

# Chat, whole and streamed.
answer = GOOD.chat.completions.create(model="mock-open", messages=MESSAGES, max_tokens=4)
assert answer.choices[0].message.content == "The sea was calm", answer
assert answer.choices[0].finish_reason == "length" and answer.usage.completion_tokens == 4, answer
raw = GOOD.chat.completions.with_raw_response.create(model="mock-open", messages=MESSAGES, max_tokens=4)
assert raw.headers["x-request-id"], raw.headers

stream = GOOD.chat.completions.create(model="mock-open", messages=MESSAGES, max_tokens=4, stream=True)
chunks = list(stream)
assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "The sea was calm", chunks
assert all(chunk.usage is None for chunk in chunks), "usage that nobody asked for"

chunks = list(
    GOOD.chat.completions.create(
        model="mock-open", messages=MESSAGES, max_tokens=4, stream=True, stream_options={"include_usage": True}
    )
)
assert chunks[-1].choices == [] and chunks[-1].usage.completion_tokens == 4, chunks[-1]
assert all(chunk.usage is None for chunk in chunks[:-1]), chunks

# Tools, and what they gave back.
asked = GOOD.chat.completions.create(model="mock-open", messages=MESSAGES, tools=[TOOL], max_tokens=64)
call = asked.choices[0].message.tool_calls[0]
assert asked.choices[0].finish_reason == "tool_calls" and call.function.name == "weather", asked
given = {"role": "tool", "tool_call_id": call.id, "content": "calm"}
answer = GOOD.chat.completions.create(
    model="mock-open", messages=[*MESSAGES, asked.choices[0].message, given], tools=[TOOL], max_tokens=64
)
assert answer.choices[0].message.content.startswith("The sea"), answer
pieces = GOOD.chat.completions.create(
    model="mock-open", messages=MESSAGES, tools=[TOOL], max_tokens=64, stream=True
)
arguments = "".join(
    call.function.arguments or ""
    for chunk in pieces
    for choice in chunk.choices
    for call in choice.delta.tool_calls or []
)
assert arguments == "{}", arguments

# Everything else that is served.
embedded = GOOD.embeddings.create(model="mock-open", input=["How", "is it?"])
assert [item.embedding for item in embedded.data] == [[0.5, -0.25, 0.125, 0.75]] * 2, embedded
completion = GOOD.completions.create(model="mock-open", prompt="How is the sea?", max_tokens=4)
assert completion.choices[0].text == "The sea was calm", completion
names = {model.id for model in GOOD.models.list()}
assert "mock-open" in names, names
assert {model.id for model in client("narrow").models.list()} == set()
assert {model.id for model in client("spent").models.list()} == names, "an exhausted budget hides nothing"
assert GOOD.models.retrieve("mock-open").id == "mock-open"
assert GOOD.moderations.create(model="mock-open", input="How?").results[0].flagged is False
assert len(GOOD.images.generate(model="mock-open", prompt="A calm sea", n=2).data) == 2
spoken = GOOD.audio.speech.create(model="mock-open", input="The sea", voice="alloy")
assert spoken.read().startswith(b"ID3")
heard = GOOD.audio.transcriptions.create(model="mock-open", file=("sea.wav", b"x" * 4000))
assert heard.text == "The sea was calm.", heard

# Responses, whole and streamed.
response = GOOD.responses.create(model="mock-open", input="How is the sea?", max_output_tokens=64)
assert response.output_text.startswith("The sea") and response.usage.output_tokens == 8, response
events = list(GOOD.responses.create(model="mock-open", input="How?", max_output_tokens=64, stream=True))
assert events[0].type == "response.created" and events[-1].type == "response.completed", events
assert events[-1].response.usage.output_tokens == 8, events[-1]
said = "".join(event.delta for event in events if event.type == "response.output_text.delta")
assert said == response.output_text, said

# Every class of error, and how often the SDK asks.
expect(openai.AuthenticationError, 1, chat("sk-nobody"), code="invalid_api_key", status_code=401)
expect(openai.PermissionDeniedError, 1, chat("blocked"), code="key_blocked", type="permission_error")
expect(openai.PermissionDeniedError, 1, chat("narrow"), code="model_not_found")
told(expect(openai.NotFoundError, 1, chat("good", "mock-nobody"), code="model_not_found", param="model"))
expect(openai.BadRequestError, 1, chat("good", messages="How?"), type="invalid_request_error")
expect(openai.BadRequestError, 1, chat("good", "mock-unpriced"), code="model_price_unknown")
expect(openai.BadRequestError, 1, chat("good", "mock-open-error-400"), status_code=400)
long = [{"role": "user", "content": "Why? " * 400}]
expect(openai.BadRequestError, 1, chat("few_tokens", messages=long), code="request_too_large_for_limit")
spent = expect(openai.RateLimitError, 1, chat("spent"), code="insufficient_quota", type="insufficient_quota")
told(spent)
expect(openai.InternalServerError, 3, chat("good", "mock-open-error-500"), status_code=500)
expect(openai.InternalServerError, 1, chat("good", "mock-open-error-500", max_retries=0), status_code=500)

# What is tried again, and succeeds.
http = Counting()
assert chat("good", "mock-open-error-500-times-1", max_tokens=4)(http).choices and http.requests == 2, http.requests
http = Counting()
limited = client("slow", http)
for _ in range(2):
    limited.chat.completions.create(model="mock-open", messages=MESSAGES, max_tokens=1)
assert http.requests == 3, f"the second waits as long as it is told, and is sent once more: {http.requests}"
first = client("slow", max_retries=0)
refused = None
for _ in range(2):
    try:
        first.chat.completions.create(model="mock-open", messages=MESSAGES, max_tokens=1)
    except openai.RateLimitError as error:
        refused = error
assert refused.code == "rate_limit_exceeded" and refused.type == "requests", refused
assert 0 < float(refused.response.headers["retry-after-ms"]) <= 2_000, refused.response.headers

# An error in the middle of a stream.
stream = GOOD.chat.completions.create(model="mock-open-error-after-3", messages=MESSAGES, stream=True, max_tokens=8)
try:
    list(stream)
except openai.APIError as error:
    assert error.message, error
else:
    raise AssertionError("the stream ended as if all were well")
