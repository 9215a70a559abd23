"""What the instance `openai` is answered where a test lays down nothing: by the model's name."""

import base64
import json
import struct

from exchange import Response, reply

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


def answer(request):
    """The reply to a request."""
    body = request.body
    if request.method == "GET":
        models = [{"id": "gpt-script", "object": "model", "created": 7, "owned_by": "script"}]
        return reply({"object": "list", "data": models})
    if request.path.endswith("/embeddings"):
        return reply(embeddings(body))
    if body["model"] in ERRORS:
        status, kind, code, message = ERRORS[body["model"]]
        error = {"message": message, "type": kind, "param": None, "code": code}
        headers = {"x-request-id": "req-upstream", **(RATE_LIMITS if status == 429 else {})}
        return reply({"error": error}, status, headers)
    if body.get("stream"):
        frames = "".join(f"data: {frame}\n\n" for frame in chunks(body))
        return Response(frames, content_type="text/event-stream")
    return reply(completion(body), headers={"x-ratelimit-remaining-requests": "41"})


def completion(body):
    message, finish = message_to(body)
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


def message_to(body):
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
    message, finish = message_to(body)
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
