"""The vendors behind the gateway: a module for each, all with the same names.

Each writes the vendor's replies, in one piece and as a stream, its failures, and reads its replies
and requests, from the vendor's documentation and from nothing of allos. `turn` is an answer with
all that the vendor has: thoughts, their proofs, a text, two calls at once. `fixed` holds replies
that do not depend on a test, by method and path; `recordings` and `services` name the folders of
recordings of the vendor and of services that speak its dialect. `key` is the header of the key, and
what stands before the key there; `history` the member of a request that holds the conversation;
`tokens` what a count of tokens says, None where the vendor cannot count.
"""

from types import SimpleNamespace

from vendors import anthropic, google, ollama, openai, responses


def second_lane(vendor):
    """An instance that sends and returns only what allos understands, whatever the dialect."""
    changes = {"name": f"{vendor.name}-second-lane", "passthrough": "false"}
    return SimpleNamespace(**{**vars(vendor), **changes})


ALL = [anthropic, google, ollama, openai, responses, second_lane(anthropic), second_lane(openai)]
BY_BASE = {it.base.split("/")[1]: it for it in ALL}
