// The playground: calls the tools of this server as a sample user, or as the user who signs in.
//
// Tokens stay in the memory of this page. They are sent only to the MCP endpoint of the server that it came from.
const data = JSON.parse(document.getElementById("data").textContent);
const endpoint = new URL("mcp", location.href).href;
const byId = (id) => document.getElementById(id);

/** The caller whose token is used: `{ name, about, token }`. */
let caller;
/** The chosen tool, and the list that it is from. */
let tool;
let tools = [];

/** Creates an element. Text is never parsed as HTML. */
function element(name, properties = {}, ...children) {
  const created = Object.assign(document.createElement(name), properties);
  created.append(...children);
  return created;
}

/** Shows a problem above the tools, or removes it. */
function notify(text = "") {
  byId("notice").textContent = text;
  byId("notice").hidden = !text;
}

// ---- Requests

/** Builds the request for a JSON-RPC method. Servers with sessions need revision 2026-07-28, which has none. */
function rpc(method, params, token = caller.token) {
  const headers = {
    Authorization: `Bearer ${token}`,
    "Content-Type": "application/json",
    Accept: "application/json, text/event-stream",
  };
  if (data.sessions) {
    headers["MCP-Protocol-Version"] = "2026-07-28";
    headers["Mcp-Method"] = method;
    if (params.name) headers["Mcp-Name"] = params.name;
    params = {
      ...params,
      _meta: {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { name: "playground", version: "1" },
        "io.modelcontextprotocol/clientCapabilities": {},
      },
    };
  }
  return { method: "POST", headers, body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }) };
}

/** Sends a request to the MCP endpoint. Returns the HTTP response, its text, and the message with the answer. */
async function send(request) {
  const response = await fetch(endpoint, { ...request, cache: "no-store", credentials: "omit", redirect: "error" });
  const text = await response.text();
  return { response, text, message: messageIn(text, response.headers.get("content-type") ?? "") };
}

/** Finds the JSON-RPC response in a body, which may be an event stream. */
function messageIn(text, type) {
  const candidates = type.startsWith("text/event-stream")
    ? text.split("\n").filter((line) => line.startsWith("data:")).map((line) => line.slice(5))
    : [text];
  for (const candidate of candidates) {
    try {
      const message = JSON.parse(candidate);
      if (message.id === 1 || message.error) return message;
    } catch {}
  }
  return undefined;
}

/** Formats a request as a curl command, one argument per line. */
function curl({ headers, body }, token) {
  const quote = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  const all = { ...headers, Authorization: `Bearer ${token}` };
  const lines = Object.entries(all).map(([name, value]) => `-H ${quote(`${name}: ${value}`)}`);
  return [`curl -s ${data.endpoint}`, ...lines, `-d ${quote(body)}`].join(" \\\n  ");
}

// ---- Callers

/** Adds a caller to choose from. */
function addCaller(added, isChosen) {
  const input = element("input", { type: "radio", name: "caller", checked: isChosen });
  input.addEventListener("change", () => choose(added));
  byId("callers").append(
    element("label", {}, input, element("span", {}, added.name, element("small", { textContent: added.about }))),
  );
  if (isChosen) return choose(added);
}

/** Uses this caller's token from now on, and lists the tools that the caller may see. */
async function choose(chosen) {
  caller = chosen;
  byId("answer").hidden = true;
  notify();
  let answer;
  try {
    answer = await send(rpc("tools/list", {}));
  } catch (error) {
    return notify(`The server does not answer: ${error.message}`);
  }
  if (caller !== chosen) return;
  const listed = answer.message?.result?.tools;
  byId("bench").hidden = !listed?.length;
  if (!listed) {
    return notify(`The tools could not be listed: ${answer.response.status} ${reasonIn(answer)}`);
  }
  if (!listed.length) return notify("This server has no tools for this caller.");
  // The same list keeps its form and the focus.
  if (JSON.stringify(listed) === JSON.stringify(tools)) return showCurl();
  tools = listed;
  showTools();
}

/** Returns the text of an error response. */
function reasonIn({ response, text, message }) {
  try {
    return message?.error?.message ?? JSON.parse(text).error_description ?? response.statusText;
  } catch {
    return response.statusText;
  }
}

// ---- Tools and their forms

