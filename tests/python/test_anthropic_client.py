"""The official `anthropic` client, unmodified, against the gateway, in front of each provider."""

import datetime

import anthropic
import pytest

import vendors
from cases import (
    ANSWER,
    ASKED,
    each,
    each_vendor,
    each_with_a_key,
    model_of,
    streamed_or_not,
    written,
)
from conftest import UPSTREAM_KEY
from parts import Call, Image, Result, Text, called, only, text_of, thinking_of
from talks import SCHEMA, AnthropicTalk

HELLO = {"max_tokens": 100, "messages": [{"role": "user", "content": "hello there, gateway"}]}
WEATHER = {"name": "weather", "description": "The weather of a city", "input_schema": SCHEMA}
CLASSES = {
    400: anthropic.BadRequestError,
    401: anthropic.AuthenticationError,
    403: anthropic.PermissionDeniedError,
    404: anthropic.NotFoundError,
    429: anthropic.RateLimitError,
    500: anthropic.InternalServerError,
}


@each_vendor
def test_a_message_is_answered(claude, upstream, vendor):
    upstream.will_answer(vendor.answer(ANSWER))
    answer = claude.messages.create(model=model_of(vendor), system="Be brief.", **HELLO)
    assert (answer.type, answer.role) == ("message", "assistant")
    assert answer.content[0].text == text_of(ANSWER)
    assert (answer.stop_reason, answer.stop_sequence) == ("end_turn", None)
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (11, 5)
    assert answer.id and answer.model and answer._request_id
    sent = upstream.last()
    assert not vendor.is_streamed(sent)
    assert vendor.turns(sent.body) == [
        ("system", [Text("Be brief.")]),
        ("user", [Text("hello there, gateway")]),
    ]
    if vendor.key:
        header, prefix = vendor.key
        assert sent.headers[header] == f"{prefix}{UPSTREAM_KEY}"


@each_vendor
def test_the_stream_helper_gives_the_text_and_the_whole_message(claude, upstream, vendor):
    upstream.will_answer(vendor.stream(ANSWER))
    with claude.messages.stream(model=model_of(vendor), **HELLO) as stream:
        pieces = list(stream.text_stream)
        answer = stream.get_final_message()
    assert len(pieces) > 1
    assert "".join(pieces) == text_of(ANSWER)
    assert answer.content[0].text == text_of(ANSWER)
    assert answer.stop_reason == "end_turn"
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (11, 5)
    assert vendor.is_streamed(upstream.last())


@each_vendor
def test_the_events_of_a_stream_come_in_their_order(claude, upstream, vendor):
    upstream.will_answer(vendor.stream(vendor.turn))
    stream = claude.messages.create(
        model=model_of(vendor), tools=[WEATHER], stream=True, **HELLO
    )
    events = list(stream)
    kinds = [event.type for event in events]
    assert kinds[0] == "message_start"
    assert kinds[-2:] == ["message_delta", "message_stop"]
    assert events[-2].delta.stop_reason == "tool_use"
    open_block, blocks = None, 0
    for event in events[1:-2]:
        match event.type:
            case "content_block_start":
                assert (open_block, event.index) == (None, blocks)
                open_block, blocks = event.index, blocks + 1
            case "content_block_delta":
                assert event.index == open_block
            case "content_block_stop":
                assert event.index == open_block
                open_block = None
            case kind:
                raise AssertionError(f"{kind} between the blocks")
    assert open_block is None
    assert blocks >= len(vendor.turn)


@streamed_or_not
@each_vendor
def test_calls_at_once_are_given_to_the_client_and_their_results_back(
    claude, upstream, vendor, streamed
):
    upstream.will_answer(written(vendor, vendor.turn, streamed), written(vendor, ANSWER, streamed))
    talk = AnthropicTalk(claude, model_of(vendor), ["weather"])
    talk.say(ASKED)
    asked = talk.ask(streamed)
    assert asked.stop_reason == "tool_use"
    assert called(talk.heard) == called(vendor.turn)
    assert vendor.tools(upstream.last().body) == {"weather": SCHEMA}
    calls = only(Call, talk.heard)
    results = [Result(call.id, f"{degrees} degrees") for degrees, call in enumerate(calls)]
    talk.give(results)
    answer = talk.ask(streamed)
    assert (talk.heard, answer.stop_reason) == (ANSWER, "end_turn")
    assert vendor.turns(upstream.last().body)[-1] == ("user", results)


