// The server under test: accepts session tokens of Clerk. Use your own server instead.
import { createServer } from "node:http";
import { createRemoteJWKSet, jwtVerify } from "jose";

export function server({ CLERK_FRONTEND_API_URL: issuer }) {
  const keys = createRemoteJWKSet(new URL("/.well-known/jwks.json", issuer), { cooldownDuration: 0 });
  return createServer(async (request, response) => {
    try {
      const [, token] = /^Bearer (\S+)$/.exec(request.headers.authorization ?? "") ?? [];
      const { payload } = await jwtVerify(token ?? "", keys, { issuer, algorithms: ["RS256"] });
      response.end(payload.sub);
    } catch {
      response.writeHead(401, { "WWW-Authenticate": "Bearer" }).end();
    }
  });
}