function showTools() {
  const chosen = tools.find(({ name }) => name === tool?.name) ?? tools[0];
  byId("tools").replaceChildren(
    ...tools.map((each) => {
      const input = element("input", { type: "radio", name: "tool", checked: each === chosen });
      input.addEventListener("change", () => showTool(each));
      const title = each.title ?? each.annotations?.title ?? "";
      return element("label", {}, input, element("span", {}, each.name, element("small", { textContent: title })));
    }),
  );
  showTool(chosen);
}

function showTool(chosen) {
  tool = chosen;
  byId("tool").textContent = tool.name;
  byId("about").textContent = tool.description ?? "";
  const { properties = {}, required = [] } = tool.inputSchema;
  byId("fields").replaceChildren(
    ...Object.entries(properties).map(([name, schema]) => field(name, resolve(schema), required.includes(name))),
  );
  byId("answer").hidden = true;
  showCurl();
}

/** Follows `$ref`, and takes the branch of an optional argument that is not null. */
function resolve(schema, depth = 0) {
  if (depth > 5 || typeof schema !== "object") return {};
  const path = schema.$ref?.startsWith("#/") ? schema.$ref.slice(2).split("/") : undefined;
  if (path) {
    const target = path.reduce((at, segment) => at?.[segment], tool.inputSchema) ?? {};
    return { ...resolve(target, depth + 1), ...schema };
  }
  const branches = (schema.anyOf ?? schema.oneOf)?.filter(({ type }) => type !== "null");
  return branches?.length === 1 ? { ...resolve(branches[0], depth + 1), ...schema } : schema;
}

/** Creates the input for one argument. Everything that has no input of its own is entered as JSON. */
function field(name, schema, isRequired) {
  const type = [schema.type].flat().find((one) => one && one !== "null");
  const sample = schema.default ?? schema.examples?.[0];
  const id = `argument-${name}`;
  const options = schema.enum ?? (type === "boolean" ? [true, false] : undefined);
  let input;
  if (options) {
    const choices = options.map((value) => element("option", { value: JSON.stringify(value), textContent: String(value) }));
    input = element("select", {}, ...(isRequired ? [] : [element("option", { value: "", textContent: "(not set)" })]), ...choices);
    if (sample !== undefined) input.value = JSON.stringify(sample);
  } else if (type === "integer" || type === "number") {
    input = element("input", { type: "number", step: type === "integer" ? 1 : "any" });
    input.min = schema.minimum ?? "";
    input.max = schema.maximum ?? "";
  } else if (type === "string") {
    const kind = { date: "date", email: "email", uri: "url" }[schema.format] ?? "text";
    input = element("input", { type: kind });
    if (schema.pattern) input.pattern = schema.pattern;
    if (schema.minLength) input.minLength = schema.minLength;
  } else {
    input = element("textarea", { spellcheck: false, placeholder: type === "array" ? "[]" : "{}" });
  }
  if (!options && sample !== undefined && isRequired) {
    input.value = typeof sample === "object" ? JSON.stringify(sample, null, 2) : sample;
  }
  Object.assign(input, { id, required: isRequired });
  Object.assign(input.dataset, { name, json: options ? "yes" : String(input.localName === "textarea" || input.type === "number") });
  const hint = [isRequired ? "" : "Optional.", schema.description ?? "", input.localName === "textarea" ? "As JSON." : ""];
  const small = element("small", { id: `${id}-hint`, textContent: hint.filter(Boolean).join(" ") });
  input.setAttribute("aria-describedby", small.id);
  return element("div", { className: "field" }, element("label", { htmlFor: id, textContent: schema.title ?? name }), small, input);
}

/** Reads the arguments from the form. Throws a `SyntaxError` that names the argument that is not JSON. */
function formArguments() {
  const values = {};
  for (const input of byId("fields").querySelectorAll("[data-name]")) {
    const { name, json } = input.dataset;
    if (input.value === "" && !(input.required && input.type === "text")) continue;
    try {
      values[name] = json === "false" ? input.value : JSON.parse(input.value);
    } catch {
      throw new SyntaxError(`The argument ${name} is not JSON.`);
    }
  }
  return values;
}

function showCurl() {
  const figure = byId("curl").closest("figure");
  try {
    const request = rpc("tools/call", { name: tool.name, arguments: formArguments() });
    byId("curl").textContent = curl(request, `${caller.token.slice(0, 8)}…`);
    figure.dataset.text = curl(request, caller.token);
  } catch (error) {
    byId("curl").textContent = error.message;
    delete figure.dataset.text;
  }
}

// ---- Calls and their answers

