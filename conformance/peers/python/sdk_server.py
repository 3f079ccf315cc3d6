"""The official Python SDK, as in its guide "Authorization".

https://github.com/modelcontextprotocol/python-sdk/blob/main/docs/run/authorization.md

The SDK leaves the verification of the token to the application. This one calls `jwt.decode` of PyJWT as in its
documentation. `validate_token_resource` is the SDK's own check of the audience, which exists since 2.2.0 and is off
by default. Before 2.2.0, the guide did not mention the audience.
"""

import os

import jwt
from anyio import to_thread
from mcp.server import MCPServer
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.provider import AccessToken
from mcp.server.auth.settings import AuthSettings

env = os.environ
resource = env["MCP_URL"]
keys = jwt.PyJWKClient(env["CLERK_JWKS_URI"])


def verify(token):
    """Returns the claims of a token. Raises jwt.PyJWTError if it is not valid."""
    key = keys.get_signing_key_from_jwt(token)
    return jwt.decode(
        token, key, algorithms=["RS256"], issuer=env["CLERK_ISSUER"], options={"verify_aud": False}
    )


class Verifier:
    async def verify_token(self, token: str) -> AccessToken | None:
        try:
            claims = await to_thread.run_sync(verify, token)
        except jwt.PyJWKClientConnectionError:
            # The key set could not be fetched, which says nothing about the token. The SDK answers 500.
            raise
        except jwt.PyJWTError:
            return None
        if "client_id" not in claims:
            return None
        audience = claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        return AccessToken(
            token=token,
            client_id=claims["client_id"],
            scopes=claims.get("scope", "").split(),
            expires_at=claims.get("exp"),
            resource=resource if resource in audiences else None,
            subject=claims.get("sub"),
        )


options = {}
if "validate_token_resource" in AuthSettings.model_fields:
    options["validate_token_resource"] = True
mcp = MCPServer(
    "sdk",
    token_verifier=Verifier(),
    auth=AuthSettings(issuer_url=env["CLERK_ISSUER"], resource_server_url=resource, **options),
)


@mcp.tool()
def whoami() -> str:
    """Returns the id of the caller."""
    return get_access_token().subject


mcp.run(transport="streamable-http", host=env["HOST"], port=int(env["PORT"]))
