"""What a vendor must see again comes back to it through clients that send back what they received:
signatures, redacted and encrypted thoughts, ids, in their places and in their order."""

import dataclasses

import pytest

import recordings
from cases import ANSWER, ASKED, each_vendor, model_of, streamed_or_not, written
from parts import Call, Own, Result, Text, Thought, only, text_of
from talks import AnthropicTalk, OpenAiTalk


@pytest.fixture(params=[OpenAiTalk, AnthropicTalk], ids=["openai", "anthropic"])
def talk(request, client, claude):
    """Begins a talk through one of the clients."""
    chosen = client if request.param is OpenAiTalk else claude
    return lambda model, tools=(): request.param(chosen, model, tools)


def sees_again(parts):
    """What a vendor must find in the next request of what it said: all but what it ran itself.
    Reasoning of the Responses API that is not encrypted is of no use without its storage."""
    lost = [it for it in only(Thought, parts) if it.id and it.data is None]
    return [part for part in parts if not isinstance(part, Own) and part not in lost]


def with_made_ids(parts, expected):
    """The parts; a call that had no id of the vendor's own is without the one that it got."""
    made = [call.id is None for call in only(Call, expected)]
    for at, is_made in zip([at for at, it in enumerate(parts) if isinstance(it, Call)], made):
        if is_made:
            parts[at] = dataclasses.replace(parts[at], id=None)
    return parts


def by_kind(parts):
    """For a client whose messages do not tell how kinds of parts follow each other."""
    texts = only(Text, parts)
    signatures = [text.signature for text in texts if text.signature]
    return only(Thought, parts), text_of(parts), signatures, only(Call, parts)


@streamed_or_not
@each_vendor
def test_a_turn_with_thoughts_and_calls_comes_back_to_its_vendor(talk, upstream, vendor, streamed):
    upstream.will_answer(written(vendor, vendor.turn, streamed), written(vendor, ANSWER, streamed))
    talk = talk(model_of(vendor), ["weather"])
    talk.say(ASKED)
    talk.ask(streamed)
    calls = only(Call, talk.heard)
    assert [(it.name, it.arguments) for it in calls] == [
        (it.name, it.arguments) for it in only(Call, vendor.turn)
    ]
    results = [Result(call.id, f"{degrees} degrees") for degrees, call in enumerate(calls)]
    talk.give(results)
    talk.ask(streamed)
    assert talk.heard == ANSWER
    assert vendor.turns(upstream.last().body) == [
        ("user", [ASKED]),
        ("assistant", vendor.turn),
        ("user", results),
    ]


@pytest.mark.parametrize("recording", recordings.chosen(recordings.seen_again))
def test_a_recorded_answer_comes_back_to_its_vendor(talk, upstream, recording):
    vendor, streamed = recording.vendor, recording.response.is_stream
    upstream.will_answer(recording.response, written(vendor, ANSWER, streamed))
    talk = talk(recording.qualified, [call.name for call in only(Call, recording.said)])
    talk.say(ASKED)
    talk.ask(streamed)
    results = [Result(call.id, "it rains") for call in only(Call, talk.heard)]
    if results:
        talk.give(results)
    else:
        talk.say(Text("Go on."))
    talk.ask(streamed)
    turns = vendor.turns(upstream.last().body)
    expected = sees_again(recording.said)
    returned = with_made_ids(sees_again(turns[1][1]), expected)
    assert [role for role, _ in turns] == ["user", "assistant", "user"]
    assert by_kind(returned) == by_kind(expected)
    if isinstance(talk, AnthropicTalk):
        assert returned == expected
