"""Google's Gemini API. <https://ai.google.dev/api/generate-content>"""

import json

from exchange import events, reply
from parts import Call, Image, Own, Result, Text, Thought, by_speaker, joined, pieces

name = "google"
recordings = ["google-generate"]
services = []
model = "gemini-3-flash-preview"
plugin = "google"
base = "/google"
passthrough = "true"
options = ""
key = ("x-goog-api-key", "")
turn = [
    Thought("Two cities, two calls."),
    Text("Let me look at both."),
    Call("lx8q24je", "weather", {"city": "Oslo"}, signature="Ep4CCpsCARFNMg/eZhosD62t+A=="),
    Call("lx8q24jf", "weather", {"city": "Bergen"}),
]
history = "contents"
tokens = 42
vectors = [[0.5, -0.25, 1.0], [2.0, 0.125, -8.0]]
fixed = {
    ("POST", f"/v1beta/models/{model}:countTokens"): reply({"totalTokens": tokens}),
    ("POST", "/v1beta/models/gemini-embedding-001:batchEmbedContents"): reply(
        {"embeddings": [{"values": vector} for vector in vectors]}
    ),
    ("GET", "/v1beta/models"): reply(
        {
            "models": [
                {
                    "name": f"models/{model}",
                    "displayName": "Gemini 3 Flash Preview",
                    "inputTokenLimit": 1048576,
                    "outputTokenLimit": 65536,
                    "supportedGenerationMethods": ["generateContent", "countTokens"],
                }
            ]
        }
    ),
}
WORDS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}


def answer(parts):
    """A reply in one piece."""
    return reply(frame(parts, finish="STOP"))


def stream(parts):
    """The same as a stream."""
    return events([*frames(parts), frame([Text("")], finish="STOP")])


def breaks_off(parts, message):
    """A stream that ends with an error."""
    return events([*frames(parts), error(503, message)])


def failure(status, message):
    return reply(error(status, message), status)


def error(status, message):
    return {"error": {"code": status, "message": message, "status": WORDS[status]}}


def frame(parts, finish=None):
    content = {"role": "model", "parts": [write(part) for part in parts]}
    candidate = {"content": content, "index": 0}
    if finish:
        candidate["finishReason"] = finish
    return {
        "candidates": [candidate],
        "usageMetadata": {
            "promptTokenCount": 11,
            "candidatesTokenCount": 5,
            "totalTokenCount": 16,
        },
        "modelVersion": model,
        "responseId": "kbFrauHHJ8Diz7IPks",
    }


def frames(parts):
    for part in parts:
        match part:
            case Text(text) | Thought(text):
                yield from (frame([type(part)(piece)]) for piece in pieces(text))
            case _:
                yield frame([part])


def write(part):
    match part:
        case Own(raw):
            return raw
        case Text(text):
            written = {"text": text}
        case Thought(text):
            written = {"text": text, "thought": True}
        case Call():
            call = {"name": part.name, "args": part.arguments}
            written = {"functionCall": {**call, **({"id": part.id} if part.id else {})}}
    if part.signature:
        written["thoughtSignature"] = part.signature
    return written


def is_streamed(request):
    return request.path.endswith(":streamGenerateContent?alt=sse")


def is_complete(response):
    """Whether a reply is a whole answer."""
    pieces = candidates(response)
    is_alone = all(it.get("index", 0) == 0 for it in pieces)
    return is_alone and any(it.get("finishReason") in ("STOP", "MAX_TOKENS") for it in pieces)


def candidates(response):
    frames = response.frames() if response.is_stream else [response.json()]
    return [candidate for frame in frames for candidate in frame.get("candidates", [])]


def said(response):
    """What a reply says."""
    contents = [candidate.get("content", {}) for candidate in candidates(response)]
    return joined(read(part) for content in contents for part in content.get("parts", []))


def turns(body):
    """Who said what in a request."""
    system = body.get("systemInstruction")
    said = [("system", [read(part) for part in system["parts"]])] if system else []
    for content in body["contents"]:
        role = "assistant" if content["role"] == "model" else content["role"]
        said.append((role, [read(part) for part in content["parts"]]))
    return by_speaker(said)


def read(part):
    signature = part.get("thoughtSignature")
    match part:
        case {"functionCall": call}:
            return Call(call.get("id"), call["name"], call.get("args", {}), signature)
        case {"functionResponse": result}:
            response = result["response"]
            said = response.get("error", response.get("result", response))
            text = said if isinstance(said, str) else json.dumps(said, sort_keys=True)
            return Result(result.get("id"), text, "error" in response)
        case {"inlineData": data}:
            return Image(data["mimeType"], data["data"])
        case {"thought": True, "text": text}:
            return Thought(text, signature)
        case {"text": text}:
            return Text(text, signature)
    return Own(part)


def tools(body):
    """The tools of a request, by name."""
    declared = [it for tool in body.get("tools", []) for it in tool.get("functionDeclarations", [])]
    return {it["name"]: it.get("parametersJsonSchema", it.get("parameters")) for it in declared}
