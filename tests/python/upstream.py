"""The server that stands for all vendors: the first segment of a path says which one is asked."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import openai_script
import vendors
from exchange import Request, reply


class Upstream:
    """The server. `received` holds every request; `answers` what the next ones are answered."""

    def __init__(self):
        self.received = []
        self.answers = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler(self))
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def last(self):
        return self.received[-1]

    def will_answer(self, *responses):
        """Lays down what the next chats are answered, in this order."""
        self.answers = list(responses)

    def answer(self, request):
        self.received.append(request)
        path, _, _ = request.path.partition("?")
        vendor, path = path.removeprefix("/").split("/", 1)
        fixed = vendors.BY_BASE[vendor].fixed.get((request.method, f"/{path}"))
        if fixed:
            return fixed
        if request.method == "POST" and self.answers:
            return self.answers.pop(0)
        if vendor == "openai":
            return openai_script.answer(request)
        return reply({"error": f"nothing is laid down for {request.path}"}, 418)


def handler(upstream):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self):
            self.respond(upstream.answer(Request("GET", self.path, self.headers, None)))

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            self.respond(upstream.answer(Request("POST", self.path, self.headers, body)))

        def respond(self, response):
            body = response.body.encode()
            self.send_response(response.status)
            self.send_header("content-type", response.content_type)
            self.send_header("content-length", str(len(body)))
            for name, value in response.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    return Handler
