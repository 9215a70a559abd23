"""The vendors behind the gateway: a module for each, all with the same names.

Each writes the vendor's replies, in one piece and as a stream, its failures, and reads its replies
and requests, from the vendor's documentation and from nothing of allos. `turn` is an answer with
all that the vendor has: thoughts, their proofs, a text, two calls at once. `fixed` holds replies
that do not depend on a test, by method and path. `key` is the header of the key, and what stands
before the key there; `history` the member of a request that holds the conversation; `tokens` what a
count of tokens says, None where the vendor cannot count.
"""

from vendors import anthropic, google, ollama, openai, responses

ALL = {it.name: it for it in (anthropic, google, ollama, openai, responses)}
