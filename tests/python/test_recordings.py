"""Every recorded answer and failure of a vendor is read the same by both official clients."""

import json

import anthropic
import openai
import pytest

import recordings
import vendors
from parts import Text, called, text_of, thinking_of
from talks import AnthropicTalk

HELLO = [{"role": "user", "content": "hello there, gateway"}]


def heard(said):
    """What of an answer a client is given: not what the vendor ran itself."""
    return text_of(said), thinking_of(said), called(said)


@pytest.mark.parametrize("recording", recordings.chosen(recordings.answers_of_all))
def test_an_anthropic_client_reads_a_recorded_answer(claude, upstream, recording):
    upstream.will_answer(recording.response)
    talk = AnthropicTalk(claude, recording.qualified)
    talk.say(Text("hello there, gateway"))
    talk.ask(recording.response.is_stream)
    assert heard(talk.heard) == heard(recording.said)


# Mistral's content may be a list, which the client reads, and says that it did not expect.
@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
@pytest.mark.parametrize("recording", recordings.chosen(recordings.answers_of_all))
def test_an_openai_client_reads_a_recorded_answer(client, upstream, recording):
    upstream.will_answer(recording.response)
    streamed = recording.response.is_stream
    answer = client.chat.completions.create(
        model=recording.qualified, messages=HELLO, stream=streamed
    )
    whole = answer.choices[0].message.to_dict() if not streamed else grown(answer)
    assert heard(vendors.openai.joined(vendors.openai.read(whole))) == heard(recording.said)


def grown(stream):
    whole = {"role": "assistant", "tool_calls": []}
    for chunk in stream:
        for choice in chunk.choices:
            vendors.openai.grow(whole, choice.delta.to_dict())
    return whole


@pytest.mark.parametrize("recording", recordings.chosen(recordings.failures))
def test_an_anthropic_client_reads_a_recorded_failure(claude, upstream, recording):
    upstream.will_answer(recording.response)
    with pytest.raises(anthropic.APIStatusError) as raised:
        claude.messages.create(model=recording.qualified, max_tokens=100, messages=HELLO)
    assert raised.value.status_code == recording.response.status
    assert raised.value.api_message == recording.error


@pytest.mark.parametrize("recording", recordings.chosen(recordings.failures))
def test_an_openai_client_reads_a_recorded_failure(client, upstream, recording):
    upstream.will_answer(recording.response)
    with pytest.raises(openai.APIStatusError) as raised:
        client.chat.completions.create(model=recording.qualified, messages=HELLO)
    assert raised.value.status_code == recording.response.status
    assert raised.value.body["message"] == recording.error


def of_anthropic(vendor):
    found = recordings.answers(vendor) if vendor is vendors.anthropic else []
    return [recording for recording in found if "messages" in recording.request.body]


@pytest.mark.parametrize("recording", recordings.chosen(of_anthropic))
def test_a_recorded_exchange_with_anthropic_goes_through_unchanged(claude, upstream, recording):
    upstream.will_answer(recording.response)
    request = recording.request.body
    asked = {**request, "model": f"anthropic/{request['model']}"}
    known = {name: asked.pop(name) for name in ("model", "max_tokens", "messages")}
    streamed = asked.pop("stream", anthropic.omit)
    answer = claude.messages.create(**known, stream=streamed, extra_body=asked)
    assert upstream.last().body == request
    if recording.response.is_stream:
        frames = [it for it in recording.response.frames() if it["type"] != "ping"]
        assert [json.loads(event.to_json(warnings=False)) for event in answer] == frames
    else:
        assert json.loads(answer.to_json(warnings=False)) == recording.response.json()
