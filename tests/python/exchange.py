"""What goes over the wire between the gateway and an upstream."""

import dataclasses
import json
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: dict
    body: dict | None


@dataclass(frozen=True)
class Response:
    body: str
    status: int = 200
    content_type: str = "application/json"
    headers: dict = field(default_factory=dict)

    def json(self):
        return json.loads(self.body)

    @property
    def is_stream(self):
        return self.content_type.startswith(("text/event-stream", "application/x-ndjson"))

    def cut(self):
        """The same, broken off in the middle."""
        return dataclasses.replace(self, body=self.body[: len(self.body) // 2])

    def frames(self):
        """The JSON of each event of a stream, or of each line."""
        if self.content_type.startswith("application/x-ndjson"):
            data = self.body.splitlines()
        else:
            lines = self.body.replace("\r\n", "\n").split("\n")
            data = [line.removeprefix("data:") for line in lines if line.startswith("data:")]
        return [json.loads(text) for text in data if text.strip() not in ("", "[DONE]")]


def reply(value, status=200, headers=None):
    return Response(json.dumps(value), status, headers=headers or {})


def events(frames, named=False):
    """A stream of server-sent events; each has its name where the vendor names them."""
    names = [f"event: {frame['type']}\n" if named else "" for frame in frames]
    written = [f"{name}data: {json.dumps(frame)}\n\n" for name, frame in zip(names, frames)]
    return Response("".join(written), content_type="text/event-stream; charset=utf-8")


def lines(frames):
    """A stream of lines."""
    body = "".join(json.dumps(frame) + "\n" for frame in frames)
    return Response(body, content_type="application/x-ndjson")
