// The official TypeScript SDK with Express, as in its guide "Require authorization":
// https://github.com/modelcontextprotocol/typescript-sdk/blob/main/docs/serving/authorization.md
//
// The SDK leaves the verification of the token to the application. This one calls `jwtVerify` of jose as in the
// README of jose. EXPECTED_RESOURCE=on sets the SDK's option `expectedResource`, which is off by default.
import {
  createMcpExpressApp,
  getOAuthProtectedResourceMetadataUrl,
  mcpAuthMetadataRouter,
  requireBearerAuth,
} from "@modelcontextprotocol/express";
import { toNodeHandler } from "@modelcontextprotocol/node";
import { createMcpHandler, McpServer, OAuthError, OAuthErrorCode } from "@modelcontextprotocol/server";
import { createRemoteJWKSet, errors, jwtVerify } from "jose";

const { CLERK_ISSUER, CLERK_JWKS_URI, EXPECTED_RESOURCE, HOST, MCP_URL, PORT } = process.env;
const resource = new URL(MCP_URL);
const keys = createRemoteJWKSet(new URL(CLERK_JWKS_URI));

// The other errors say that the key set could not be fetched. The SDK answers 500 to them.
function isAboutTheToken(error) {
  const aboutKeySet = ["ERR_JOSE_GENERIC", "ERR_JWKS_INVALID", "ERR_JWKS_TIMEOUT"];
  return error instanceof errors.JOSEError && !aboutKeySet.includes(error.code);
}

async function verifyAccessToken(token) {
  const { payload } = await jwtVerify(token, keys, { issuer: CLERK_ISSUER }).catch((error) => {
    throw isAboutTheToken(error) ? new OAuthError(OAuthErrorCode.InvalidToken, "invalid token") : error;
  });
  const audience = [payload.aud].flat().find((value) => value === MCP_URL);
  return {
    token,
    clientId: payload.client_id,
    scopes: (payload.scope ?? "").split(" "),
    expiresAt: payload.exp,
    resource: audience === undefined ? undefined : new URL(audience),
    extra: { userId: payload.sub },
  };
}

function createServer() {
  const server = new McpServer({ name: "typescript-sdk", version: "1.0.0" });
  server.registerTool("whoami", { description: "Returns the id of the caller" }, async (context) => ({
    content: [{ type: "text", text: String(context.http?.authInfo?.extra?.userId) }],
  }));
  return server;
}

const oauthMetadata = {
  issuer: CLERK_ISSUER,
  authorization_endpoint: `${CLERK_ISSUER}/oauth/authorize`,
  token_endpoint: `${CLERK_ISSUER}/oauth/token`,
  response_types_supported: ["code"],
};
const app = createMcpExpressApp({ host: HOST });
app.use(mcpAuthMetadataRouter({ oauthMetadata, resourceServerUrl: resource }));
const auth = requireBearerAuth({
  verifier: { verifyAccessToken },
  resourceMetadataUrl: getOAuthProtectedResourceMetadataUrl(resource),
  expectedResource: EXPECTED_RESOURCE === "on" ? resource : undefined,
});
const handler = toNodeHandler(createMcpHandler(createServer));
app.all("/mcp", auth, (request, response) => void handler(request, response, request.body));
app.listen(Number(PORT), HOST);
