"""OpenAI's chat completions, as several services speak them.
<https://platform.openai.com/docs/api-reference/chat>
"""

from exchange import events, reply
from parts import Call, Image, Own, Result, Text, Thought
from parts import arguments_of, by_speaker, compact, joined, pieces, text_of

name = "openai"
recordings = ["openai-chat"]
services = ["compat-cerebras", "compat-deepseek", "compat-groq", "compat-mistral"]
services += ["compat-ollama", "compat-openrouter", "compat-together"]
model = "gpt-4o"
plugin = "openai"
base = "/openai/v1"
passthrough = "true"
options = ""
key = ("authorization", "Bearer ")
turn = [
    Text("Let me look at both."),
    Call("call_a", "weather", {"city": "Oslo"}),
    Call("call_b", "weather", {"city": "Bergen"}),
]
history = "messages"
tokens = None
fixed = {}


def answer(parts):
    """A reply in one piece."""
    message = {"role": "assistant", "content": None, "refusal": None}
    for part in parts:
        match part:
            case Text(text):
                message["content"] = (message["content"] or "") + text
            case Call():
                message.setdefault("tool_calls", []).append(call(part))
    choice = {"index": 0, "message": message, "finish_reason": finish(parts), "logprobs": None}
    return reply({**head("chat.completion"), "choices": [choice], "usage": USAGE})


def stream(parts):
    """The same as a stream."""
    ends = [chunk({}, finish(parts)), {**chunk({}), "choices": [], "usage": USAGE}]
    written = events([*frames(parts), *ends])
    return type(written)(written.body + "data: [DONE]\n\n", content_type=written.content_type)


def breaks_off(parts, message):
    """A stream that ends with an error."""
    return events([*frames(parts), failure(500, message).json()])


def failure(status, message):
    error = {"message": message, "type": "some_error", "param": None, "code": None}
    return reply({"error": error}, status, {"x-request-id": "req-upstream"})


USAGE = {"prompt_tokens": 11, "completion_tokens": 5, "total_tokens": 16}


def head(kind):
    return {"id": "chatcmpl-1", "object": kind, "created": 1700000000, "model": model}


def finish(parts):
    return "tool_calls" if any(isinstance(part, Call) for part in parts) else "stop"


def call(part):
    function = {"name": part.name, "arguments": compact(part.arguments)}
    return {"id": part.id, "type": "function", "function": function}


def chunk(delta, finish=None):
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {**head("chat.completion.chunk"), "choices": [choice]}


def frames(parts):
    yield chunk({"role": "assistant", "content": ""})
    index = 0
    for part in parts:
        match part:
            case Text(text):
                yield from (chunk({"content": piece}) for piece in pieces(text))
            case Call():
                first, second = pieces(compact(part.arguments))
                whole = call(part)
                start = {**whole["function"], "arguments": first}
                yield chunk({"tool_calls": [{**whole, "index": index, "function": start}]})
                more = {"index": index, "function": {"arguments": second}}
                yield chunk({"tool_calls": [more]})
                index += 1


def is_streamed(request):
    return request.body.get("stream") is True


def is_complete(response):
    """Whether a reply is a whole answer."""
    frames = response.frames() if response.is_stream else [response.json()]
    choices = [choice for frame in frames for choice in frame.get("choices") or []]
    has_failed = any(frame.get("error") for frame in frames)
    return not has_failed and any(choice.get("finish_reason") for choice in choices)


def said(response):
    """What a reply says."""
    if not response.is_stream:
        return joined(read(response.json()["choices"][0]["message"]))
    whole = {"role": "assistant", "content": "", "tool_calls": []}
    for frame in response.frames():
        for choice in frame.get("choices") or []:
            grow(whole, choice["delta"])
    return joined(read(whole))


def grow(whole, delta):
    for name in ("reasoning_content", "reasoning", "refusal"):
        if delta.get(name):
            whole[name] = (whole.get(name) or "") + delta[name]
    content = delta.get("content")
    if isinstance(content, list):
        whole.setdefault("pieces", []).extend(content)
    elif content:
        whole.setdefault("pieces", []).append({"type": "text", "text": content})
    for piece in delta.get("tool_calls") or []:
        add_call(whole["tool_calls"], piece)


def add_call(calls, piece):
    index = piece.get("index", len(calls))
    known = next((call for call in calls if call["index"] == index), None)
    if known is None:
        known = {"index": index, "id": None, "function": {"name": "", "arguments": ""}}
        calls.append(known)
    known["id"] = piece.get("id") or known["id"]
    function = piece.get("function", {})
    known["function"]["name"] = function.get("name") or known["function"]["name"]
    known["function"]["arguments"] += function.get("arguments") or ""


def turns(body):
    """Who said what in a request."""
    said = []
    for message in body["messages"]:
        role = {"tool": "user", "developer": "system"}.get(message["role"], message["role"])
        said.append((role, list(read(message))))
    return by_speaker(said)


def read(message):
    if message["role"] == "tool":
        text = text_of(content(message["content"]))
        yield Result(message["tool_call_id"], text)
        return
    thought = message.get("reasoning_content") or message.get("reasoning")
    if thought:
        yield Thought(thought)
    yield from content(message.get("pieces") or message.get("content") or message.get("refusal"))
    for call in message.get("tool_calls") or []:
        function = call.get("function", {})
        arguments = arguments_of(function.get("arguments"))
        if function and arguments is not None:
            yield Call(call["id"], function["name"], arguments)
        else:
            yield Own(call)


def content(content):
    if isinstance(content, str):
        return [Text(content)]
    return [piece_of(part) for part in content or []]


def piece_of(part):
    match part:
        case {"type": "text", "text": text}:
            return Text(text)
        case {"type": "thinking", "thinking": thoughts}:
            return Thought("".join(thought.get("text", "") for thought in thoughts))
        case {"type": "image_url", "image_url": {"url": url}}:
            media_type, _, data = url.removeprefix("data:").partition(";base64,")
            return Image(media_type, data)
    return Own(part)


def tools(body):
    """The tools of a request, by name."""
    functions = [tool["function"] for tool in body.get("tools", []) if "function" in tool]
    return {function["name"]: function["parameters"] for function in functions}
