"""Recorded exchanges, which tests choose by what is in them.

They are those of this repository, in `tests/exchanges`, and those that ALLOS_WIRE_CORPUS names.
"""

import functools
import json
import os
import pathlib
from dataclasses import dataclass

import pytest

import vendors
from exchange import Request, Response
from parts import Call, Result, Text, Thought

OWN = pathlib.Path(__file__).resolve().parents[1] / "exchanges"

# What the reading of a reply ends with that is not as the vendor's documentation has it.
UNREADABLE = (ValueError, LookupError, TypeError, AttributeError)


@dataclass(frozen=True)
class Recording:
    name: str
    vendor: object
    request: Request
    response: Response

    @property
    def is_answer(self):
        try:
            return self.response.status == 200 and self.vendor.is_complete(self.response)
        except UNREADABLE:
            return False

    def turns(self):
        """Who said what before this."""
        return self.vendor.turns(self.request.body)

    @property
    def error(self):
        """What a failure says, if anything."""
        try:
            error = self.response.json()["error"]
            return error if isinstance(error, str) else error["message"]
        except UNREADABLE:
            return None

    @functools.cached_property
    def said(self):
        return self.vendor.said(self.response)

    @property
    def qualified(self):
        """The model that was asked, by the body or by the path, as the gateway has it."""
        in_path = self.request.path.rpartition("/")[2].partition(":")[0]
        model = (self.request.body or {}).get("model") or in_path or self.vendor.model
        return f"{self.vendor.name}/{model}"


def folders():
    corpus = os.environ.get("ALLOS_WIRE_CORPUS")
    return [folder for folder in (OWN, corpus and pathlib.Path(corpus)) if folder]


def of(vendor, apis=None):
    """All recordings of a vendor's APIs, or of others that it reads."""
    files = [
        file
        for folder in folders()
        for api in apis or vendor.recordings
        for file in sorted((folder / api).glob("*json"))
    ]
    return [read(file, vendor) for file in files]


def read(file, vendor):
    name = f"{file.parent.name}/{file.stem}"
    if file.suffix == ".ndjson":
        request = Request("POST", "", {}, {})
        response = Response(file.read_text(), content_type="application/x-ndjson")
        return Recording(name, vendor, request, response)
    recorded = json.loads(file.read_text())
    request, response = recorded["request"], recorded["response"]
    body = response["body"]
    return Recording(
        name,
        vendor,
        Request(request["method"], request["path"], {}, request["body"]),
        Response(
            body if isinstance(body, str) else json.dumps(body),
            response["status"],
            response["content_type"],
        ),
    )


def answers(vendor):
    """Those in which the vendor answers."""
    return [it for it in of(vendor) if it.is_answer and says(bool, it)]


def answers_of_all(vendor):
    """Also those of services that speak the vendor's dialect."""
    found = of(vendor, vendor.recordings + vendor.services)
    return [it for it in found if it.is_answer and says(bool, it)]


def failures(vendor):
    return [it for it in of(vendor) if it.response.status != 200 and it.error]


def chosen(find):
    """A parameter for each recording of each vendor that `find` finds; one that is skipped where
    there is none."""
    found = [recording for vendor in vendors.ALL for recording in find(vendor)]
    if found:
        return [pytest.param(it, id=f"{it.vendor.name}-{it.name}") for it in found]
    reason = "no such recording: ALLOS_WIRE_CORPUS names no folder of recordings that has one"
    return [pytest.param(None, marks=pytest.mark.skip(reason=reason), id="none")]


def seen_again(vendor):
    """Those in which the vendor says what it wants to see again."""
    return [it for it in answers(vendor) if says(has_seen_again, it)]


def conversations(vendor):
    """Those that were asked with a history in which is what the vendor wants to see again, and of
    which a client can say all that is the user's."""
    return [it for it in of(vendor) if it.is_answer and is_conversation(it)]


def is_conversation(recording):
    if recording.vendor.history not in (recording.request.body or {}):
        return False
    turns = recording.turns()
    _, speakers = split_system(turns)
    roles = [role for role, _ in speakers]
    alternating = ["user", "assistant"] * (len(roles) // 2) + ["user"]
    said = [part for role, parts in turns if role != "assistant" for part in parts]
    answered = [part for role, parts in turns if role == "assistant" for part in parts]
    return (
        roles == alternating
        and all(isinstance(part, Text | Result) for part in said)
        and has_seen_again(answered)
    )


def split_system(turns):
    """The instructions, and what was said then."""
    if turns and turns[0][0] == "system":
        return turns[0][1], turns[1:]
    return [], turns


def says(what, recording):
    """Whether something is in what a recording says. Where these tests cannot read it, it is: so
    the test that chose it tells."""
    try:
        return what(recording.said)
    except UNREADABLE:
        return True


def has_seen_again(parts):
    return any(map(is_seen_again, parts))


def is_seen_again(part):
    return isinstance(part, Call | Thought) or getattr(part, "signature", None)
