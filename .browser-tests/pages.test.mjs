import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { networkInterfaces } from "node:os";
import { after, before, test } from "node:test";
import { checkAccessibility, launch, open, startDemo } from "./support.mjs";

let demo;
let browser;
before(async () => { [demo, browser] = await Promise.all([startDemo(), launch()]); });
after(async () => { await Promise.all([browser?.close(), demo?.stop()]); });

const call = (page) => page.getByRole("button", { name: "Call", exact: true }).click();
const answer = (page) => page.getByRole("region", { name: "the answer" });
/** Opens the sign-in page of the local Clerk, whose users have the same names as those of the start page. */
async function openSignIn(page) {
  await page.getByRole("button", { name: "Sign in with Clerk" }).click();
  await page.getByRole("heading", { name: /asks for access/ }).waitFor();
}
const choose = (page, name) => page.getByRole("radio", { name }).check();

test("a sample user calls a tool with arguments from its form", async () => {
  const page = await open(browser, demo.page);
  await choose(page, /^greet/);
  await page.getByLabel("name").fill("World");
  await call(page);
  await expectText(answer(page), /^Hello, World! Your Clerk user ID is user_2sAda/);
  await choose(page, "Grace Hopper");
  await choose(page, "get-user-info");
  await call(page);
  await expectText(answer(page), /"firstName": "Grace"/);
  assert.deepEqual(page.problems, []);
});

test("the page says so if it was opened under another name of this machine", async () => {
  const page = await open(browser, demo.page);
  const notice = page.locator("#other-name");
  assert.equal(await notice.isVisible(), false);
  await page.goto(demo.page.replace("127.0.0.1", "localhost"));
  await expectText(notice, new RegExp(`Open ${demo.page}`));
});

test("the form requires what the schema requires", async () => {
  const page = await open(browser, demo.page);
  await choose(page, /^greet/);
  const name = page.getByLabel("name");
  assert.equal(await name.inputValue(), "Ada", "the example of the schema");
  await name.fill("");
  await call(page);
  assert.equal(await name.evaluate((input) => input.validity.valueMissing), true);
  assert.equal(await answer(page).isVisible(), false);
});

