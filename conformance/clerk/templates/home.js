// The page of the local Clerk: shows its state, and changes it through the admin API.
const byId = (id) => document.getElementById(id);

/** The faults that can be switched on. `body` is the body of `POST /admin/faults`. */
const FAULTS = [
  ["Everything is down", "503 with an HTML page", { fault: "down" }],
  ["Key set is down", "Tokens with unknown keys cannot be verified", { fault: "down", endpoints: ["jwks"] }],
  ["Key set is malformed", "200 with a body that is not JSON", { fault: "malformed", endpoints: ["jwks"] }],
  ["Every response takes 3 s", "The correct response, late", { fault: "delay", milliseconds: 3000 }],
  ["Rate limit", "429 with Retry-After: 30", { fault: "rate_limited", retry_after_seconds: 30 }],
  ["Connections are reset", "No response", { fault: "reset" }],
];

/** Creates an element. Text is never parsed as HTML. */
function element(name, properties = {}, ...children) {
  const created = Object.assign(document.createElement(name), properties);
  created.append(...children);
  return created;
}

async function admin(method, path, body) {
  const options = { method, cache: "no-store" };
  if (body) Object.assign(options, { headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  const response = await fetch(`/admin${path}`, options);
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error);
  return answer;
}

/** Runs an action, shows the new state, and reports a problem at the top of the page. */
async function run(action) {
  try {
    await action();
    byId("problem").hidden = true;
  } catch (error) {
    byId("problem").textContent = `The local Clerk did not accept this: ${error.message}`;
    byId("problem").hidden = false;
  }
}

// ---- Faults

const isActive = ({ fault, endpoints = [] }) => (active) =>
  active.fault === fault && active.remaining === null && String(active.endpoints) === String(endpoints);

const switches = FAULTS.map(([name, effect, body]) => {
  const input = element("input", { type: "checkbox" });
  input.setAttribute("role", "switch");
  input.addEventListener("change", () => run(async () => {
    if (input.checked) {
      await admin("POST", "/faults", body);
    } else {
      const { faults } = await admin("GET", "/faults");
      for (const { id } of faults.filter(isActive(body))) await admin("DELETE", `/faults/${id}`);
    }
    await showFaults();
  }));
  byId("switches").append(element("label", {}, input, element("span", {}, name, element("small", { textContent: effect }))));
  return { input, body };
});

async function showFaults() {
  const { faults } = await admin("GET", "/faults");
  for (const { input, body } of switches) input.checked = faults.some(isActive(body));
}

// ---- Users, clients and keys

const nameOf = ({ first_name, last_name, email, id }) => [first_name, last_name].filter(Boolean).join(" ") || email || id;

async function showState() {
  const { issuer, users, organizations, clients, signing_key, published_keys } = await admin("GET", "/state");
  byId("issuer").textContent = issuer;
  byId("user-rows").replaceChildren(...users.map((user) => {
    const memberships = organizations.flatMap(({ name, members }) =>
      members.filter((member) => member.user === user.id).map(({ role }) => `${name} (${role})`));
    return row(
      [nameOf(user), small([user.email, user.banned && "banned"].filter(Boolean).join(", ")), code(user.id)],
      memberships.length ? memberships.map((membership) => element("div", { textContent: membership })) : ["none"],
    );
  }));
  byId("no-clients").hidden = clients.length > 0;
  byId("client-table").hidden = clients.length === 0;
  byId("client-rows").replaceChildren(...clients.map(({ id, name, redirect_uris }) => row(
    [name, element("br"), code(id)],
    redirect_uris.map((uri) => element("div", {}, code(uri))),
  )));
  byId("keys").textContent = `Signing key: ${signing_key}. Published keys: ${published_keys.length}.`;
}

const code = (text) => element("code", { textContent: text });

const small = (text) => element("small", { textContent: text });

const row = (...cells) => element("tr", {}, ...cells.map((children) => element("td", {}, ...children)));

// ---- Requests

let last = -1;

async function showRequests() {
  const { requests } = await admin("GET", "/requests");
  const newest = requests.at(-1);
  const state = newest ? `${newest.number} ${newest.status}` : "";
  if (state === last) return;
  last = state;
  byId("no-requests").hidden = requests.length > 0;
  byId("request-table").hidden = requests.length === 0;
  byId("request-rows").replaceChildren(...requests.slice(-100).reverse().map(({ at, method, path, authorization, status, fault }) => row(
    [element("span", { className: "when", textContent: at.slice(11, 19) })],
    [code(`${method} ${path}`), small(authorization ? `with ${authorization}` : "")],
    [element("span", { className: status >= 400 ? "failed" : "", textContent: status ?? "…" }), small(fault ? `fault: ${fault}` : "")],
  )));
}

// ---- Start

byId("clear-faults").addEventListener("click", () => run(async () => { await admin("DELETE", "/faults"); await showFaults(); }));
byId("rotate").addEventListener("click", () => run(async () => { await admin("POST", "/keys/rotate", { overlap: false }); await showState(); }));
byId("clear-requests").addEventListener("click", () => run(async () => { await admin("DELETE", "/requests"); await showRequests(); }));

const show = () => run(async () => { await Promise.all([showState(), showFaults(), showRequests()]); });
show();
setInterval(() => { if (byId("live").checked && !document.hidden) show(); }, 1000);
