// mcp-use with its Clerk provider, as in its documentation:
// https://docs.mcp-use.com/typescript/server/authentication/providers/clerk
//
// `audience` restricts tokens to this server. It is off by default. HOST, PORT, MCP_URL (an origin) and
// MCP_USE_OAUTH_CLERK_FRONTEND_API_URL are variables of the library.
import { MCPServer } from "mcp-use";
import { oauthClerkProvider } from "mcp-use/oauth/clerk";

const server = new MCPServer({
  name: "mcp-use",
  version: "1.0.0",
  oauth: oauthClerkProvider({ audience: `${process.env.MCP_URL}/mcp` }),
});
server.tool({ name: "whoami", description: "Returns the id of the caller" }, async (_input, context) => ({
  content: [{ type: "text", text: context.auth.user.id }],
}));
await server.listen();
