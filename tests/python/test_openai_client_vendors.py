"""The official `openai` client, unmodified, against the gateway, in front of the other vendors."""

import openai
import pydantic
import pytest

import vendors
from cases import ANSWER, ASKED, each, model_of, streamed_or_not, written
from conftest import UPSTREAM_KEY
from parts import Call, Image, Result, Text, called, only, text_of, thinking_of
from talks import SCHEMA, OpenAiTalk, openai_tool

OTHERS = [vendor for vendor in vendors.ALL if vendor.base != vendors.openai.base]
each_vendor = each(OTHERS)
HELLO = {"messages": [{"role": "user", "content": "hello there, gateway"}]}
CLASSES = {
    400: openai.BadRequestError,
    401: openai.AuthenticationError,
    403: openai.PermissionDeniedError,
    404: openai.NotFoundError,
    429: openai.RateLimitError,
    500: openai.InternalServerError,
}


class Weather(pydantic.BaseModel):
    city: str
    degrees: float


@each_vendor
def test_a_chat_is_answered(client, upstream, vendor):
    upstream.will_answer(vendor.answer(ANSWER))
    messages = [{"role": "developer", "content": "Be brief."}, *HELLO["messages"]]
    answer = client.chat.completions.create(model=model_of(vendor), messages=messages)
    assert answer.object == "chat.completion"
    assert answer.id and answer.created and answer.model and answer._request_id
    assert answer.choices[0].message.role == "assistant"
    assert answer.choices[0].message.content == text_of(ANSWER)
    assert answer.choices[0].message.tool_calls is None
    assert answer.choices[0].finish_reason == "stop"
    usage = answer.usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (11, 5, 16)
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
def test_a_stream_is_answered(client, upstream, vendor):
    upstream.will_answer(vendor.stream(ANSWER))
    stream = client.chat.completions.create(
        model=model_of(vendor), stream=True, stream_options={"include_usage": True}, **HELLO
    )
    chunks = list(stream)
    texts = [choice.delta.content for chunk in chunks for choice in chunk.choices]
    assert len([text for text in texts if text]) > 1
    assert "".join(text or "" for text in texts) == text_of(ANSWER)
    ends = [choice.finish_reason for chunk in chunks for choice in chunk.choices]
    assert [end for end in ends if end] == ["stop"]
    assert chunks[-1].choices == []
    assert chunks[-1].usage.total_tokens == 16
    assert len({chunk.id for chunk in chunks}) == 1
    assert vendor.is_streamed(upstream.last())


@streamed_or_not
@each_vendor
def test_calls_at_once_are_given_to_the_client_and_their_results_back(
    client, upstream, vendor, streamed
):
    upstream.will_answer(written(vendor, vendor.turn, streamed), written(vendor, ANSWER, streamed))
    talk = OpenAiTalk(client, model_of(vendor), ["weather"])
    talk.say(ASKED)
    asked = talk.ask(streamed)
    assert asked.choices[0].finish_reason == "tool_calls"
    assert called(talk.heard) == called(vendor.turn)
    assert vendor.tools(upstream.last().body) == {"weather": SCHEMA}
    calls = only(Call, talk.heard)
    assert len({call.id for call in calls}) == 2
    results = [Result(call.id, f"{degrees} degrees") for degrees, call in enumerate(calls)]
    talk.give(results)
    answer = talk.ask(streamed)
    assert (talk.heard, answer.choices[0].finish_reason) == (ANSWER, "stop")
    assert vendor.turns(upstream.last().body)[-1] == ("user", results)


@each_vendor
def test_streamed_calls_are_put_together_by_the_client(client, upstream, vendor):
    upstream.will_answer(vendor.stream(vendor.turn))
    tools = [openai_tool("weather")]
    with client.chat.completions.stream(model=model_of(vendor), tools=tools, **HELLO) as stream:
        message = stream.get_final_completion().choices[0].message
    arguments = [call.function.parsed_arguments for call in message.tool_calls]
    assert arguments == [call.arguments for call in only(Call, vendor.turn)]


@streamed_or_not
@each_vendor
def test_thoughts_are_reasoning_beside_the_text(client, upstream, vendor, streamed):
    upstream.will_answer(written(vendor, vendor.turn, streamed))
    talk = OpenAiTalk(client, model_of(vendor), ["weather"])
    talk.say(ASKED)
    answer = talk.ask(streamed)
    message = answer.choices[0].message
    assert message.content == text_of(vendor.turn)
    assert message.reasoning_content == thinking_of(vendor.turn)


