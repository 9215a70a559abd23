"""What a vendor must see again comes back to it through clients that send back what they received:
signatures, redacted and encrypted thoughts, ids, in their places and in their order."""

import dataclasses

import pytest

import recordings
import vendors
from cases import ANSWER, ASKED, each_vendor, model_of, streamed_or_not, written
from parts import Call, Own, Result, Text, Thought, only, text_of
from talks import AnthropicTalk, OpenAiTalk

# What Google's page has for a call whose signature is not known.
NO_SIGNATURE = "skip_thought_signature_validator"


@pytest.fixture(params=[OpenAiTalk, AnthropicTalk], ids=["openai", "anthropic"])
def talk(request, client, claude):
    """Begins a talk through one of the clients; through Anthropic's with its beta methods, which
    put together more kinds of blocks from a stream."""
    chosen = client if request.param is OpenAiTalk else claude.beta
    return lambda model, tools=(): request.param(chosen, model, tools)


@streamed_or_not
@each_vendor
def test_a_turn_with_thoughts_and_calls_comes_back_to_its_vendor(talk, upstream, vendor, streamed):
    upstream.will_answer(written(vendor, vendor.turn, streamed), written(vendor, ANSWER, streamed))
    talk = talk(model_of(vendor), ["weather"])
    talk.say(ASKED)
    talk.ask(streamed)
    calls = only(Call, talk.heard)
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
    assert [role for role, _ in turns] == ["user", "assistant", "user"]
    assert_comes_back(talk, vendor, turns[1][1], recording.said)


@pytest.mark.parametrize("recording", recordings.chosen(recordings.conversations))
def test_a_recorded_conversation_is_the_same_when_a_client_leads_it(talk, upstream, recording):
    """The vendor answers as the history of the recorded request has it, now as a stream, now in one
    piece; the last request must have the same history."""
    vendor = recording.vendor
    system, turns = recordings.split_system(recording.turns())
    answers = [parts for role, parts in turns if role == "assistant"]
    answers.append(ANSWER)
    streamed = [at % 2 == 0 for at in range(len(answers))]
    upstream.will_answer(*(written(vendor, *it) for it in zip(answers, streamed)))
    talk = talk(recording.qualified, {it.name for it in only(Call, sum(answers, []))})
    if system:
        talk.instruct(text_of(system))
    ids = {}
    for (_, said), answer, as_stream in zip(turns[::2], answers, streamed):
        results = [dataclasses.replace(it, id=ids.get(it.id)) for it in only(Result, said)]
        if results:
            talk.give(results)
        if texts := only(Text, said):
            talk.say(*texts)
        talk.ask(as_stream)
        calls = zip(only(Call, answer), only(Call, talk.heard), strict=True)
        ids.update({theirs.id: ours.id for theirs, ours in calls})
    came = vendor.turns(upstream.last().body)
    assert [role for role, _ in came] == [role for role, _ in recording.turns()]
    for (role, parts), (_, expected) in zip(came, recording.turns()):
        if role == "assistant":
            assert_comes_back(talk, vendor, parts, expected)
        else:
            assert text_of(parts) == text_of(expected)
            assert_answer(only(Result, parts), only(Result, expected))


def assert_answer(results, expected):
    """The results of tools, to the same calls where these had ids."""
    assert [it.text for it in results] == [it.text for it in expected]
    had_ids = [it.id is not None for it in expected]
    ids = [it.id for it, had_id in zip(results, had_ids) if had_id]
    assert ids == [it.id for it in expected if it.id]


def assert_comes_back(talk, vendor, parts, expected):
    """All of an answer, in its order. Messages of OpenAI's do not tell how kinds of parts follow
    each other; where they are the vendor's own, each kind is in its order."""
    parts, expected = sees_again(parts), sees_again(expected)
    parts = unmade(parts, expected)
    if isinstance(talk, OpenAiTalk) and vendor.base == vendors.openai.base:
        assert by_kind(parts) == by_kind(expected)
    else:
        assert parts == expected


def sees_again(parts):
    """What a vendor must find in the next request of what it said. Reasoning of the Responses API
    that is not encrypted is of no use without its storage."""
    return [part for part in parts if not (isinstance(part, Thought) and part.id and not part.data)]


def unmade(parts, expected):
    """The parts, without the ids and signatures of calls that are not the vendor's own."""
    calls = iter(only(Call, expected))
    whole = []
    for part in parts:
        if isinstance(part, Call) and (call := next(calls, None)):
            is_made = {"id": call.id is None, "signature": part.signature == NO_SIGNATURE}
            part = dataclasses.replace(part, **{name: None for name in is_made if is_made[name]})
        whole.append(part)
    return whole


def by_kind(parts):
    texts = only(Text, parts)
    signatures = [text.signature for text in texts if text.signature]
    return only(Thought, parts), text_of(texts), signatures, only(Call, parts), only(Own, parts)