async function call() {
  const button = byId("call").querySelector("button.primary");
  notify();
  let request;
  try {
    request = rpc("tools/call", { name: tool.name, arguments: formArguments() });
  } catch (error) {
    return notify(error.message);
  }
  button.disabled = true;
  byId("progress").textContent = "Waiting for the answer…";
  const started = performance.now();
  try {
    showAnswer(await send(request), Math.round(performance.now() - started));
  } catch (error) {
    notify(`The server does not answer: ${error.message}`);
  } finally {
    button.disabled = false;
    byId("progress").textContent = "";
  }
}

function showAnswer(answer, milliseconds) {
  const { response, text, message } = answer;
  const { result, error } = message ?? {};
  const failed = !result || result.isError === true;
  const words = result ? (result.isError ? "The tool failed" : "Success") : error?.code ? `Error ${error.code}` : "Rejected";
  byId("answer").className = `answer ${failed ? "is-bad" : "is-good"}`;
  byId("answer-title").replaceChildren(
    element("span", { className: "answer-state", textContent: words }),
    ` (${response.status} ${response.statusText}, ${milliseconds} ms)`,
  );
  byId("result").textContent = result ? contentOf(result) : reasonIn(answer);
  const headers = [...response.headers].map(([name, value]) => `${name}: ${value}`).join("\n");
  byId("response").textContent = `${response.status} ${response.statusText}\n${headers}\n\n${indented(text)}`;
  byId("answer").hidden = false;
  byId("answer-title").focus({ preventScroll: true });
  byId("answer").scrollIntoView({ block: "nearest" });
}

function contentOf(result) {
  if (result.structuredContent) return JSON.stringify(result.structuredContent, null, 2);
  const parts = (result.content ?? []).map((part) => (part.type === "text" ? part.text : JSON.stringify(part, null, 2)));
  return parts.join("\n") || JSON.stringify(result, null, 2);
}

function indented(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

// ---- Broken requests: only in the demo

const MARKS = { passed: "✓", failed: "✗", "not-applicable": "–", "not-reached": "?" };

function checkItem({ name, outcome, text }) {
  return element("li", { className: outcome }, element("b", { textContent: `${MARKS[outcome]} ${name}:` }), text);
}

async function sendBroken(chosen, button) {
  for (const each of byId("defects").children) each.setAttribute("aria-pressed", String(each === button));
  const about = byId("broken-about");
  try {
    // The outage begins when the server returns the request, and ends with the answer to it.
    const broken = chosen.token ? chosen : await fromDemo("demo/outage");
    const { token, call, checks, reason } = broken;
    const request = call ? rpc("tools/call", call, token) : rpc("tools/list", {}, token);
    const { response, text } = await send(request);
    const headers = ["www-authenticate", "retry-after"].filter((name) => response.headers.has(name));
    byId("broken-curl").textContent = curl(request, `${token.slice(0, 8)}…`);
    byId("broken-response").textContent = [
      `${response.status} ${response.statusText}`,
      ...headers.map((name) => `${name}: ${response.headers.get(name)}`),
      "",
      indented(text),
    ].join("\n");
    const failed = checks.filter(({ outcome }) => outcome === "failed");
    byId("failed-checks").replaceChildren(...failed.map(checkItem));
    byId("checks-summary").textContent = `All ${checks.length} checks`;
    byId("checks").replaceChildren(...checks.map(checkItem));
    byId("broken-reason").textContent = `${failed.length ? "" : "The token passes every check, and the policy of the tool rejects the call. "}Reason in the log: ${reason}.`;
    byId("rejection").hidden = false;
    about.textContent = broken.about;
  } catch (error) {
    byId("rejection").hidden = true;
    about.textContent = `The server does not answer: ${error.message}`;
  }
}

/** Sends a request to a route that only the demo has. Any valid token is good for it. */
function fromDemo(path, body) {
  return json(path, { method: "POST", body, headers: { Authorization: `Bearer ${data.users[0].token}` } });
}

for (const broken of data.brokenRequests ?? []) {
  const button = element("button", { type: "button", textContent: broken.name });
  button.setAttribute("aria-pressed", "false");
  button.addEventListener("click", () => sendBroken(broken, button));
  byId("defects").append(button);
  byId("break").hidden = false;
}

// ---- Sign-in: OAuth 2.1 authorization code with PKCE (RFC 7636) and dynamic client registration (RFC 7591)

const redirectUri = location.origin + location.pathname;

const base64url = (bytes) =>
  btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

const random = () => base64url(crypto.getRandomValues(new Uint8Array(32)));

async function json(url, options) {
  const response = await fetch(url, { cache: "no-store", credentials: "omit", ...options });
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(body.error_description ?? `${new URL(url, location.href).pathname} returned ${response.status}`);
  return body;
}

/** Returns the S256 challenge for a code verifier (RFC 7636 §4.2). */
async function codeChallenge(verifier) {
  if (crypto.subtle) return base64url(new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier))));
  // `demo --network` serves this page over http, where browsers compute no hashes.
  if (data.users.length) return (await fromDemo("demo/code-challenge", verifier)).challenge;
  throw new Error("browsers allow it only over https or on localhost");
}

