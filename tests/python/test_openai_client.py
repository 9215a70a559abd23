"""The official `openai` client, unmodified, against the gateway, before `echo` and `openai`."""

import base64

import openai
import pydantic
import pytest

from conftest import UPSTREAM_KEY

HELLO = [{"role": "user", "content": "hello there, gateway"}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
        "strict": True,
    },
}
CLASSES = {
    "bad-request": (openai.BadRequestError, "invalid_value"),
    "unauthorized": (openai.AuthenticationError, "invalid_api_key"),
    "forbidden": (openai.PermissionDeniedError, "forbidden"),
    "not-found": (openai.NotFoundError, "model_not_found"),
    "conflict": (openai.ConflictError, "conflict"),
    "unprocessable": (openai.UnprocessableEntityError, "unprocessable"),
    "rate-limited": (openai.RateLimitError, "rate_limit_exceeded"),
    "broken": (openai.InternalServerError, "internal"),
}


class Weather(pydantic.BaseModel):
    city: str
    degrees: float


def streamed_text(stream):
    return "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)


def test_echo_answers_a_chat(client):
    answer = client.chat.completions.create(model="echo/echo", messages=HELLO)
    assert answer.object == "chat.completion"
    assert answer.choices[0].message.role == "assistant"
    assert answer.choices[0].message.content == "hello there, gateway"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.completion_tokens == 3
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + 3
    assert answer._request_id