@each(it for it in vendors.ALL if it.plugin in ("anthropic", "google"))
def test_a_tool_that_failed_is_told_where_the_vendor_has_a_word_for_it(claude, upstream, vendor):
    upstream.will_answer(vendor.answer(vendor.turn), vendor.answer(ANSWER))
    talk = AnthropicTalk(claude, model_of(vendor), ["weather"])
    talk.say(ASKED)
    talk.ask(False)
    results = [Result(it.id, "no such city", is_error=True) for it in only(Call, talk.heard)]
    talk.give(results)
    talk.ask(False)
    assert vendor.turns(upstream.last().body)[-1] == ("user", results)


@streamed_or_not
@each_vendor
def test_thoughts_are_thinking_blocks_before_the_text(claude, upstream, vendor, streamed):
    upstream.will_answer(written(vendor, vendor.turn, streamed))
    talk = AnthropicTalk(claude, model_of(vendor), ["weather"])
    talk.say(ASKED)
    answer = talk.ask(streamed)
    assert thinking_of(talk.heard) == thinking_of(vendor.turn)
    kinds = [block.type for block in answer.content if block.type != "redacted_thinking"]
    thought = ["thinking"] if thinking_of(vendor.turn) else []
    assert kinds == [*thought, "text", "tool_use", "tool_use"]
    assert all(block.signature for block in answer.content if block.type == "thinking")


@each_vendor
def test_an_image_arrives_at_the_vendor(claude, upstream, vendor):
    upstream.will_answer(vendor.answer(ANSWER))
    picture = Image("image/png", "bm8gcmVhbCBwaWN0dXJl")
    talk = AnthropicTalk(claude, model_of(vendor))
    talk.say(picture, Text("What is this?"))
    talk.ask(False)
    [(role, parts)] = vendor.turns(upstream.last().body)
    assert (role, text_of(parts)) == ("user", "What is this?")
    [arrived] = only(Image, parts)
    assert arrived.data == picture.data
    assert arrived.media_type in (picture.media_type, None)


@each_vendor
def test_tokens_are_counted_where_the_vendor_can(claude, upstream, vendor):
    def count():
        return claude.messages.count_tokens(
            model=model_of(vendor), system="Be brief.", messages=HELLO["messages"]
        )

    if vendor.tokens:
        assert count().input_tokens == vendor.tokens
        return
    with pytest.raises(anthropic.BadRequestError) as raised:
        count()
    assert raised.value.type == "invalid_request_error"
    assert "count" in raised.value.api_message


@streamed_or_not
@pytest.mark.parametrize("status", CLASSES)
@each_vendor
def test_an_upstream_error_is_the_class_that_the_client_knows(
    claude, upstream, vendor, status, streamed
):
    upstream.will_answer(vendor.failure(status, "the vendor says no"))
    with pytest.raises(CLASSES[status]) as raised:
        claude.messages.create(model=model_of(vendor), stream=streamed, **HELLO)
    assert type(raised.value) is CLASSES[status]
    assert "the vendor says no" in raised.value.api_message
    assert raised.value.type.endswith("_error")
    assert raised.value.request_id
    assert UPSTREAM_KEY not in str(raised.value)


def test_an_overloaded_vendor_is_told_from_a_broken_one(claude, upstream):
    upstream.will_answer(vendors.anthropic.failure(529, "too much at once"))
    with pytest.raises(anthropic.OverloadedError, match="too much at once") as raised:
        claude.messages.create(model=model_of(vendors.anthropic), **HELLO)
    assert raised.value.type == "overloaded_error"


@each_vendor
def test_an_error_in_a_stream_is_an_error_after_the_text_so_far(claude, upstream, vendor):
    upstream.will_answer(vendor.breaks_off(ANSWER, "it broke on the way"))
    text = ""
    with pytest.raises(anthropic.APIStatusError, match="it broke on the way"):
        with claude.messages.stream(model=model_of(vendor), **HELLO) as stream:
            for piece in stream.text_stream:
                text += piece
    assert text == text_of(ANSWER)


@each_vendor
def test_a_stream_that_ends_too_early_is_an_error(claude, upstream, vendor):
    upstream.will_answer(vendor.stream(vendor.turn).cut())
    with pytest.raises(anthropic.APIStatusError):
        with claude.messages.stream(model=model_of(vendor), **HELLO) as stream:
            stream.until_done()


def test_a_rate_limit_says_when_to_try_again(claude):
    with pytest.raises(anthropic.RateLimitError) as raised:
        claude.messages.create(model="openai/rate-limited", **HELLO)
    assert raised.value.type == "rate_limit_error"
    assert raised.value.response.headers["retry-after"] == "7"


