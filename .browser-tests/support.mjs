// Starts the demo and a browser for the tests, and checks what every page must satisfy.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Starts `clerk-mcp demo`. Returns what it prints, and a function that stops it. */
export async function startDemo(...options) {
  const demo = spawn(process.env.SERVER, ["demo", "--json", "--port", "0", "--clerk-port", "0", ...options], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  const [line] = await once(createInterface({ input: demo.stdout }), "line");
  const stop = async () => {
    demo.kill("SIGTERM");
    if (demo.exitCode === null) await once(demo, "exit");
  };
  return { ...JSON.parse(line), stop };
}

export const launch = () => chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox"] });

/** Opens a page. It must report no error, and send requests only to the server and the local Clerk. */
export async function open(browser, url, options = {}) {
  const context = await browser.newContext({ permissions: ["clipboard-read", "clipboard-write"], ...options });
  const page = await context.newPage();
  const problems = [];
  page.on("pageerror", (error) => problems.push(error.message));
  page.on("request", (request) => {
    const { protocol, hostname } = new URL(request.url());
    const isOwn = protocol === "http:" && hostname === new URL(url).hostname;
    if (!isOwn && !["file:", "data:"].includes(protocol)) problems.push(`request to ${request.url()}`);
  });
  page.on("console", (message) => {
    // A test may cause an error response, which the browser reports.
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) problems.push(message.text());
  });
  page.problems = problems;
  await page.goto(url, { waitUntil: "networkidle" });
  return page;
}

/** Checks that axe-core finds no violation, in the light and the dark scheme, and that 320 px are wide enough. */
export async function checkAccessibility(browser, url, prepare = async () => {}) {
  const all = [];
  // axe-core is injected into the page, which the policy of the page forbids.
  const page = await open(browser, url, { bypassCSP: true });
  // During a transition to the other scheme, colors have little contrast.
  await page.addStyleTag({ content: "* { transition: none !important }" });
  await prepare(page);
  await page.evaluate(axe);
  for (const colorScheme of ["light", "dark"]) {
    for (const width of [1280, 320]) {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width, height: 800 });
      const { violations } = await page.evaluate(() => globalThis.axe.run());
      for (const { id, help, nodes } of violations) {
        const elements = nodes.map(({ html }) => `\n  ${html.slice(0, 200)}`).join("");
        all.push(`${colorScheme}, ${width} px: ${id}: ${help}${elements}`);
      }
      const excess = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      if (excess > 0) all.push(`${colorScheme}, ${width} px: the page is ${excess} px too wide`);
    }
  }
  await page.context().close();
  assert.deepEqual(all, [], url);
}