def test_echo_answers_a_stream(client):
    stream = client.chat.completions.create(
        model="echo/echo",
        messages=HELLO,
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    assert streamed_text(chunks) == "hello there, gateway"
    assert len([chunk for chunk in chunks if streamed_text([chunk])]) == 3
    finishes = [choice.finish_reason for chunk in chunks for choice in chunk.choices]
    assert [finish for finish in finishes if finish] == ["stop"]
    assert chunks[-1].usage.completion_tokens == 3
    assert len({chunk.id for chunk in chunks}) == 1


def test_openai_answers_a_chat_with_the_key_of_the_instance(client, upstream):
    answer = client.chat.completions.create(
        model="openai/gpt-script",
        messages=HELLO,
        temperature=0.5,
        metadata={"a": "field that allos does not model"},
    )
    headers, body = upstream.last().headers, upstream.last().body
    assert headers["authorization"] == f"Bearer {UPSTREAM_KEY}"
    assert body["model"] == "gpt-script"
    assert body["temperature"] == 0.5
    assert body["metadata"] == {"a": "field that allos does not model"}
    assert answer.id == "chatcmpl-script"
    assert answer.model == "gpt-script"
    assert answer.system_fingerprint == "fp_script"
    assert answer.choices[0].message.content == "a scripted answer"
    assert answer.usage.total_tokens == 16


def test_a_route_stands_for_a_model(client, upstream):
    answer = client.chat.completions.create(model="gpt-4o", messages=HELLO)
    assert upstream.last().body["model"] == "routed"
    assert answer.choices[0].message.content == "a scripted answer"


def test_several_choices_come_back(client):
    answer = client.chat.completions.create(model="openai/gpt-script", messages=HELLO, n=2)
    assert [choice.index for choice in answer.choices] == [0, 1]


def test_openai_answers_a_stream(client):
    stream = client.chat.completions.create(
        model="openai/gpt-script", messages=HELLO, stream=True
    )
    chunks = list(stream)
    assert streamed_text(chunks) == "a scripted answer"
    assert all(chunk.usage is None for chunk in chunks)


def test_a_stream_tells_its_usage_when_asked(client):
    stream = client.chat.completions.create(
        model="openai/gpt-script",
        messages=HELLO,
        stream=True,
        stream_options={"include_usage": True},
    )
    last = list(stream)[-1]
    assert last.choices == []
    assert last.usage.total_tokens == 16


def test_a_tool_is_called_and_its_result_sent_back(client, upstream):
    model = "openai/gpt-script"
    asked = client.chat.completions.create(model=model, messages=HELLO, tools=[WEATHER])
    message = asked.choices[0].message
    assert asked.choices[0].finish_reason == "tool_calls"
    assert message.tool_calls[0].function.name == "weather"
    assert upstream.last().body["tools"] == [WEATHER]

    result = {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "21.5"}
    messages = [*HELLO, message, result]
    answer = client.chat.completions.create(model=model, messages=messages, tools=[WEATHER])
    assert answer.choices[0].message.content == "a scripted answer"
    sent = upstream.last().body["messages"]
    assert sent[1]["tool_calls"][0]["function"]["arguments"] == '{"city":"Oslo"}'
    assert sent[2] == result


def test_a_streamed_tool_call_is_put_together_by_the_client(client):
    with client.chat.completions.stream(
        model="openai/gpt-script", messages=HELLO, tools=[WEATHER]
    ) as stream:
        answer = stream.get_final_completion()
    call = answer.choices[0].message.tool_calls[0]
    assert (call.id, call.function.name) == ("call_1", "weather")
    assert call.function.arguments == '{"city":"Oslo"}'


def test_an_image_arrives_as_it_was_sent(client, upstream):
    picture = base64.b64encode(b"no real picture").decode()
    content = [
        {"type": "text", "text": "what is this?"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{picture}"}},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "low"}},
    ]
    messages = [{"role": "user", "content": content}]
    client.chat.completions.create(model="openai/gpt-script", messages=messages)
    assert upstream.last().body["messages"] == messages


def test_structured_output_is_parsed(client, upstream):
    answer = client.chat.completions.parse(
        model="openai/gpt-script", messages=HELLO, response_format=Weather
    )
    assert answer.choices[0].message.parsed == Weather(city="Oslo", degrees=21.5)
    asked = upstream.last().body["response_format"]
    assert asked["type"] == "json_schema"
    assert asked["json_schema"]["strict"] is True


def test_a_refusal_is_told_from_an_answer(client):
    answer = client.chat.completions.parse(
        model="openai/refuses", messages=HELLO, response_format=Weather
    )
    assert answer.choices[0].message.refusal == "I would rather not"
    assert answer.choices[0].message.parsed is None


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", CLASSES)
def test_an_upstream_error_is_the_class_that_the_client_knows(client, model, stream):
    expected, code = CLASSES[model]
    with pytest.raises(expected) as raised:
        client.chat.completions.create(model=f"openai/{model}", messages=HELLO, stream=stream)
    assert type(raised.value) is expected
    assert raised.value.code == code
    assert raised.value.request_id
    assert UPSTREAM_KEY not in str(raised.value)


def test_a_rate_limit_says_when_to_try_again(client):
    with pytest.raises(openai.RateLimitError) as raised:
        client.chat.completions.create(model="openai/rate-limited", messages=HELLO)
    assert raised.value.response.headers["retry-after"] == "7"
    assert raised.value.response.headers["x-ratelimit-remaining-requests"] == "0"


def test_rate_limits_come_with_an_answer(client):
    raw = client.chat.completions.with_raw_response.create(
        model="openai/gpt-script", messages=HELLO
    )
    assert raw.headers["x-ratelimit-remaining-requests"] == "41"


def test_an_error_in_a_stream_is_an_error_after_the_text_so_far(client):
    stream = client.chat.completions.create(
        model="openai/breaks-off", messages=HELLO, stream=True
    )
    text = ""
    with pytest.raises(openai.APIError, match="it broke on the way"):
        for chunk in stream:
            text += streamed_text([chunk])
    assert text == "a scripted answer"


def test_a_wrong_gateway_key_is_an_authentication_error(client):
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key="wrong").models.list()


@pytest.mark.parametrize("model", ["nobody/model", "nobody", "openai"])
def test_an_unknown_model_is_not_found(client, model):
    with pytest.raises(openai.NotFoundError) as raised:
        client.chat.completions.create(model=model, messages=HELLO)
    assert raised.value.code == "model_not_found"


def test_a_malformed_request_is_a_bad_request(client):
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model="echo/echo", messages="no list")


def test_all_models_are_listed(client):
    models = {model.id: model for model in client.models.list()}
    assert {"echo/echo", "openai/gpt-script", "gpt-4o"} <= models.keys()
    assert models["openai/gpt-script"].owned_by


@pytest.mark.parametrize("format", [openai.omit, "float", "base64"])
def test_embeddings_come_in_the_form_that_was_asked(client, format):
    answer = client.embeddings.create(
        model="openai/embed", input=["one", "two"], encoding_format=format
    )
    vectors = [item.embedding for item in answer.data]
    if format == "base64":
        assert all(isinstance(vector, str) for vector in vectors)
    else:
        assert vectors == [[0.5, -0.25, 1.0], [2.0, 0.125, -8.0]]
    assert [item.index for item in answer.data] == [0, 1]
    assert answer.usage.prompt_tokens == 4


def test_embeddings_have_the_dimensions_that_were_asked(client, upstream):
    answer = client.embeddings.create(model="openai/embed", input="one", dimensions=2)
    assert answer.data[0].embedding == [0.5, -0.25]
    assert upstream.last().body["dimensions"] == 2
