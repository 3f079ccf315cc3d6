#!/usr/bin/env node
// Searches everything that a test run of the server writes for tokens, codes and keys. None may be found.
//
// Runs `serve` with all logs, metrics and traces, and the demo with all logs. Both are tested by the conformance
// suite. Collects the logs, the metrics, the traces as sent with OTLP, every page and document, and the output of
// the suite, `explain` and `doctor`. Needs Node.js 18 and the programs of `.ci/build`.
import { spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { appendFileSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { createServer as createTcpServer } from "node:net";
import { join, resolve } from "node:path";

/** Patterns of secrets. The local Clerk's codes and refresh tokens have no fixed form, so they are searched by value. */
const FORMS = {
  "a JSON Web Token": /\beyJ[\w-]{10,}\.[\w-]+\.[\w-]*/g,
  "the claims of a JSON Web Token": /\beyJ(?:hY3|hen|pc3|leH|zdWI|qdGk)[\w-]{20,}/g,
  "a secret key": /\b(?:[sr]k_(?:test|live)|whsec)_[\w/+-]{16,}/g,
  "an opaque token or API key": /\b(?:oat|mt|ak)_[\w/+-]{16,}/g,
  "a private key": /-----BEGIN [A-Z ]*PRIVATE KEY-----/g,
};

const REPORTS = ["terminal", "json", "junit", "sarif", "markdown", "html"];

const target = resolve(process.env.CARGO_TARGET_DIR ?? "target");
const [server, suite] = ["clerk-mcp", "clerk-mcp-conformance"].map((name) => join(target, "debug", name));
const output = join(target, "leaks");
const secrets = new Map();
const children = [];

rmSync(output, { recursive: true, force: true });
mkdirSync(output, { recursive: true });
process.on("exit", () => children.forEach((child) => child.kill()));

const collector = await startCollector();
const clerk = await startClerk();
await testServer(clerk, collector);
await testDemo();
search();

/** Starts a collector of traces, which writes them to a file. Returns its URL. */
async function startCollector() {
  const listener = createServer((request, response) => {
    request.on("data", (bytes) => appendFileSync(join(output, "traces"), bytes));
    request.on("end", () => response.end());
  });
  await new Promise((ready) => listener.listen(0, "127.0.0.1", ready));
  listener.unref();
  return `http://127.0.0.1:${listener.address().port}`;
}

/** Starts a local Clerk. Its stdout contains its secrets on purpose, so it is not searched. */
async function startClerk() {
  const described = JSON.parse(await firstLine(start("clerk", suite, ["clerk", "--json"])));
  const [key, tokens] = [described.environment.CLERK_SECRET_KEY, described.users.map((user) => user.sessionToken)];
  for (const secret of [key, ...tokens]) {
    if (!Object.values(FORMS).some((form) => secret.search(form) === 0)) throw new Error("no form fits a secret");
    learn(secret === key ? "the secret key" : "a session token", secret);
  }
  return described;
}

/** Tests `serve` with the suite. */
async function testServer(clerk, collector) {
  const [port, adminPort] = [await freePort(), await freePort()];
  const base = `http://127.0.0.1:${port}`;
  const environment = {
    ...clerk.environment,
    PORT: port,
    BASE_URL: base,
    ADMIN_ADDR: `127.0.0.1:${adminPort}`,
    RUST_LOG: "trace",
    OTEL_EXPORTER_OTLP_ENDPOINT: collector,
  };
  const serve = start("serve", server, ["serve"], environment);
  serve.stdout.on("data", (bytes) => appendFileSync(join(output, "serve.stdout"), bytes));
  await untilReady(`${base}/readyz`);
  const reports = REPORTS.flatMap((format) => ["--report", `${format}=${join(output, `report.${format}`)}`]);
  await test(["--profile", "clerk-mcp", "--url", `${base}/mcp`, "--clerk", clerk.frontendApiUrl, ...reports]);
  const token = clerk.users[0].sessionToken;
  await fetchPages("serve", base, token);
  await fetchPages("admin", `http://127.0.0.1:${adminPort}`, token);
  for (const arguments_ of [[], ["--json"]]) {
    await run("explain", server, ["explain", ...arguments_], environment, token);
    await run("explain", server, ["explain", ...arguments_], environment, `${token}x`);
    await run("doctor", server, ["doctor", ...arguments_], environment);
  }
  await stop(serve);
}

/** Signs in to the demo and tests it. Its stdout contains tokens on purpose, so it is not searched. */
async function testDemo() {
  const arguments_ = ["demo", "--port", "0", "--clerk-port", "0", "--auto-approve", "ada", "--json"];
  const demo = start("demo", server, arguments_, { RUST_LOG: "trace" });
  const described = JSON.parse(await firstLine(demo));
  const { mcpEndpoint, clerk } = described;
  await signIn(clerk.frontendApiUrl, mcpEndpoint);
  await test(["--url", mcpEndpoint, "--login"]);
  // The start page and /docs of the demo show ready-made tokens of sample users, on purpose.
  await fetchPages("demo", new URL(mcpEndpoint).origin, "x", ["/", "/docs"]);
  await fetchPages("demo-clerk", clerk.frontendApiUrl, "x");
  await stop(demo);
}

/** Gets a code, tokens and a refresh token, as a client does, and learns them. */
async function signIn(clerk, resource) {
  const redirect = "http://127.0.0.1:1/callback";
  const registration = { client_name: "leaks", redirect_uris: [redirect], token_endpoint_auth_method: "none" };
  const client = await (await post(`${clerk}/oauth/register`, JSON.stringify(registration), "application/json")).json();
  const verifier = randomBytes(32).toString("base64url");
  learn("the code verifier", verifier);
  const challenge = createHash("sha256").update(verifier).digest("base64url");
  const parameters = new URLSearchParams({
    response_type: "code",
    client_id: client.client_id,
    redirect_uri: redirect,
    scope: "profile email offline_access",
    state: "leaks-state",
    resource,
    code_challenge: challenge,
    code_challenge_method: "S256",
  });
  const answer = await fetch(`${clerk}/oauth/authorize?${parameters}`, { redirect: "manual" });
  const code = new URL(answer.headers.get("location")).searchParams.get("code");
  if (code === null) throw new Error(answer.headers.get("location"));
  learn("the code", code);
  const grants = [{ grant_type: "authorization_code", code, redirect_uri: redirect, code_verifier: verifier }];
  for (const grant of grants) {
    const body = new URLSearchParams({ client_id: client.client_id, resource, ...grant });
    const tokens = await (await post(`${clerk}/oauth/token`, body)).json();
    learn(`the access token (${grant.grant_type})`, tokens.access_token);
    learn(`the refresh token (${grant.grant_type})`, tokens.refresh_token);
    if (grants.length === 1) grants.push({ grant_type: "refresh_token", refresh_token: tokens.refresh_token });
  }
}

function post(url, body, type = "application/x-www-form-urlencoded") {
  return fetch(url, { method: "POST", body, headers: { "Content-Type": type } });
}

/** Adds a secret to search for. The header of a JWT is skipped, because it is not secret. */
function learn(name, secret) {
  const parts = secret.split(".");
  for (const part of parts.length === 3 ? parts.slice(1) : parts) secrets.set(part, name);
}

/** Writes pages and documents, except these paths, and the answers to a token in wrong places, to a file. */
async function fetchPages(name, base, token, except = []) {
  const documents = ["oauth-protected-resource", "oauth-protected-resource/mcp", "oauth-authorization-server"];
  const paths = [
    ...["/", "/docs", "/openapi.json", "/openapi.yaml", "/healthz", "/readyz", "/metrics", "/mcp", "/unknown"],
    ...[...documents, "openid-configuration"].map((document) => `/.well-known/${document}`),
    ...[`/${token}`, `/mcp/${token}`, `/mcp?access_token=${token}`],
  ];
  for (const path of paths.filter((path) => !except.includes(path))) {
    for (const Accept of ["text/html", "application/json"]) {
      const headers = { Accept, Authorization: `Bearer ${token}`, "X-Request-Id": token };
      const answer = await fetch(base + path, { headers, redirect: "manual" });
      const head = JSON.stringify([answer.status, ...answer.headers]);
      appendFileSync(join(output, `${name}.pages`), `${head}\n${await answer.text()}\n`);
    }
  }
}

/** Searches all files for secrets, and ends with an error if it finds one. */
function search() {
  const found = new Set();
  let bytes = 0;
  for (const file of readdirSync(output)) {
    const text = readFileSync(join(output, file), "latin1");
    bytes += text.length;
    if (text.length === 0) found.add(`${file} is empty, so it proves nothing`);
    for (const [form, pattern] of Object.entries(FORMS)) {
      for (const { index } of text.matchAll(pattern)) found.add(`${file} contains ${form} at byte ${index}`);
    }
    for (const [secret, name] of secrets) {
      const index = text.indexOf(secret);
      if (index >= 0) found.add(`${file} contains ${name} at byte ${index}`);
    }
  }
  const searched = `${secrets.size} secrets and ${Object.keys(FORMS).length} forms of secrets`;
  console.log(`Searched ${bytes} bytes for ${searched}: ${found.size} found.`);
  for (const one of [...found].slice(0, 20)) console.error(one);
  process.exit(found.size === 0 ? 0 : 1);
}

/** Starts a program with only these variables. Appends its stderr to the file NAME.stderr. */
function start(name, program, arguments_, environment = {}) {
  const child = spawn(program, arguments_, { cwd: output, env: environment, stdio: ["pipe", "pipe", "pipe"] });
  child.stderr.on("data", (bytes) => appendFileSync(join(output, `${name}.stderr`), bytes));
  children.push(child);
  return child;
}

/** Runs a program to its end, and appends its stdout to the file NAME.stdout. Returns its exit code. */
async function run(name, program, arguments_, environment, input = "") {
  const child = start(name, program, arguments_, environment);
  child.stdout.on("data", (bytes) => appendFileSync(join(output, `${name}.stdout`), bytes));
  child.stdin.end(input);
  return new Promise((ended) => child.on("close", ended));
}

/** Tests a target with the suite. Failed cases are ignored: `.ci/conformance` reports them. Any other exit code means that the suite did not run. */
async function test(arguments_) {
  const code = await run("suite", suite, ["run", "--jobs", "8", "--verbose", ...arguments_]);
  if (code !== 0 && code !== 1) throw new Error(`the suite ended with ${code}; see ${join(output, "suite.stdout")}`);
}

/** Stops a program and waits until it has written everything. */
async function stop(child) {
  const ended = new Promise((resolve_) => child.on("close", resolve_));
  child.kill("SIGTERM");
  await ended;
}

/** Returns the first line that `child` prints. */
function firstLine(child) {
  return new Promise((found, failed) => {
    let text = "";
    child.stdout.on("data", (bytes) => {
      text += bytes;
      if (text.includes("\n")) found(text.split("\n")[0]);
    });
    child.on("exit", (code) => failed(new Error(`${child.spawnfile} ended with ${code}`)));
  });
}

async function freePort() {
  const listener = createTcpServer();
  await new Promise((ready) => listener.listen(0, "127.0.0.1", ready));
  const { port } = listener.address();
  await new Promise((closed) => listener.close(closed));
  return port;
}

async function untilReady(url) {
  for (let attempt = 0; attempt < 600; attempt += 1) {
    const answer = await fetch(url).catch(() => undefined);
    if (answer?.ok) return;
    await new Promise((resolve_) => setTimeout(resolve_, 50));
  }
  throw new Error(`${url} is not ready`);
}
