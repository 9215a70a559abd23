"""The gateway and a scripted upstream, started once for all tests of this folder.

The program and its plugins are found through ALLOS_BIN and ALLOS_PLUGIN_DIR, else where
`cargo xtask dist` puts them.
"""

import os
import pathlib
import re
import subprocess
import threading

import openai
import pytest

from upstream import Upstream

WORKSPACE = pathlib.Path(__file__).resolve().parents[2]
UPSTREAM_KEY = "key-of-the-upstream"
GATEWAY_KEY = "key-of-the-gateway"

CONFIG = """
[gateway]
api_key = "{gateway_key}"

[providers.openai]
api_key = "{upstream_key}"
base_url = "{upstream}/v1"

[routes]
"gpt-4o" = "openai/routed"
"""


@pytest.fixture(scope="session")
def upstream():
    with Upstream() as running:
        yield running


@pytest.fixture(scope="session")
def gateway(upstream, tmp_path_factory):
    """The base URL of a gateway in front of `echo` and of `openai`."""
    folder = tmp_path_factory.mktemp("gateway")
    config = folder / "allos.toml"
    config.write_text(
        CONFIG.format(gateway_key=GATEWAY_KEY, upstream_key=UPSTREAM_KEY, upstream=upstream.url)
    )
    program = os.environ.get("ALLOS_BIN", WORKSPACE / "target/dist/allos")
    plugins = os.environ.get("ALLOS_PLUGIN_DIR", WORKSPACE / "target/dist/plugins")
    command = [program, "--config", config, "--plugin-dir", plugins]
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache")}
    process = subprocess.Popen(
        [*map(str, command), "serve", "--listen", "127.0.0.1:0"],
        stderr=subprocess.PIPE,
        env=environment,
        text=True,
    )
    try:
        yield f"http://{address(process)}/v1"
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


@pytest.fixture
def client(gateway):
    """The official client as anyone would make it, except that it does not try again."""
    with openai.OpenAI(base_url=gateway, api_key=GATEWAY_KEY, max_retries=0) as made:
        yield made