@each_vendor
def test_an_image_arrives_at_the_vendor(client, upstream, vendor):
    upstream.will_answer(vendor.answer(ANSWER))
    picture = Image("image/png", "bm8gcmVhbCBwaWN0dXJl")
    talk = OpenAiTalk(client, model_of(vendor))
    talk.say(Text("What is this?"), picture)
    talk.ask(False)
    [(role, parts)] = vendor.turns(upstream.last().body)
    assert (role, text_of(parts)) == ("user", "What is this?")
    [arrived] = only(Image, parts)
    assert arrived.data == picture.data
    assert arrived.media_type in (picture.media_type, None)


def test_an_image_that_a_vendor_cannot_fetch_is_a_bad_request(client, upstream):
    before = len(upstream.received)
    image = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    with pytest.raises(openai.BadRequestError, match="image"):
        client.chat.completions.create(
            model=model_of(vendors.ollama), messages=[{"role": "user", "content": [image]}]
        )
    assert len(upstream.received) == before


@each_vendor
def test_structured_output_is_parsed(client, upstream, vendor):
    upstream.will_answer(vendor.answer([Text('{"city":"Oslo","degrees":21.5}')]))
    answer = client.chat.completions.parse(
        model=model_of(vendor), response_format=Weather, **HELLO
    )
    assert answer.choices[0].message.parsed == Weather(city="Oslo", degrees=21.5)
    assert '"degrees"' in str(upstream.last().body).replace("'", '"')


@streamed_or_not
@pytest.mark.parametrize("status", CLASSES)
@each_vendor
def test_an_upstream_error_is_the_class_that_the_client_knows(
    client, upstream, vendor, status, streamed
):
    upstream.will_answer(vendor.failure(status, "the vendor says no"))
    with pytest.raises(CLASSES[status]) as raised:
        client.chat.completions.create(model=model_of(vendor), stream=streamed, **HELLO)
    assert type(raised.value) is CLASSES[status]
    assert "the vendor says no" in raised.value.body["message"]
    assert raised.value.request_id
    assert UPSTREAM_KEY not in str(raised.value)


@each_vendor
def test_an_error_in_a_stream_is_an_error_after_the_text_so_far(client, upstream, vendor):
    upstream.will_answer(vendor.breaks_off(ANSWER, "it broke on the way"))
    stream = client.chat.completions.create(model=model_of(vendor), stream=True, **HELLO)
    text = ""
    with pytest.raises(openai.APIError, match="it broke on the way"):
        for chunk in stream:
            text += "".join(choice.delta.content or "" for choice in chunk.choices)
    assert text == text_of(ANSWER)


@each_vendor
def test_a_stream_that_ends_too_early_is_an_error(client, upstream, vendor):
    upstream.will_answer(vendor.stream(vendor.turn).cut())
    with pytest.raises(openai.APIError):
        list(client.chat.completions.create(model=model_of(vendor), stream=True, **HELLO))


@each(it for it in OTHERS if it.key)
def test_a_missing_key_is_an_authentication_error_before_any_request(client, upstream, vendor):
    before = len(upstream.received)
    with pytest.raises(openai.AuthenticationError, match="_API_KEY"):
        client.chat.completions.create(model=f"{vendor.name}-without-key/{vendor.model}", **HELLO)
    assert len(upstream.received) == before


@each_vendor
def test_the_models_of_all_vendors_are_listed(client, vendor):
    models = {model.id: model for model in client.models.list()}
    assert models[model_of(vendor)].owned_by


@pytest.mark.parametrize("format", [openai.omit, "float", "base64"])
@pytest.mark.parametrize(
    "vendor, model",
    [(vendors.google, "gemini-embedding-001"), (vendors.ollama, "embeddinggemma")],
    ids=["google", "ollama"],
)
def test_embeddings_come_in_the_form_that_was_asked(client, upstream, vendor, model, format):
    answer = client.embeddings.create(
        model=f"{vendor.name}/{model}", input=["one", "two"], encoding_format=format
    )
    vectors = [item.embedding for item in answer.data]
    if format == "base64":
        assert all(isinstance(vector, str) for vector in vectors)
    else:
        assert vectors == vendor.vectors
    assert [item.index for item in answer.data] == [0, 1]


def test_embeddings_that_a_vendor_does_not_have_are_a_bad_request(client):
    with pytest.raises(openai.BadRequestError, match="embed"):
        client.embeddings.create(model=model_of(vendors.anthropic), input="one")
