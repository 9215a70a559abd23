"""OpenAI's Responses API. <https://platform.openai.com/docs/api-reference/responses>"""

from exchange import events, reply
from parts import Call, Image, Own, Result, Text, Thought
from parts import arguments_of, by_speaker, compact, joined, pieces, text_of

name = "responses"
recordings = ["openai-responses"]
services = []
model = "gpt-5"
plugin = "openai"
base = "/responses/v1"
passthrough = "true"
options = 'api = "responses"'
key = ("authorization", "Bearer ")
turn = [
    Thought("**Two cities**\n\nTwo calls.", data="gAAAAABqchYizazzBFqGBdJnzasp", id="rs_1"),
    Text("Let me look at both."),
    Call("call_a", "weather", {"city": "Oslo"}),
    Call("call_b", "weather", {"city": "Bergen"}),
]
history = "input"
tokens = 42
fixed = {
    ("POST", "/v1/responses/input_tokens"): reply(
        {"object": "response.input_tokens", "input_tokens": tokens}
    ),
    ("GET", "/v1/models"): reply(
        {
            "object": "list",
            "data": [{"id": model, "object": "model", "created": 7, "owned_by": "script"}],
        }
    ),
}


def answer(parts):
    """A reply in one piece."""
    return reply(response("completed", [item(part) for part in parts]))


def stream(parts):
    """The same as a stream."""
    done = {"type": "response.completed", "response": response("completed", list(map(item, parts)))}
    return events(numbered([*frames(parts), done]), named=True)


def breaks_off(parts, message):
    """A stream that ends with an error."""
    error = {"type": "error", "code": "server_error", "message": message, "param": None}
    return events(numbered([*frames(parts), error]), named=True)


def failure(status, message):
    kind = "invalid_request_error" if status < 429 else "server_error"
    error = {"message": message, "type": kind, "param": None, "code": None}
    return reply({"error": error}, status, {"x-request-id": "req-upstream"})


def numbered(frames):
    return [{**frame, "sequence_number": number} for number, frame in enumerate(frames)]


def response(status, output):
    usage = {"input_tokens": 11, "output_tokens": 5, "total_tokens": 16}
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1700000000,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "model": model,
        "output": output,
        "usage": usage if status == "completed" else None,
    }


def item(part):
    match part:
        case Own(raw):
            return raw
        case Text(text):
            content = {"type": "output_text", "text": text, "annotations": []}
            message = {"id": "msg_1", "type": "message", "role": "assistant"}
            return {**message, "status": "completed", "content": [content]}
        case Thought():
            summary = [{"type": "summary_text", "text": it} for it in part.text.split("\n\n")]
            thought = {"id": part.id, "type": "reasoning", "summary": summary if part.text else []}
            return {**thought, "encrypted_content": part.data}
        case Call():
            call = {"call_id": part.id, "name": part.name, "arguments": compact(part.arguments)}
            return {"id": f"fc_{part.id}", "type": "function_call", "status": "completed", **call}


def frames(parts):
    started = response("in_progress", [])
    yield {"type": "response.created", "response": started}
    yield {"type": "response.in_progress", "response": started}
    for index, part in enumerate(parts):
        whole = item(part)
        place = {"output_index": index, "item_id": whole.get("id")}
        yield {"type": "response.output_item.added", "output_index": index, "item": empty(whole)}
        for event in within(part):
            yield {**place, **event}
        yield {"type": "response.output_item.done", "output_index": index, "item": whole}


def empty(whole):
    blank = {"content": [], "summary": [], "arguments": "", "encrypted_content": ""}
    blank = {name: value for name, value in blank.items() if name in whole}
    return {**whole, **blank, **({"status": "in_progress"} if "status" in whole else {})}


def within(part):
    """What a stream says of an item between its start and its end."""
    match part:
        case Text(text):
            kind, place = "response.output_text", {"content_index": 0}
            content = {"type": "output_text", "text": text, "annotations": []}
            started = {**content, "text": ""}
            yield {"type": "response.content_part.added", **place, "part": started}
            for piece in pieces(text):
                yield {"type": f"{kind}.delta", **place, "delta": piece}
            yield {"type": f"{kind}.done", **place, "text": text}
            yield {"type": "response.content_part.done", **place, "part": content}
        case Thought():
            for index, text in enumerate(part.text.split("\n\n")):
                kind, place = "response.reasoning_summary", {"summary_index": index}
                summary = {"type": "summary_text", "text": text}
                started = {**summary, "text": ""}
                yield {"type": f"{kind}_part.added", **place, "part": started}
                for piece in pieces(text):
                    yield {"type": f"{kind}_text.delta", **place, "delta": piece}
                yield {"type": f"{kind}_text.done", **place, "text": text}
                yield {"type": f"{kind}_part.done", **place, "part": summary}
        case Call():
            kind, arguments = "response.function_call_arguments", compact(part.arguments)
            for piece in pieces(arguments):
                yield {"type": f"{kind}.delta", "delta": piece}
            yield {"type": f"{kind}.done", "name": part.name, "arguments": arguments}


def is_streamed(request):
    return request.body.get("stream") is True


def is_complete(answer):
    """Whether a reply is a whole answer."""
    return whole(answer).get("status") in ("completed", "incomplete")


def whole(answer):
    """The whole response of a reply or a stream. What is encrypted is another text in each event
    that has it; an item is what its end says."""
    if not answer.is_stream:
        return answer.json()
    frames = answer.frames()
    ended = [it["item"] for it in frames if it["type"] == "response.output_item.done"]
    return {**frames[-1].get("response", {}), "output": ended}


def said(answer):
    """What a reply says."""
    return joined(part for item in whole(answer)["output"] for _, part in read(item))


def turns(body):
    """Who said what in a request."""
    said = [("system", [Text(body["instructions"])])] if body.get("instructions") else []
    asked = body["input"]
    items = [{"role": "user", "content": asked}] if isinstance(asked, str) else asked
    for item in items:
        said += [(role, [part]) for role, part in read(item)]
    return by_speaker(said)


def read(item):
    """What an item says, and who says it."""
    match item.get("type", "message"):
        case "message":
            return [(speaker(item), part) for part in content(item["content"])]
        case "reasoning":
            pieces = item["summary"] or item.get("content") or []
            text = "\n\n".join(piece["text"] for piece in pieces)
            thought = Thought(text, data=item.get("encrypted_content"), id=item.get("id"))
            return [("assistant", thought)]
        case "function_call":
            arguments = arguments_of(item["arguments"])
            call = Call(item["call_id"], item["name"], arguments)
            return [] if arguments is None else [("assistant", call)]
        case "function_call_output":
            text = text_of(content(item["output"]))
            return [("user", Result(item["call_id"], text))]
    return [(speaker(item), Own(item))]


def speaker(item):
    if item.get("type", "").endswith("_call_output"):
        return "user"
    role = item.get("role", "assistant")
    return "system" if role == "developer" else role


def content(content):
    if isinstance(content, str):
        return [Text(content)]
    return [piece_of(part) for part in content]


def piece_of(part):
    match part:
        case {"text": text} | {"refusal": text}:
            return Text(text)
        case {"type": "input_image", "image_url": url}:
            media_type, _, data = url.removeprefix("data:").partition(";base64,")
            return Image(media_type, data)
    return Own(part)


def tools(body):
    """The tools of a request, by name."""
    functions = [tool for tool in body.get("tools", []) if tool["type"] == "function"]
    return {function["name"]: function["parameters"] for function in functions}