@each_with_a_key
def test_a_missing_key_is_an_authentication_error_before_any_request(claude, upstream, vendor):
    before = len(upstream.received)
    with pytest.raises(anthropic.AuthenticationError, match="_API_KEY"):
        claude.messages.create(model=f"{vendor.name}-without-key/{vendor.model}", **HELLO)
    assert len(upstream.received) == before


def test_a_wrong_gateway_key_is_an_authentication_error(claude):
    with pytest.raises(anthropic.AuthenticationError):
        claude.with_options(api_key="wrong").models.list()


@pytest.mark.parametrize("model", ["nobody/model", "nobody", "anthropic"])
def test_an_unknown_model_is_not_found(claude, model):
    with pytest.raises(anthropic.NotFoundError) as raised:
        claude.messages.create(model=model, **HELLO)
    assert raised.value.type == "not_found_error"


def test_a_malformed_request_is_a_bad_request(claude):
    with pytest.raises(anthropic.BadRequestError) as raised:
        claude.messages.create(model="echo/echo", max_tokens=5, messages="no list")
    assert raised.value.type == "invalid_request_error"
    assert "messages" in raised.value.api_message


def test_all_models_are_listed(claude):
    models = {model.id: model for model in claude.models.list()}
    listed = [it for it in vendors.ALL if it.base != vendors.openai.base]
    assert {"echo/echo", "openai/gpt-script", *map(model_of, listed)} <= models.keys()
    model = models[model_of(vendors.anthropic)]
    assert (model.type, model.display_name) == ("model", "Claude Sonnet 4.5")
    assert model.created_at == datetime.datetime(2025, 9, 29, tzinfo=datetime.UTC)
    assert models[model_of(vendors.google)].max_input_tokens == 1048576


def test_a_model_is_told_by_its_id(claude):
    assert claude.models.retrieve(model_of(vendors.anthropic)).display_name == "Claude Sonnet 4.5"


def test_a_beta_arrives_at_anthropic(claude, upstream):
    upstream.will_answer(vendors.anthropic.answer(ANSWER))
    betas = ["context-1m-2025-08-07", "interleaved-thinking-2025-05-14"]
    answer = claude.beta.messages.create(model=model_of(vendors.anthropic), betas=betas, **HELLO)
    assert answer.content[0].text == text_of(ANSWER)
    sent = upstream.last().headers
    assert sent["anthropic-beta"].replace(" ", "").split(",") == betas
    assert sent["anthropic-version"]


@each(it for it in vendors.ALL if it.plugin != "anthropic")
def test_a_beta_does_not_arrive_at_another_vendor(claude, upstream, vendor):
    upstream.will_answer(vendor.answer(ANSWER))
    betas = ["context-1m-2025-08-07"]
    answer = claude.beta.messages.create(model=model_of(vendor), betas=betas, **HELLO)
    assert answer.content[0].text == text_of(ANSWER)
    assert upstream.last().headers["anthropic-beta"] is None


def test_anthropic_receives_what_the_client_wrote(claude, upstream):
    upstream.will_answer(vendors.anthropic.answer(ANSWER))
    request = {
        "model": model_of(vendors.anthropic),
        "max_tokens": 2000,
        "system": [
            {"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}},
        ],
        "messages": HELLO["messages"],
        "metadata": {"user_id": "somebody"},
        "stop_sequences": ["stop"],
        "thinking": {"type": "adaptive"},
        "tools": [{**WEATHER, "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
    }
    news = {"a": "member that nobody has heard of"}
    claude.messages.create(**request, extra_body=news)
    assert upstream.last().body == {**request, **news, "model": vendors.anthropic.model}


def test_echo_answers_a_message(claude):
    answer = claude.messages.create(model="echo/echo", **HELLO)
    assert answer.content[0].text == "hello there, gateway"
    assert answer.usage.output_tokens == 3


def test_echo_answers_a_stream(claude):
    with claude.messages.stream(model="echo/echo", **HELLO) as stream:
        assert list(stream.text_stream) == ["hello ", "there, ", "gateway"]
        assert stream.get_final_message().stop_reason == "end_turn"


def test_what_a_provider_cannot_do_is_a_bad_request(claude):
    with pytest.raises(anthropic.BadRequestError, match="tools"):
        claude.messages.create(model="echo/echo", tools=[WEATHER], **HELLO)
