"""What a conversation consists of, in words of no vendor: the tests compare in these.

Signatures and the data of a thought are what a vendor must see again, unread by anyone else.
"""

import dataclasses
import json
from dataclasses import dataclass


@dataclass(frozen=True)
class Text:
    text: str
    signature: str | None = None


@dataclass(frozen=True)
class Thought:
    """Reasoning: its text, its proof, what is readable to the vendor alone, and its name."""

    text: str = ""
    signature: str | None = None
    data: str | None = None
    id: str | None = None


@dataclass(frozen=True)
class Call:
    id: str | None
    name: str
    arguments: dict
    signature: str | None = None


@dataclass(frozen=True)
class Result:
    """What a tool answered to a call."""

    id: str | None
    text: str
    is_error: bool = False


@dataclass(frozen=True)
class Image:
    """A picture as base64. There are vendors who are not told its type."""

    media_type: str | None
    data: str


@dataclass(frozen=True)
class Own:
    """What only the vendor understands, such as the trace of a tool that it ran itself."""

    raw: dict


def only(kind, parts):
    return [part for part in parts if isinstance(part, kind)]


def text_of(parts):
    return "".join(part.text for part in only(Text, parts))


def thinking_of(parts):
    return "".join(part.text for part in only(Thought, parts))


def called(parts):
    """What the client is to run."""
    return [(call.name, call.arguments) for call in only(Call, parts)]


def joined(parts):
    """Neighbours that are pieces of one text become that text; nothing is left of empty ones."""
    whole = []
    for part in parts:
        last = whole[-1] if whole else None
        if isinstance(part, Text) and isinstance(last, Text):
            signature = part.signature or last.signature
            whole[-1] = Text(last.text + part.text, signature)
        elif isinstance(part, Thought) and may_continue(last, part):
            whole[-1] = dataclasses.replace(part, text=last.text + part.text)
        else:
            whole.append(part)
    return [part for part in whole if part not in (Text(""), Thought())]


def may_continue(last, part):
    return isinstance(last, Thought) and last == Thought(last.text) and part.data is None


def by_speaker(turns):
    """Joins turns of one speaker that follow each other."""
    whole = []
    for role, parts in turns:
        if whole and whole[-1][0] == role:
            whole[-1][1].extend(parts)
        else:
            whole.append((role, list(parts)))
    return [(role, joined(parts)) for role, parts in whole]


def pieces(text):
    """A text in two pieces, as a stream brings it."""
    middle = len(text) // 2
    return [piece for piece in (text[:middle], text[middle:]) if piece]


def arguments_of(text):
    """The arguments of a call; None where it was cut off."""
    try:
        return json.loads(text or "{}")
    except json.JSONDecodeError:
        return None


def compact(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