/** Registers this page as a client and opens the sign-in page. */
async function signIn() {
  const metadata = await json(".well-known/oauth-authorization-server");
  if (!metadata.registration_endpoint) {
    throw new Error("dynamic client registration is off. Turn it on in Clerk Dashboard > OAuth applications, or use a token");
  }
  const { client_id } = await json(metadata.registration_endpoint, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({
      client_name: `${data.name} playground`,
      redirect_uris: [redirectUri],
      grant_types: ["authorization_code"],
      response_types: ["code"],
      token_endpoint_auth_method: "none",
      // A client may request only the scopes of its registration.
      scope: data.scopes.join(" "),
    }),
  });
  const attempt = { client_id, verifier: random(), state: random(), issuer: metadata.issuer, token_endpoint: metadata.token_endpoint };
  const challenge = await codeChallenge(attempt.verifier);
  // Lasts until the authorization server sends the browser back to this page.
  sessionStorage.setItem("sign-in", JSON.stringify(attempt));
  const url = new URL(metadata.authorization_endpoint);
  url.search = new URLSearchParams({
    ...Object.fromEntries(url.searchParams),
    response_type: "code",
    client_id,
    redirect_uri: redirectUri,
    scope: data.scopes.join(" "),
    state: attempt.state,
    code_challenge: challenge,
    code_challenge_method: "S256",
    resource: data.endpoint,
  });
  location.assign(url);
}

/** Exchanges the code in the URL for a token, if the authorization server has sent the browser back. */
async function finishSignIn() {
  const parameters = new URLSearchParams(location.search);
  const attempt = JSON.parse(sessionStorage.getItem("sign-in") ?? "null");
  if (!attempt || !parameters.has("state")) return;
  sessionStorage.removeItem("sign-in");
  // A reload must not use the code again.
  history.replaceState(null, "", redirectUri);
  if (parameters.get("state") !== attempt.state) throw new Error("the answer belongs to another sign-in");
  // RFC 9207: the answer must come from the server that was asked.
  if (parameters.has("iss") && parameters.get("iss") !== attempt.issuer) throw new Error("the answer comes from another server");
  if (parameters.has("error")) throw new Error(parameters.get("error_description") ?? parameters.get("error"));
  const { access_token } = await json(attempt.token_endpoint, {
    method: "POST",
    body: new URLSearchParams({
      grant_type: "authorization_code",
      code: parameters.get("code"),
      redirect_uri: redirectUri,
      client_id: attempt.client_id,
      code_verifier: attempt.verifier,
      resource: data.endpoint,
    }),
  });
  return { name: "Signed in", about: subjectOf(access_token), token: access_token };
}

/** Returns the user id in a JWT. An opaque token names no user. */
function subjectOf(token) {
  try {
    return JSON.parse(atob(token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/"))).sub;
  } catch {
    return "an opaque token";
  }
}

// ---- Start

byId("ui").hidden = false;
byId("call").addEventListener("submit", (event) => { event.preventDefault(); call(); });
byId("fields").addEventListener("input", showCurl);
byId("sign-in").addEventListener("click", () => signIn().catch((error) => notify(`Sign-in is not possible: ${error.message}.`)));
byId("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const token = byId("token").value.trim().replace(/^Bearer /i, "");
  byId("token").value = "";
  byId("paste").open = false;
  addCaller({ name: "Your token", about: subjectOf(token), token }, true);
});
finishSignIn()
  .catch((error) => { notify(`Sign-in failed: ${error.message}.`); })
  .then(async (signedIn) => {
    const problem = byId("notice").textContent;
    for (const [index, user] of data.users.entries()) {
      await addCaller(user, index === 0 && !signedIn);
    }
    if (signedIn) await addCaller(signedIn, true);
    if (problem) notify(problem);
  });
