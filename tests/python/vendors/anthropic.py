"""Anthropic's Messages API. <https://platform.claude.com/docs/en/api/messages>"""

from exchange import events, reply
from parts import Call, Image, Own, Result, Text, Thought
from parts import arguments_of, by_speaker, compact, joined, pieces, text_of

name = "anthropic"
recordings = ["anthropic-messages"]
services = []
model = "claude-sonnet-4-5"
plugin = "anthropic"
base = "/anthropic"
passthrough = "true"
options = ""
key = ("x-api-key", "")
turn = [
    Thought("Two cities, two calls.", signature="EqQBCgIYAhIM1gbcDa9GJwZA2b3h"),
    Thought(data="EmwKAhgBEgy3va3pzix2RAED"),
    Text("Let me look at both."),
    Call("toolu_01A", "weather", {"city": "Oslo"}),
    Call("toolu_01B", "weather", {"city": "Bergen"}),
]
history = "messages"
tokens = 42
fixed = {
    ("POST", "/v1/messages/count_tokens"): reply({"input_tokens": tokens}),
    ("GET", "/v1/models"): reply(
        {
            "data": [
                {
                    "type": "model",
                    "id": model,
                    "display_name": "Claude Sonnet 4.5",
                    "created_at": "2025-09-29T00:00:00Z",
                }
            ],
            "has_more": False,
            "first_id": model,
            "last_id": model,
        }
    ),
}
KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
    500: "api_error",
    529: "overloaded_error",
}


def answer(parts):
    """A reply in one piece."""
    return reply({**head(), "content": [block(part) for part in parts], **end(parts)})


def stream(parts):
    """The same as a stream."""
    return events([*frames(parts), *last_frames(parts)], named=True)


def breaks_off(parts, message):
    """A stream that ends with an error."""
    return events([*frames(parts), error(529, message)], named=True)


def failure(status, message):
    return reply(error(status, message), status, {"request-id": "req_upstream"})


def error(status, message):
    return {"type": "error", "error": {"type": KINDS[status], "message": message}}


def head():
    return {"id": "msg_1", "type": "message", "role": "assistant", "model": model}


def end(parts):
    reason = "tool_use" if any(isinstance(part, Call) for part in parts) else "end_turn"
    usage = {"input_tokens": 11, "output_tokens": 5}
    return {"stop_reason": reason, "stop_sequence": None, "usage": usage}


def block(part):
    match part:
        case Text(text):
            return {"type": "text", "text": text}
        case Thought(data=None):
            return {"type": "thinking", "thinking": part.text, "signature": part.signature}
        case Thought():
            return {"type": "redacted_thinking", "data": part.data}
        case Call():
            return {"type": "tool_use", "id": part.id, "name": part.name, "input": part.arguments}
        case Own(raw):
            return raw


def frames(parts):
    usage = {"input_tokens": 11, "output_tokens": 1}
    message = {**head(), "content": [], "stop_reason": None, "stop_sequence": None, "usage": usage}
    yield {"type": "message_start", "message": message}
    yield {"type": "ping"}
    for index, part in enumerate(parts):
        start, deltas = in_pieces(part)
        yield {"type": "content_block_start", "index": index, "content_block": start}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}


def in_pieces(part):
    whole = block(part)
    match part:
        case Text(text):
            deltas = [{"type": "text_delta", "text": piece} for piece in pieces(text)]
            return {**whole, "text": ""}, deltas
        case Thought(data=None):
            deltas = [{"type": "thinking_delta", "thinking": it} for it in pieces(part.text)]
            deltas.append({"type": "signature_delta", "signature": part.signature})
            return {**whole, "thinking": "", "signature": ""}, deltas
        case Call():
            written = ["", *pieces(compact(part.arguments))]
            return {**whole, "input": {}}, [
                {"type": "input_json_delta", "partial_json": piece} for piece in written
            ]
    return whole, []


def last_frames(parts):
    ended = end(parts)
    usage = ended.pop("usage")
    yield {"type": "message_delta", "delta": ended, "usage": usage}
    yield {"type": "message_stop"}


def is_streamed(request):
    return request.body.get("stream") is True


def is_complete(response):
    """Whether a reply is a whole answer."""
    if response.is_stream:
        return response.frames()[-1]["type"] == "message_stop"
    return response.json().get("type") == "message"


def said(response):
    """What a reply says."""
    return joined(read(block) for block in message(response)["content"])


def message(response):
    """The whole message of a reply or a stream."""
    if not response.is_stream:
        return response.json()
    whole = {}
    inputs = {}
    for frame in response.frames():
        match frame["type"]:
            case "message_start":
                whole = {**frame["message"], "content": []}
            case "content_block_start":
                whole["content"].append(dict(frame["content_block"]))
            case "content_block_delta":
                grow(whole["content"][frame["index"]], frame["delta"], inputs, frame["index"])
            case "message_delta":
                whole.update(frame["delta"])
                whole["usage"] = {**whole["usage"], **frame.get("usage", {})}
    for index, written in inputs.items():
        if written:
            whole["content"][index]["input"] = arguments_of(written)
    whole["content"] = [it for it in whole["content"] if it.get("input", {}) is not None]
    return whole


def grow(block, delta, inputs, index):
    match delta["type"]:
        case "text_delta":
            block["text"] += delta["text"]
        case "thinking_delta":
            block["thinking"] += delta["thinking"]
        case "signature_delta":
            block["signature"] = delta["signature"]
        case "input_json_delta":
            inputs[index] = inputs.get(index, "") + delta["partial_json"]
        case "citations_delta":
            block.setdefault("citations", [])
            block["citations"] = [*(block["citations"] or []), delta["citation"]]


def turns(body):
    """Who said what in a request."""
    said = [("system", content(body["system"]))] if body.get("system") else []
    said += [(message["role"], content(message["content"])) for message in body["messages"]]
    return by_speaker(said)


def content(content):
    if isinstance(content, str):
        return [Text(content)]
    return [read(block) for block in content]


def read(block):
    match block:
        case {"type": "text"}:
            return Text(block["text"])
        case {"type": "thinking"}:
            return Thought(block["thinking"], signature=block["signature"])
        case {"type": "redacted_thinking"}:
            return Thought(data=block["data"])
        case {"type": "tool_use"}:
            return Call(block["id"], block["name"], block["input"])
        case {"type": "tool_result"}:
            text = text_of(content(block.get("content", "")))
            return Result(block["tool_use_id"], text, block.get("is_error", False))
        case {"type": "image", "source": {"media_type": media_type, "data": data}}:
            return Image(media_type, data)
    return Own(block)


def tools(body):
    """The tools of a request, by name."""
    return {it["name"]: it["input_schema"] for it in body.get("tools", []) if "input_schema" in it}
