"""What the tests of several clients share: whom they ask, how, and what they are answered."""

import pytest

import vendors
from parts import Text

ASKED = Text("What is the weather in Oslo and in Bergen?")
ANSWER = [Text("It rains in Oslo, and in Bergen it pours. ☔")]

streamed_or_not = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])


def each(found):
    """A test for each of these vendors."""
    found = list(found)
    return pytest.mark.parametrize("vendor", found, ids=[vendor.name for vendor in found])


each_vendor = each(vendors.ALL)
each_with_a_key = each(vendor for vendor in vendors.ALL if vendor.key)


def model_of(vendor):
    return f"{vendor.name}/{vendor.model}"


def written(vendor, parts, streamed):
    """An answer of a vendor's."""
    return (vendor.stream if streamed else vendor.answer)(parts)
