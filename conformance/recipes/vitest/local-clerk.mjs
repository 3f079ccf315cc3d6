// Starts a local Clerk for a test file.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

/**
 * Starts a local Clerk on a free port. Returns
 * - `environment`: the variables for the server under test, such as CLERK_SECRET_KEY,
 * - `token(recipe)`: mints a token; `GET /admin` of the local Clerk describes the members of a recipe,
 * - `admin(method, path, body)`: calls the admin API,
 * - `stop()`.
 */
export async function startLocalClerk(...options) {
  const program = process.env.LOCAL_CLERK ?? "clerk-mcp-conformance";
  const child = spawn(program, ["clerk", "--json", ...options], { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = await once(createInterface({ input: child.stdout }), "line");
  const { environment, adminUrl } = JSON.parse(line);

  async function admin(method, path, body) {
    const response = await fetch(adminUrl + path, {
      method,
      headers: { "Content-Type": "application/json" },
      body: body && JSON.stringify(body),
    });
    const answer = await response.json();
    if (!response.ok) throw new Error(`local Clerk: ${method} ${path}: ${answer.error}`);
    return answer;
  }

  return {
    environment,
    admin,
    token: async (recipe) => (await admin("POST", "/tokens", recipe)).token,
    async stop() {
      child.kill();
      await once(child, "exit");
    },
  };
}
