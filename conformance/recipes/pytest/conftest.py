"""The fixture `clerk`: a local Clerk for the tests of this folder."""

import json
import os
import subprocess
import urllib.request
from dataclasses import dataclass

import pytest


@dataclass
class LocalClerk:
    """A running local Clerk. `environment` has the variables for the server under test, such as CLERK_SECRET_KEY."""

    environment: dict[str, str]
    admin_url: str

    def admin(self, method: str, path: str, body: dict | None = None) -> dict:
        """Calls the admin API, which `GET /admin` describes."""
        request = urllib.request.Request(
            self.admin_url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request) as response:
            return json.load(response)

    def token(self, **recipe) -> str:
        """Mints a token. `GET /admin` describes the members of a recipe."""
        return self.admin("POST", "/tokens", recipe)["token"]


@pytest.fixture(scope="session")
def clerk():
    program = os.environ.get("LOCAL_CLERK", "clerk-mcp-conformance")
    with subprocess.Popen([program, "clerk", "--json"], stdout=subprocess.PIPE, text=True) as process:
        described = json.loads(process.stdout.readline())
        yield LocalClerk(described["environment"], described["adminUrl"])
        process.terminate()
