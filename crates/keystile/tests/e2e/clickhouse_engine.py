"""ClickHouse's own engine (chdb) behind as much of its HTTP interface as the request log needs.

Arguments: a folder for the data, the user and the password. Prints the port on which it listens.
"""

import gzip
import re
import sys
import unittest.mock
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qsl, urlsplit

# Only results that are Arrow tables need it, and there are none here; it is nearly as large as the engine.
sys.modules["pyarrow"] = unittest.mock.MagicMock()

from chdb import session  # noqa: E402

FOLDER, USER, PASSWORD = sys.argv[1:]
# Statuses of ClickHouse's codes, as in src/Server/HTTP/exceptionCodeToHTTPStatus.cpp; of all others it is 500.
STATUSES = {27: 400, 47: 404, 53: 400, 60: 404, 62: 400, 81: 404, 115: 404, 117: 400, 516: 403}


class Interface(BaseHTTPRequestHandler):
    # A connection for each request, as one is served at a time.
    protocol_version = "HTTP/1.0"

    def do_POST(self):
        settings = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True, strict_parsing=True))
        query = settings.pop("query", "")
        # A parameter of the interface; all the others are settings of the engine. What is run here has ended when it is answered.
        settings.pop("wait_end_of_query", None)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        if (self.headers.get("X-ClickHouse-User"), self.headers.get("X-ClickHouse-Key")) != (USER, PASSWORD):
            return self.fail("Code: 516. DB::Exception: Authentication failed")
        try:
            self.answer(200, ENGINE.query(statement(query, settings, body.decode()), "JSONEachRow").bytes() or b"")
        except Exception as error:
            self.fail(str(error))

    def fail(self, text):
        found = re.search(r"Code: (\d+)", text)
        code = int(found.group(1)) if found else 1002
        self.answer(STATUSES.get(code, 500), text.encode(), ("X-ClickHouse-Exception-Code", str(code)))

    def answer(self, status, body, *headers):
        self.send_response(status)
        for name, value in [("X-ClickHouse-Summary", "{}"), ("Content-Length", str(len(body))), *headers]:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def statement(query, settings, body):
    """The whole statement: settings stand before the format, and the rows behind it."""
    if not query:
        return body
    said = ", ".join(f"{name} = {quoted(value)}" for name, value in settings.items())
    before, format, name = query.rpartition(" FORMAT ")
    return f"{before} SETTINGS {said}{format}{name}\n{body}"


def quoted(value):
    return value if value.isdigit() else "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


ENGINE = session.Session(FOLDER)
SERVER = HTTPServer(("127.0.0.1", 0), Interface)
print(SERVER.server_port, flush=True)
SERVER.serve_forever()