test("the curl command hides the token, and the copied one works", async () => {
  const page = await open(browser, demo.page);
  await choose(page, /^greet/);
  await page.getByLabel("name").fill("O'Hara $HOME");
  await page.getByText("As curl").click();
  const shown = await page.locator("#curl").textContent();
  assert.ok(!shown.includes(demo.users[0].token) && shown.includes(demo.mcpEndpoint), shown);
  await page.locator("#call").getByRole("button", { name: "Copy this call as curl" }).click();
  await page.getByRole("button", { name: "Copy this call as curl" }).getByText("Copied").waitFor();
  const command = await page.evaluate(() => navigator.clipboard.readText());
  const { result } = JSON.parse(execFileSync("sh", ["-c", command], { encoding: "utf8" }));
  assert.match(result.content[0].text, /^Hello, O'Hara \$HOME!/);
});

test("signing in on the page returns with a token of the chosen user", async () => {
  const page = await open(browser, demo.page);
  await openSignIn(page);
  await choose(page, /^Grace Hopper/);
  await page.getByRole("button", { name: "Allow" }).click();
  await page.getByRole("radio", { name: /^Signed in/, checked: true }).waitFor();
  assert.equal(page.url(), demo.page, "the code stays out of the history");
  await choose(page, "get-user-info");
  await call(page);
  await expectText(answer(page), /"firstName": "Grace"/);
  assert.deepEqual(page.problems, []);
});

test("a user who chooses an organization has the role and the permissions there", async () => {
  const page = await open(browser, demo.page);
  await openSignIn(page);
  await choose(page, /^Ada Lovelace/);
  await page.locator(".user", { hasText: "Ada Lovelace" }).locator("select").selectOption({ label: "Analytical Engines (Admin)" });
  await page.getByRole("button", { name: "Allow" }).click();
  await page.getByRole("radio", { name: /^Signed in/, checked: true }).waitFor();
  await choose(page, "whoami");
  await call(page);
  await expectText(answer(page), /"organizationRole": "org:admin"/);
  await expectText(answer(page), /"org:billing:manage"/);
  assert.deepEqual(page.problems, []);
});

const network = Object.values(networkInterfaces()).flat().find(({ family, internal }) => family === "IPv4" && !internal);

test("signing in works on the page of another machine", { skip: network ? false : "this machine has no address except loopback" }, async () => {
  const shared = await startDemo("--network", network.address);
  try {
    const page = await open(browser, shared.page);
    assert.equal(await page.evaluate(() => isSecureContext), false);
    await openSignIn(page);
    await choose(page, /^Grace Hopper/);
    await page.getByRole("button", { name: "Allow" }).click();
    await page.getByRole("radio", { name: /^Signed in/, checked: true }).waitFor();
    await choose(page, "get-user-info");
    await call(page);
    await expectText(answer(page), /"firstName": "Grace"/);
    assert.deepEqual(page.problems, []);
    await page.context().close();
  } finally {
    await shared.stop();
  }
});

test("the sign-in page shows initials and the organizations of each user", async () => {
  const page = await open(browser, demo.page);
  await openSignIn(page);
  const ada = page.locator(".user", { hasText: "Ada Lovelace" });
  await expectText(ada.locator(".avatar"), /^AL$/);
  const memberships = (user) => page.locator(".user", { hasText: user }).locator(".membership").allTextContents();
  assert.deepEqual(await memberships("Ada Lovelace"), ["Analytical Engines (Admin)", "Compiler Works (Member)", "Difference & Sons (Billing manager)"]);
  assert.deepEqual(await memberships("Alan Turing"), ["No organization"]);
  assert.deepEqual(page.problems, []);
});

test("a denied or forged sign-in is reported", async () => {
  const page = await open(browser, demo.page);
  const signIn = page.getByRole("button", { name: "Sign in with Clerk" });
  await signIn.click();
  await page.getByRole("button", { name: "Deny" }).click();
  await expectText(page.getByRole("alert"), /^Sign-in failed: /);
  await signIn.click();
  await page.getByRole("button", { name: "Allow" }).waitFor();
  await page.goto(`${demo.page}?code=stolen&state=other`);
  await expectText(page.getByRole("alert"), /the answer belongs to another sign-in/);
  assert.equal(await page.getByRole("radio", { name: /^Signed in/ }).count(), 0);
});

test("a rejected token is explained", async () => {
  const page = await open(browser, demo.page);
  await page.getByText("Use a token", { exact: true }).first().click();
  await page.getByLabel("Access token").fill("not.a.token");
  await page.getByRole("button", { name: "Use it" }).click();
  await expectText(page.getByRole("alert"), /401 Token verification failed/);
});

const BROKEN = [
  ["Expired", "401 Unauthorized\nwww-authenticate: Bearer error=\"invalid_token\"", "exp"],
  ["Wrong audience", "401 Unauthorized", "aud"],
  ["alg: none", "401 Unauthorized", "form"],
  ["Foreign key", "401 Unauthorized", "signature"],
  ["Wrong issuer", "401 Unauthorized", "iss"],
  ["Keys rotated", "401 Unauthorized", "key"],
  ["Missing scope", "403 Forbidden\nwww-authenticate: Bearer error=\"insufficient_scope\".* scope=\"[^\"]*user:org:read"],
  ["Role removed", "403 Forbidden"],
  ["Clerk down", "503 Service Unavailable\nretry-after: \\d+", "clerk"],
];

test("each broken request shows the request, the rejection and what explain shows", async () => {
  const page = await open(browser, demo.page);
  const buttons = await page.locator("#defects button").allTextContents();
  assert.deepEqual(buttons, BROKEN.map(([name]) => name));
  for (const [name, response, failed] of BROKEN) {
    const button = page.getByRole("button", { name, exact: true });
    await button.click();
    await expectText(page.locator("#broken-response"), new RegExp(`^${response}`));
    assert.equal(await button.getAttribute("aria-pressed"), "true");
    assert.equal(await page.locator("#defects [aria-pressed=true]").count(), 1);
    await expectText(page.locator("#broken-curl"), /^curl -s http/);
    assert.ok((await page.locator("#broken-about").textContent()).length > 20, name);
    if (failed) {
      await expectText(page.locator("#failed-checks .failed").first(), new RegExp(`^✗ ${failed}:`));
    } else {
      await expectText(page.locator("#broken-reason"), /^The token passes every check, and the policy of the tool rejects the call\./);
    }
    assert.equal(await page.locator("#checks .failed").count(), failed ? await page.locator("#failed-checks .failed").count() : 0);
    // Nothing stays broken.
    await choose(page, /^organization-report/);
    await call(page);
    await expectText(page.locator("#answer-title"), /^Success/);
    await expectText(answer(page), /"role": "org:admin"/);
  }
  assert.deepEqual(page.problems, []);
});

test("the parts of a broken request are side by side, and stacked on a phone", async () => {
  for (const [width, columns] of [[1280, 3], [360, 1]]) {
    const page = await open(browser, demo.page, { viewport: { width, height: 800 } });
    await page.getByRole("button", { name: "Expired", exact: true }).click();
    const lefts = await page.locator("#rejection > section").evaluateAll((all) => all.map((one) => one.getBoundingClientRect().left));
    assert.equal(new Set(lefts).size, columns, String(lefts));
    await page.context().close();
  }
});

test("a tool for admins can be called only by an admin", async () => {
  const page = await open(browser, demo.page);
  await choose(page, "Alan Turing");
  await choose(page, /^organization-report/);
  await call(page);
  await expectText(page.locator("#answer-title"), /^Rejected \(403 Forbidden/);
});

test("the page works with the keyboard", async () => {
  const page = await open(browser, demo.page);
  await page.getByRole("radio", { name: "Ada Lovelace" }).focus();
  await page.keyboard.press("ArrowDown");
  assert.ok(await page.getByRole("radio", { name: "Grace Hopper" }).isChecked());
  await page.getByRole("radio", { name: /^greet/ }).focus();
  await page.keyboard.press("Space");
  await page.keyboard.press("Tab");
  await page.keyboard.type("Keys");
  await page.keyboard.press("Enter");
  await expectText(answer(page), /^Hello, Keys!/);
  await page.getByRole("tab", { name: "Claude Code" }).focus();
  await page.keyboard.press("ArrowRight");
  assert.ok(await page.getByRole("tabpanel", { name: "Cursor" }).isVisible());
  assert.equal(await page.getByRole("tabpanel", { name: "Claude Code" }).isVisible(), false);
});

test("the page says whether the server is ready", async () => {
  const page = await open(browser, demo.page);
  await expectText(page.locator("#readiness"), /^Ready: Clerk's keys are held/);
});

test("without JavaScript the page still tells how to connect", async () => {
  const page = await open(browser, demo.page, { javaScriptEnabled: false });
  assert.equal(await page.locator(".client:visible").count(), demo.clients.length);
});

test("the API documentation calls a tool with the token that is filled in", async () => {
  const page = await open(browser, `${demo.docs}#/MCP/mcp`);
  await page.getByRole("button", { name: "Try it out" }).click();
  await page.getByRole("button", { name: "Execute" }).click();
  await page.locator(".live-responses-table .response", { hasText: "inputSchema" }).first().waitFor();
  assert.deepEqual(page.problems, []);
});

test("the API documentation folds the rejections", async () => {
  const page = await open(browser, `${demo.docs}#/MCP/mcp`);
  await page.getByRole("button", { name: "Show 401 Unauthorized" }).click();
  await page.getByText("Missing or invalid bearer token").first().waitFor();
  assert.ok(await page.getByRole("button", { name: "Show 403 Forbidden" }).isVisible());
  assert.deepEqual(page.problems, []);
});

test("the local Clerk shows its users, clients and requests, and switches faults", async () => {
  const clerk = await open(browser, `${demo.clerk.frontendApiUrl}/`);
  await expectText(clerk.getByRole("row", { name: /Ada Lovelace/ }), /Compiler Works \(org:member\)/);
  const page = await open(browser, demo.page);
  await openSignIn(page);
  await page.getByRole("button", { name: "Allow" }).waitFor();
  await clerk.getByRole("row", { name: /playground/ }).first().waitFor();
  await clerk.getByRole("row", { name: /POST \/oauth\/register/ }).first().waitFor();

  const down = clerk.getByRole("switch", { name: /^Everything is down/ });
  await down.check();
  const jwks = `${demo.clerk.frontendApiUrl}/.well-known/jwks.json`;
  const status = async (expected) => {
    while ((await fetch(jwks)).status !== expected) await clerk.waitForTimeout(50);
  };
  await status(503);
  await clerk.reload();
  await clerk.locator("input:checked[role=switch]").waitFor();
  await clerk.getByRole("button", { name: "Switch all off" }).click();
  await status(200);
  assert.deepEqual(clerk.problems, []);
});

test("a browser at the MCP endpoint finds the start page", async () => {
  const page = await open(browser, demo.mcpEndpoint);
  await page.getByRole("link", { name: "The start page" }).click();
  await page.getByRole("heading", { name: "Playground" }).waitFor();
});

const accessible = {
  "MCP endpoint": () => demo.mcpEndpoint,
  "local Clerk": () => `${demo.clerk.frontendApiUrl}/`,
  "error of the local Clerk": () => `${demo.clerk.frontendApiUrl}/oauth/authorize?client_id=none`,
  "API documentation": () => demo.docs,
};
for (const [name, url] of Object.entries(accessible)) {
  test(`the page is accessible: ${name}`, () => checkAccessibility(browser, url()));
}

test("the sign-in and consent page is accessible", () =>
  checkAccessibility(browser, demo.page, async (page) => {
    await openSignIn(page);
  }));

test("an open operation of the API documentation is accessible", () =>
  checkAccessibility(browser, `${demo.docs}#/MCP/mcp`, async (page) => {
    await page.getByRole("button", { name: "Show 401 Unauthorized" }).click();
  }));

for (const name of ["Expired", "Role removed", "Clerk down"]) {
  test(`the result of a broken request is accessible: ${name}`, () =>
    checkAccessibility(browser, demo.page, async (page) => {
      await page.getByRole("button", { name, exact: true }).click();
      await page.locator("#rejection").waitFor();
      await page.locator("#checks-summary").click();
    }));
}

test("the start page is accessible", () =>
  checkAccessibility(browser, demo.page, async (page) => {
    await choose(page, /^greet/);
    for (const summary of await page.locator("summary:visible").all()) await summary.click();
    await call(page);
    await answer(page).waitFor();
  }));

/** Waits until the text of an element matches. */
async function expectText(locator, pattern) {
  await locator.waitFor();
  const page = locator.page();
  const handle = await locator.elementHandle();
  await page.waitForFunction(([element, source]) => new RegExp(source, "m").test(element.textContent), [handle, pattern.source], { timeout: 5000 })
    .catch(async () => assert.match(await locator.textContent(), pattern));
}
