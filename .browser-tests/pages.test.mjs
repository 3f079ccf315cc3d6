import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { after, before, test } from "node:test";
import { checkAccessibility, launch, open, startDemo } from "./support.mjs";

let demo;
let browser;
before(async () => { [demo, browser] = await Promise.all([startDemo(), launch()]); });
after(async () => { await Promise.all([browser?.close(), demo?.stop()]); });

const call = (page) => page.getByRole("button", { name: "Call", exact: true }).click();
const answer = (page) => page.getByRole("region", { name: "the answer" });
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
  await page.getByRole("button", { name: "Sign in with Clerk" }).click();
  await page.getByRole("heading", { name: /asks for access/ }).waitFor();
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
  await page.getByRole("button", { name: "Sign in with Clerk" }).click();
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

test("a broken token is rejected, and the page shows why", async () => {
  const page = await open(browser, demo.page);
  for (const [name, failed] of [
    ["Expired", "exp"],
    ["For another server", "aud"],
    ["Without signature (alg: none)", "form"],
    ["Signed by another key", "signature"],
    ["From another issuer", "iss"],
  ]) {
    await page.getByRole("button", { name, exact: true }).click();
    await expectText(page.locator("#broken-response"), /^401 Unauthorized\nwww-authenticate: Bearer error="invalid_token"/);
    await expectText(page.locator("#checks .failed").first(), new RegExp(`^✗ ${failed}`));
  }
  assert.deepEqual(page.problems, []);
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
  await page.getByRole("button", { name: "Sign in with Clerk" }).click();
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

const accessible = { "MCP endpoint": () => demo.mcpEndpoint, "local Clerk": () => `${demo.clerk.frontendApiUrl}/`, "API documentation": () => demo.docs };
for (const [name, url] of Object.entries(accessible)) {
  test(`the page is accessible: ${name}`, () => checkAccessibility(browser, url()));
}

test("the start page is accessible", () =>
  checkAccessibility(browser, demo.page, async (page) => {
    await choose(page, /^greet/);
    for (const summary of await page.locator("summary:visible").all()) await summary.click();
    await call(page);
    await answer(page).waitFor();
    await page.getByRole("button", { name: "Expired" }).click();
    await page.locator("#rejection").waitFor();
  }));

/** Waits until the text of an element matches. */
async function expectText(locator, pattern) {
  await locator.waitFor();
  const page = locator.page();
  const handle = await locator.elementHandle();
  await page.waitForFunction(([element, source]) => new RegExp(source, "m").test(element.textContent), [handle, pattern.source], { timeout: 5000 })
    .catch(async () => assert.match(await locator.textContent(), pattern));
}
