"""The gateway and the vendors behind it, started once for all tests of this folder.

The program and its plugins are found through ALLOS_BIN and ALLOS_PLUGIN_DIR, else where
`cargo xtask dist` puts them.
"""

import os
import pathlib
import re
import subprocess
import threading

import anthropic
import openai
import pytest

import vendors
from upstream import Upstream

WORKSPACE = pathlib.Path(__file__).resolve().parents[2]
UPSTREAM_KEY = "key-of-the-upstream"
GATEWAY_KEY = "key-of-the-gateway"

CONFIG = """
[gateway]
api_key = "{gateway_key}"

[routes]
"gpt-4o" = "openai/routed"
"""
INSTANCE = """
[providers.{name}]
plugin = "{it.plugin}"
base_url = "{upstream}{it.base}"
options = {{ {it.options} }}
passthrough = {it.passthrough}
"""
KEY = 'api_key = "{key}"'


@pytest.fixture(scope="session")
def running_upstream():
    with Upstream() as running:
        yield running


@pytest.fixture
def upstream(running_upstream):
    """The upstream, with nothing laid down by an earlier test."""
    running_upstream.will_answer()
    return running_upstream


def config(upstream):
    """All vendors, and those who want a key once more without one."""
    text = CONFIG.format(gateway_key=GATEWAY_KEY)
    for it in vendors.ALL:
        text += INSTANCE.format(name=it.name, it=it, upstream=upstream.url)
        if it.key:
            text += KEY.format(key=UPSTREAM_KEY)
            text += INSTANCE.format(name=f"{it.name}-without-key", it=it, upstream=upstream.url)
    return text


@pytest.fixture(scope="session")
def gateway(running_upstream, tmp_path_factory):
    """The URL of a gateway in front of `echo` and of all vendors."""
    folder = tmp_path_factory.mktemp("gateway")
    file = folder / "allos.toml"
    file.write_text(config(running_upstream))
    program = os.environ.get("ALLOS_BIN", WORKSPACE / "target/dist/allos")
    plugins = os.environ.get("ALLOS_PLUGIN_DIR", WORKSPACE / "target/dist/plugins")
    command = [program, "--config", file, "--plugin-dir", plugins]
    environment = {name: it for name, it in os.environ.items() if not name.endswith("_API_KEY")}
    environment["XDG_CACHE_HOME"] = str(folder / "cache")
    process = subprocess.Popen(
        [*map(str, command), "serve", "--listen", "127.0.0.1:0"],
        stderr=subprocess.PIPE,
        env=environment,
        text=True,
    )
    try:
        yield f"http://{address(process)}"
    finally:
        process.terminate()
        process.wait(timeout=60)


def address(process):
    """The address that the gateway says it listens on; what it says later is read and dropped."""
    said = []
    for line in process.stderr:
        said.append(line)
        if found := re.search(r"http://([\d.]+:\d+)", line):
            threading.Thread(target=process.stderr.read, daemon=True).start()
            return found.group(1)
    raise AssertionError(f"the gateway did not start: {''.join(said)}")


@pytest.fixture(scope="session")
def client(gateway):
    """OpenAI's client as anyone would make it, except that it does not try again."""
    with openai.OpenAI(base_url=f"{gateway}/v1", api_key=GATEWAY_KEY, max_retries=0) as made:
        yield made


@pytest.fixture(scope="session")
def claude(gateway):
    """Anthropic's client as anyone would make it, except that it does not try again."""
    with anthropic.Anthropic(base_url=gateway, api_key=GATEWAY_KEY, max_retries=0) as made:
        yield made
