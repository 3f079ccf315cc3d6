import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { checkAccessibility, launch, open } from "./support.mjs";

const folder = mkdtempSync(join(tmpdir(), "report-"));
const url = pathToFileURL(join(folder, "report.html")).href;
let browser;
before(async () => {
  const sections = ["discovery", "challenges", "audience"].flatMap((section) => ["--only", section]);
  const target = ["--profile", "clerk-mcp", "--command", `${process.env.BROKEN} --flaw aud-ignored`];
  const { status, stderr } = spawnSync(process.env.SUITE, ["run", ...target, ...sections, "--report", `html=${join(folder, "report.html")}`]);
  assert.equal(status, 1, String(stderr));
  browser = await launch();
});
after(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true });
});

test("the report opens with the verdict and leads to the first failure", async () => {
  const page = await open(browser, url);
  assert.match(await page.locator(".verdict").textContent(), /Not safe to expose\s+Tokens for other servers are accepted\n/);
  await page.getByRole("link", { name: "Jump to the first failure" }).click();
  const first = page.locator("details.case[open]");
  assert.equal(await first.count(), 1);
  assert.match(await first.textContent(), /^\s*✗ fail audience\./);
  assert.deepEqual(page.problems, []);
});

test("a link to a case opens it", async () => {
  const page = await open(browser, `${url}#audience.other`);
  assert.ok(await page.locator("[id='audience.other']").evaluate((details) => details.open));
});

test("search and filters show only the cases that fit", async () => {
  const page = await open(browser, url);
  const found = page.getByRole("status");
  await page.getByLabel("Search cases").fill("no-token");
  assert.match(await found.textContent(), /^\d+ of \d+ cases$/);
  assert.ok(await page.getByText("challenges.no-token", { exact: true }).isVisible());
  assert.equal(await page.locator("article.finding:visible").count(), 0);
  await page.getByLabel("Search cases").fill("");
  await page.getByRole("checkbox", { name: "failed" }).check();
  assert.equal(await page.locator("li[data-status=pass]:visible").count(), 0);
  assert.ok((await page.locator("li[data-status=fail]:visible").count()) > 5);
  await page.getByRole("checkbox", { name: "failed" }).uncheck();
  assert.equal(await found.textContent(), "");
  assert.ok(await page.locator("article.finding").first().isVisible());
  assert.deepEqual(page.problems, []);
});

test("the command is copied", async () => {
  const page = await open(browser, `${url}#audience.other`);
  const other = page.locator("[id='audience.other']");
  await other.getByRole("button", { name: "Copy the command" }).click();
  await other.getByText("Copied").waitFor();
  const command = await page.evaluate(() => navigator.clipboard.readText());
  assert.match(command, /^clerk-mcp-conformance run .* --only audience\.other$/);
});

test("without JavaScript the report is complete", async () => {
  const page = await open(browser, url, { javaScriptEnabled: false });
  assert.equal(await page.locator("#filter").isVisible(), false);
  assert.ok((await page.locator("details.case").count()) > 5);
});

test("the report is accessible", () =>
  checkAccessibility(browser, url, async (page) => {
    for (const summary of await page.locator("summary").all()) await summary.click();
  }));
