import { once } from "node:events";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startLocalClerk } from "./local-clerk.mjs";
import { server } from "./server.mjs";

let clerk, listening, url;

beforeAll(async () => {
  clerk = await startLocalClerk();
  listening = server(clerk.environment).listen(0, "127.0.0.1");
  await once(listening, "listening");
  url = `http://127.0.0.1:${listening.address().port}/`;
});
afterAll(async () => {
  listening?.close();
  await clerk?.stop();
});

const request = (token) => fetch(url, { headers: { Authorization: `Bearer ${token}` } });

test("a valid token names the user", async () => {
  const response = await request(await clerk.token({ kind: "session_token", user: "ada@example.com" }));
  expect(response.status).toBe(200);
  expect(await response.text()).toMatch(/^user_/);
});

test.each([
  ["expired", { claims: { exp: "@now-1h" } }],
  ["from another issuer", { claims: { iss: "https://other.example.com" } }],
  ["unsigned", { header: { alg: "none" }, sign: "none" }],
])("a token that is %s is rejected", async (_, damage) => {
  const response = await request(await clerk.token({ kind: "session_token", ...damage }));
  expect(response.status).toBe(401);
});

test("tokens of a new key are accepted after a key rotation", async () => {
  await clerk.admin("POST", "/keys/rotate");
  expect((await request(await clerk.token({ kind: "session_token" }))).status).toBe(200);
});
