"""A conversation through an official client, which sends back the message objects that it received.

Both kinds are used alike: say something, ask, give the results of the calls, ask again. What the
client was given is `heard`.
"""

import json

from parts import Call, Image, Result, Text, Thought, joined

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}


class OpenAiTalk:
    """Through OpenAI's client."""

    def __init__(self, client, model, tools=()):
        self.client = client
        self.messages = []
        self.settings = {"model": model}
        if tools:
            self.settings["tools"] = [openai_tool(name) for name in tools]

    def instruct(self, text):
        self.messages.append({"role": "system", "content": text})

    def say(self, *parts):
        content = [openai_part(part) for part in parts]
        self.messages.append({"role": "user", "content": content})

    def give(self, results):
        for result in results:
            message = {"role": "tool", "tool_call_id": result.id, "content": result.text}
            self.messages.append(message)

    def ask(self, streamed):
        completions = self.client.chat.completions
        if streamed:
            with completions.stream(messages=self.messages, **self.settings) as stream:
                answer = stream.get_final_completion()
        else:
            answer = completions.create(messages=self.messages, **self.settings)
        message = answer.choices[0].message
        self.messages.append(message)
        self.heard = joined(openai_heard(message))
        return answer


def openai_tool(name):
    function = {"name": name, "parameters": SCHEMA, "strict": True}
    return {"type": "function", "function": function}


def openai_part(part):
    match part:
        case Text(text):
            return {"type": "text", "text": text}
        case Image(media_type, data):
            url = f"data:{media_type};base64,{data}"
            return {"type": "image_url", "image_url": {"url": url}}


def openai_heard(message):
    yield Thought(getattr(message, "reasoning_content", None) or "")
    yield Text(message.content or message.refusal or "")
    for call in message.tool_calls or []:
        yield Call(call.id, call.function.name, json.loads(call.function.arguments))


class AnthropicTalk:
    """Through Anthropic's client."""

    def __init__(self, client, model, tools=()):
        self.client = client
        self.messages = []
        self.settings = {"model": model, "max_tokens": 1000}
        if tools:
            self.settings["tools"] = [{"name": name, "input_schema": SCHEMA} for name in tools]

    def instruct(self, text):
        self.settings["system"] = text

    def say(self, *parts):
        content = [anthropic_part(part) for part in parts]
        self.messages.append({"role": "user", "content": content})

    def give(self, results):
        content = [anthropic_part(result) for result in results]
        self.messages.append({"role": "user", "content": content})

    def ask(self, streamed):
        messages = self.client.messages
        if streamed:
            with messages.stream(messages=self.messages, **self.settings) as stream:
                answer = stream.get_final_message()
        else:
            answer = messages.create(messages=self.messages, **self.settings)
        self.messages.append({"role": answer.role, "content": answer.content})
        self.heard = joined(anthropic_heard(block) for block in answer.content)
        return answer


def anthropic_part(part):
    match part:
        case Text(text):
            return {"type": "text", "text": text}
        case Image(media_type, data):
            source = {"type": "base64", "media_type": media_type, "data": data}
            return {"type": "image", "source": source}
        case Result():
            result = {"type": "tool_result", "tool_use_id": part.id, "content": part.text}
            return {**result, **({"is_error": True} if part.is_error else {})}


def anthropic_heard(block):
    match block.type:
        case "text":
            return Text(block.text)
        case "thinking":
            return Thought(block.thinking)
        case "tool_use" if "INVALID_JSON" not in block.input:
            return Call(block.id, block.name, block.input)
    return Thought()
