"""A scripted upstream that speaks OpenAI's dialect: the model's name decides what it answers."""

import base64
import json
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ERRORS = {
    "bad-request": (400, "invalid_request_error", "invalid_value", "no such value"),
    "unauthorized": (401, "invalid_request_error", "invalid_api_key", "no such key"),
    "forbidden": (403, "permission_error", "forbidden", "not with this key"),
    "not-found": (404, "invalid_request_error", "model_not_found", "no such model"),
    "conflict": (409, "invalid_request_error", "conflict", "another was first"),
    "unprocessable": (422, "invalid_request_error", "unprocessable", "it makes no sense"),
    "rate-limited": (429, "requests", "rate_limit_exceeded", "too many requests"),
    "broken": (500, "server_error", "internal", "it broke"),
}
RATE_LIMITS = {"retry-after": "7", "x-ratelimit-remaining-requests": "0"}
VECTORS = [[0.5, -0.25, 1.0], [2.0, 0.125, -8.0]]


class Upstream:
    """The server. `received` holds the headers and the body of every request."""

    def __init__(self):
        self.received = []
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


def handler(upstream):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            upstream.received.append((self.headers, None))
            models = [{"id": "gpt-script", "object": "model", "created": 7, "owned_by": "script"}]
            self.reply(200, {"object": "list", "data": models})

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            upstream.received.append((self.headers, body))
            if self.path == "/v1/embeddings":
                self.reply(200, embeddings(body))
            elif body["model"] in ERRORS:
                status, kind, code, message = ERRORS[body["model"]]
                error = {"message": message, "type": kind, "param": None, "code": code}
                self.reply(status, {"error": error}, RATE_LIMITS if status == 429 else {})
            elif body.get("stream"):
                self.stream(chunks(body))
            else:
                self.reply(200, completion(body), {"x-ratelimit-remaining-requests": "41"})

        def reply(self, status, body, headers={}):
            text = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(text)))
            self.send_header("x-request-id", "req-upstream")
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text)

        def stream(self, events):
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.send_header("connection", "close")
            self.end_headers()
            for event in events:
                self.wfile.write(f"data: {event}\n\n".encode())
                self.wfile.flush()
            self.close_connection = True

        def log_message(self, *_):
            pass

    return Handler


def completion(body):
    message, finish = answer(body)
    choices = [
        {"index": index, "message": message, "finish_reason": finish, "logprobs": None}
        for index in range(body.get("n") or 1)
    ]
    return {
        "id": "chatcmpl-script",
        "object": "chat.completion",
        "created": 1700000000,
        "model": body["model"],
        "choices": choices,
        "usage": {"prompt_tokens": 11, "completion_tokens": 5, "total_tokens": 16},
        "system_fingerprint": "fp_script",
    }


def answer(body):
    """The message that the script answers with, and why it ends."""
    if body["model"] == "refuses":
        return {"role": "assistant", "content": None, "refusal": "I would rather not"}, "stop"
    if body.get("tools") and body["messages"][-1]["role"] != "tool":
        function = {"name": body["tools"][0]["function"]["name"], "arguments": '{"city":"Oslo"}'}
        call = {"id": "call_1", "type": "function", "function": function}
        return {"role": "assistant", "content": None, "tool_calls": [call]}, "tool_calls"
    text = '{"city":"Oslo","degrees":21.5}' if body.get("response_format") else "a scripted answer"
    return {"role": "assistant", "content": text, "refusal": None}, "stop"


def chunks(body):
    """The same answer, in pieces."""
    message, finish = answer(body)
    deltas = [{"role": "assistant", "content": ""}]
    text = message["content"] or ""
    deltas += [{"content": text[at : at + 4]} for at in range(0, len(text), 4)]
    for call in message.get("tool_calls", []):
        function = call["function"]
        start = {**call, "index": 0, "function": {"name": function["name"], "arguments": ""}}
        deltas.append({"tool_calls": [start]})
        for piece in (function["arguments"][:5], function["arguments"][5:]):
            deltas.append({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]})
    head = {
        "id": "chatcmpl-script",
        "object": "chat.completion.chunk",
        "created": 1700000000,
        "model": body["model"],
    }
    for delta in deltas:
        yield json.dumps({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
    if body["model"] == "breaks-off":
        error = {"message": "it broke on the way", "type": "server_error", "code": "overloaded"}
        yield json.dumps({"error": error})
        return
    yield json.dumps({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
    if (body.get("stream_options") or {}).get("include_usage"):
        usage = {"prompt_tokens": 11, "completion_tokens": 5, "total_tokens": 16}
        yield json.dumps({**head, "choices": [], "usage": usage})
    yield "[DONE]"


def embeddings(body):
    inputs = body["input"] if isinstance(body["input"], list) else [body["input"]]
    vectors = [vector[: body.get("dimensions") or 3] for vector in VECTORS[: len(inputs)]]
    data = [
        {"object": "embedding", "index": index, "embedding": encoded(vector, body)}
        for index, vector in enumerate(vectors)
    ]
    usage = {"prompt_tokens": 4, "total_tokens": 4}
    return {"object": "list", "data": data, "model": body["model"], "usage": usage}


def encoded(vector, body):
    if body.get("encoding_format") != "base64":
        return vector
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
