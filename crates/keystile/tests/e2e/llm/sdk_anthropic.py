"""The SDK of Anthropic against the gateway."""

import anthropic
from sdk import KEYS, MESSAGES, URL, Counting, expect, told

TOOL = {"name": "weather", "input_schema": {"type": "object", "properties": {}}}


def client(key, http=None, **more):
    secret = KEYS.get(key, key)
    return anthropic.Anthropic(api_key=secret, base_url=URL, http_client=http, **more)


def message(key, model="mock-claude", **more):
    """A call that can be made with any HTTP client."""
    options = {name: more.pop(name) for name in ["max_retries"] if name in more}
    more.setdefault("messages", MESSAGES)
    more.setdefault("max_tokens", 64)
    return lambda http: client(key, http, **options).messages.create(model=model, **more)


GOOD = client("good")

# Messages, whole and streamed, in both ways of reading streams.
answer = GOOD.messages.create(model="mock-claude", messages=MESSAGES, max_tokens=4)
assert answer.content[0].text == "The sea was calm" and answer.stop_reason == "max_tokens", answer
assert answer.usage.output_tokens == 4 and answer.usage.input_tokens > 0, answer

events = list(GOOD.messages.create(model="mock-claude", messages=MESSAGES, max_tokens=4, stream=True))
assert events[0].type == "message_start" and events[-1].type == "message_stop", events
assert [event.usage.output_tokens for event in events if event.type == "message_delta"] == [4], events

with GOOD.messages.stream(model="mock-claude", messages=MESSAGES, max_tokens=4) as stream:
    assert "".join(stream.text_stream) == "The sea was calm"
    final = stream.get_final_message()
assert final.usage.output_tokens == 4 and final.stop_reason == "max_tokens", final

# Tools, and what they gave back.
asked = GOOD.messages.create(model="mock-claude", messages=MESSAGES, tools=[TOOL], max_tokens=64)
call = asked.content[0]
assert asked.stop_reason == "tool_use" and (call.name, call.input) == ("weather", {}), asked
given = {"type": "tool_result", "tool_use_id": call.id, "content": "calm"}
turns = [*MESSAGES, {"role": "assistant", "content": asked.content}, {"role": "user", "content": [given]}]
answer = GOOD.messages.create(model="mock-claude", messages=turns, tools=[TOOL], max_tokens=64)
assert answer.content[0].text.startswith("The sea"), answer
with GOOD.messages.stream(model="mock-claude", messages=MESSAGES, tools=[TOOL], max_tokens=64) as stream:
    final = stream.get_final_message()
assert final.content[0].input == {} and final.stop_reason == "tool_use", final

# Counting and listing.
assert GOOD.messages.count_tokens(model="mock-claude", messages=MESSAGES).input_tokens > 0
assert client("spent").messages.count_tokens(model="mock-claude", messages=MESSAGES).input_tokens > 0
names = {model.id for model in GOOD.models.list()}
assert "mock-claude" in names, names
assert {model.id for model in client("spent").models.list()} == names, "an exhausted budget hides nothing"
assert GOOD.models.retrieve("mock-claude").id == "mock-claude"

# The other place for a key.
named = anthropic.Anthropic(auth_token=KEYS["good"], base_url=URL)
assert named.messages.create(model="mock-claude", messages=MESSAGES, max_tokens=1).content

# Every class of error, and how often the SDK asks.
told(expect(anthropic.AuthenticationError, 1, message("sk-nobody"), status_code=401, type="authentication_error"))
told(expect(anthropic.PermissionDeniedError, 1, message("blocked"), type="permission_error"))
expect(anthropic.PermissionDeniedError, 1, message("narrow"), status_code=403)
told(expect(anthropic.NotFoundError, 1, message("good", "mock-nobody"), type="not_found_error"))
expect(anthropic.BadRequestError, 1, message("good", messages="How?"), type="invalid_request_error")
expect(anthropic.BadRequestError, 1, message("good", "mock-claude-unpriced"), status_code=400)
expect(anthropic.BadRequestError, 1, message("good", "mock-claude-error-400"), status_code=400)
long = [{"role": "user", "content": "Why? " * 400}]
expect(anthropic.BadRequestError, 1, message("few_tokens", messages=long), status_code=400)
# Whatever it is told to wait, this SDK waits, so that only `x-should-retry` keeps it from asking again.
told(expect(anthropic.RateLimitError, 1, message("spent"), status_code=429))
expect(anthropic.InternalServerError, 3, message("good", "mock-claude-error-500"), status_code=500)
expect(anthropic.InternalServerError, 1, message("good", "mock-claude-error-500", max_retries=0), status_code=500)

# What is tried again, and succeeds.
http = Counting()
assert message("good", "mock-claude-error-500-times-1")(http).content and http.requests == 2, http.requests
http = Counting()
limited = client("slow", http)
for _ in range(2):
    limited.messages.create(model="mock-claude", messages=MESSAGES, max_tokens=1)
assert http.requests == 3, f"the second waits as long as it is told, and is sent once more: {http.requests}"

# An error in the middle of a stream.
stream = GOOD.messages.create(model="mock-claude-error-after-3", messages=MESSAGES, stream=True, max_tokens=64)
try:
    list(stream)
except anthropic.APIStatusError as error:
    assert error.message, error
else:
    raise AssertionError("the stream ended as if all were well")
