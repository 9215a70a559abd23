"""Ollama's own API. <https://docs.ollama.com/api/chat>"""

from exchange import lines, reply
from parts import Call, Image, Result, Text, Thought, by_speaker, joined, pieces

name = "ollama"
recordings = ["ollama-chat"]
services = []
model = "qwen3:8b"
plugin = "ollama"
base = "/ollama"
passthrough = "true"
options = ""
key = None
turn = [
    Thought("Two cities, two calls."),
    Text("Let me look at both."),
    Call("call_a", "weather", {"city": "Oslo"}),
    Call("call_b", "weather", {"city": "Bergen"}),
]
history = "messages"
tokens = None
vectors = [[0.5, -0.25, 1.0], [2.0, 0.125, -8.0]]
fixed = {
    ("POST", "/api/embed"): reply(
        {"model": "embeddinggemma", "embeddings": vectors, "prompt_eval_count": 4}
    ),
    ("GET", "/api/tags"): reply({"models": [{"name": model, "model": model, "size": 5}]}),
    ("POST", "/api/show"): reply(
        {
            "capabilities": ["completion", "tools", "thinking"],
            "model_info": {"general.architecture": "qwen3", "qwen3.context_length": 40960},
        }
    ),
}


def answer(parts):
    """A reply in one piece."""
    return reply({**line(message(parts)), **end()})


def stream(parts):
    """The same as a stream."""
    return lines([*frames(parts), {**line(message([])), **end()}])


def breaks_off(parts, message):
    """A stream that ends with an error."""
    return lines([*frames(parts), {"error": message}])


def failure(status, message):
    return reply({"error": message}, status)


def line(message):
    time = "2026-04-10T13:19:59.948798825Z"
    return {"model": model, "created_at": time, "message": message, "done": False}


def end():
    counts = {"total_duration": 499049129, "prompt_eval_count": 11, "eval_count": 5}
    return {"done": True, "done_reason": "stop", **counts}


def message(parts):
    written = {"role": "assistant", "content": ""}
    for part in parts:
        match part:
            case Text(text):
                written["content"] += text
            case Thought(text):
                written["thinking"] = written.get("thinking", "") + text
            case Call():
                calls = written.setdefault("tool_calls", [])
                call = {"index": len(calls), "name": part.name, "arguments": part.arguments}
                calls.append({"id": part.id, "function": call})
    return written


def frames(parts):
    for part in parts:
        match part:
            case Text(text) | Thought(text):
                yield from (line(message([type(part)(piece)])) for piece in pieces(text))
            case _:
                yield line(message([part]))


def is_streamed(request):
    return request.body.get("stream", True)


def is_complete(response):
    """Whether a reply is a whole answer."""
    return frames_of(response)[-1].get("done") is True


def frames_of(response):
    return response.frames() if response.is_stream else [response.json()]


def said(response):
    """What a reply says."""
    return joined(part for frame in frames_of(response) for part in read(frame["message"]))


def turns(body):
    """Who said what in a request."""
    said = []
    for message in body["messages"]:
        role = "user" if message["role"] == "tool" else message["role"]
        said.append((role, list(read(message))))
    return by_speaker(said)


def read(message):
    if message["role"] == "tool":
        yield Result(message.get("tool_call_id"), message["content"])
        return
    if message.get("thinking"):
        yield Thought(message["thinking"])
    if message.get("content"):
        yield Text(message["content"])
    for call in message.get("tool_calls", []):
        yield Call(call.get("id"), call["function"]["name"], call["function"]["arguments"])
    for data in message.get("images", []):
        yield Image(None, data)


def tools(body):
    """The tools of a request, by name."""
    functions = [tool["function"] for tool in body.get("tools", [])]
    return {function["name"]: function["parameters"] for function in functions}
