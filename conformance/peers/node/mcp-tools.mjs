// Express with @clerk/mcp-tools, as in the Express guide of the library:
// https://github.com/clerk/mcp-tools/blob/main/express/README.md
import { clerkMiddleware } from "@clerk/express";
import {
  authServerMetadataHandlerClerk,
  mcpAuthClerk,
  protectedResourceHandlerClerk,
  streamableHttpHandler,
} from "@clerk/mcp-tools/express";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import cors from "cors";
import express from "express";

const { HOST, PORT } = process.env;

// Version 0.6.0 connects a server object to one transport, so every request needs its own.
function createServer() {
  const server = new McpServer({ name: "mcp-tools", version: "1.0.0" });
  server.registerTool("whoami", { description: "Returns the id of the caller" }, async ({ authInfo }) => ({
    content: [{ type: "text", text: authInfo.extra.userId }],
  }));
  return server;
}

const app = express();
app.use(cors({ exposedHeaders: ["WWW-Authenticate"] }));
app.use(clerkMiddleware());
app.use(express.json());
app.get("/.well-known/oauth-protected-resource", protectedResourceHandlerClerk());
app.get(
  "/.well-known/oauth-protected-resource/mcp",
  protectedResourceHandlerClerk({ scopes_supported: ["profile", "email"] }),
);
app.get("/.well-known/oauth-authorization-server", authServerMetadataHandlerClerk);
app.post("/mcp", mcpAuthClerk, (request, response) => streamableHttpHandler(createServer())(request, response));
app.listen(Number(PORT), HOST);
