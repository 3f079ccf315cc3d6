// mcp-handler in Hono, as in its README and its page about authorization:
// https://github.com/vercel/mcp-handler/blob/main/docs/AUTHORIZATION.md
//
// The library leaves the verification of the token to the application. This one calls `jwtVerify` of jose as in
// the README of jose, with issuer and audience.
import { serve } from "@hono/node-server";
import { Hono } from "hono";
import { createRemoteJWKSet, errors, jwtVerify } from "jose";
import {
  createMcpHandler,
  metadataCorsOptionsRequestHandler,
  protectedResourceHandler,
  withMcpAuth,
} from "mcp-handler";

const { CLERK_ISSUER, CLERK_JWKS_URI, HOST, MCP_URL, PORT } = process.env;
const keys = createRemoteJWKSet(new URL(CLERK_JWKS_URI));
const metadataPath = "/.well-known/oauth-protected-resource/mcp";

// The other errors say that the key set could not be fetched.
function isAboutTheToken(error) {
  const aboutKeySet = ["ERR_JOSE_GENERIC", "ERR_JWKS_INVALID", "ERR_JWKS_TIMEOUT"];
  return error instanceof errors.JOSEError && !aboutKeySet.includes(error.code);
}

async function verifyToken(_request, token) {
  if (!token) return undefined;
  const verified = await jwtVerify(token, keys, { issuer: CLERK_ISSUER, audience: MCP_URL }).catch((error) => {
    if (!isAboutTheToken(error)) throw error;
  });
  if (!verified) return undefined;
  const { client_id, exp, scope = "", sub } = verified.payload;
  return { token, clientId: client_id, scopes: scope.split(" "), expiresAt: exp, extra: { userId: sub } };
}

const handler = createMcpHandler((server) => {
  server.registerTool("whoami", { description: "Returns the id of the caller" }, async (context) => ({
    content: [{ type: "text", text: String(context.http?.authInfo?.extra?.userId) }],
  }));
});
const protectedHandler = withMcpAuth(handler, verifyToken, { required: true, resourceMetadataPath: metadataPath });
const metadataHandler = protectedResourceHandler({ authServerUrls: [CLERK_ISSUER], resourceUrl: MCP_URL });
const metadataOptionsHandler = metadataCorsOptionsRequestHandler();

const app = new Hono();
app.on(["GET", "POST"], "/mcp", (context) => protectedHandler(context.req.raw));
app.get(metadataPath, (context) => metadataHandler(context.req.raw));
app.options(metadataPath, () => metadataOptionsHandler());
serve({ fetch: app.fetch, hostname: HOST, port: Number(PORT) });
