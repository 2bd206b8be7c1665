"""What the scripts for both SDKs share. The only argument is JSON: where the gateway and the mock are, and secrets of keys by name."""

import json
import sys

import httpx2

SETTINGS = json.loads(sys.argv[1])
URL, MOCK, KEYS = SETTINGS["url"], SETTINGS["mock"], SETTINGS["keys"]
MESSAGES = [{"role": "user", "content": "How is the sea?"}]


class Counting(httpx2.Client):
    """The client that an SDK sends with; it counts requests."""

    def __init__(self):
        self.requests = 0
        super().__init__(event_hooks={"request": [self.count]}, follow_redirects=True)

    def count(self, _request):
        self.requests += 1


def expect(kind, requests, ask, **attributes):
    """Asks by `ask(http_client)`, and wants an error of exactly this class after so many requests."""
    client = Counting()
    try:
        ask(client)
    except Exception as error:
        assert type(error) is kind, f"{type(error).__name__} instead of {kind.__name__}: {error}"
        for name, value in attributes.items():
            assert getattr(error, name) == value, f"{name}: {getattr(error, name)!r} instead of {value!r}"
        assert client.requests == requests, f"{client.requests} requests instead of {requests}: {error}"
        return error
    raise AssertionError(f"no {kind.__name__}")


def told(error):
    """The request id, which helps whoever asks for help."""
    assert error.request_id, f"no request id: {dict(error.response.headers)}"
    return error
