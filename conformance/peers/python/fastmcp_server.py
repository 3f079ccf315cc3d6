"""FastMCP with JWTVerifier and RemoteAuthProvider, as in its documentation.

https://gofastmcp.com/servers/auth/remote-oauth
"""

import os

from fastmcp import FastMCP
from fastmcp.server.auth import RemoteAuthProvider
from fastmcp.server.auth.providers.jwt import JWTVerifier
from fastmcp.server.dependencies import get_access_token

env = os.environ


def listed(name):
    """Returns the comma-separated values of a variable, or None if it is not set."""
    return env[name].split(",") if env.get(name) else None


key = {"public_key": env["CLERK_JWT_KEY"]} if env.get("CLERK_JWT_KEY") else {"jwks_uri": env["CLERK_JWKS_URI"]}
auth = RemoteAuthProvider(
    token_verifier=JWTVerifier(
        issuer=env["CLERK_ISSUER"],
        audience=env["BASE_URL"] + "/mcp",
        required_scopes=listed("REQUIRED_SCOPES"),
        **key,
    ),
    authorization_servers=[env["CLERK_ISSUER"]],
    base_url=env["BASE_URL"],
    scopes_supported=listed("SCOPES"),
    resource_documentation=env.get("DOCS_URL"),
)
mcp = FastMCP("fastmcp", auth=auth)


@mcp.tool
def whoami() -> str:
    """Returns the id of the caller."""
    return get_access_token().claims["sub"]


mcp.run(transport="http", host=env["HOST"], port=int(env["PORT"]))
