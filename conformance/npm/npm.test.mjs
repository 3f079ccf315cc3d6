// Tests the npm packages: installs their tarballs into an empty folder and runs the program.
//
// PACKAGES is a folder with the tarballs of the launcher and of this platform. CLERK_MCP is the program `clerk-mcp`,
// whose demo is tested.
import assert from "node:assert/strict";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";

const platform = `${process.platform}-${process.arch}`;
const folder = mkdtempSync(join(tmpdir(), "npm-test-"));
const launcher = join(folder, "node_modules/.bin/clerk-mcp-conformance");

before(() => {
  const tarballs = readTarballs();
  execFileSync("npm", ["install", "--no-audit", "--no-fund", "--loglevel", "error", ...tarballs], { cwd: folder });
});
after(() => rmSync(folder, { recursive: true }));

function readTarballs() {
  const { PACKAGES } = process.env;
  const wanted = new RegExp(`^clerk-mcp-conformance-(${platform}-)?\\d.*\\.tgz$`);
  return readdirSync(PACKAGES).filter((name) => wanted.test(name)).map((name) => join(PACKAGES, name));
}

test("The launcher passes arguments, output and the exit code on", () => {
  const version = spawnSync(launcher, ["--version"], { encoding: "utf8" });
  assert.match(version.stdout, /^clerk-mcp-conformance \d+\.\d+\.\d+\n$/);
  assert.equal(version.status, 0);
  assert.equal(spawnSync(launcher, ["run", "--no-such-option"]).status, 2);
});

test("SIGTERM stops the local Clerk", async () => {
  const child = spawn(launcher, ["clerk", "--json"], { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = await firstLines(child, 1);
  const { frontendApiUrl } = JSON.parse(line);
  assert.equal((await fetch(`${frontendApiUrl}/.well-known/jwks.json`)).status, 200);
  const exit = new Promise((resolve) => child.on("exit", resolve));
  child.kill("SIGTERM");
  assert.equal(await exit, 0);
  await assert.rejects(fetch(`${frontendApiUrl}/.well-known/jwks.json`));
});

test("npx signs in to a running server and tests it, with only Node.js on the PATH", async () => {
  const options = ["--port", "0", "--clerk-port", "0", "--auto-approve", "ada", "--json"];
  const demo = spawn(process.env.CLERK_MCP, ["demo", ...options], { stdio: ["ignore", "pipe", "ignore"] });
  try {
    const [line] = await firstLines(demo, 1);
    const run = ["clerk-mcp-conformance", "run", "--url", JSON.parse(line).mcpEndpoint, "--login"];
    const { status, stdout, stderr } = spawnSync("npx", ["--no-install", ...run], {
      cwd: folder,
      encoding: "utf8",
      env: { HOME: folder, PATH: folderWith("node", "npx", "sh") },
    });
    assert.equal(status, 0, stdout + stderr);
    assert.match(stdout, /^CLEAN [1-9]\d* passed/m);
  } finally {
    demo.kill();
  }
});

test("Without the package of this platform, the launcher says what to do", () => {
  const alone = join(folder, "alone");
  mkdirSync(alone);
  copyFileSync(join(import.meta.dirname, "launcher.mjs"), join(alone, "launcher.mjs"));
  rmSync(join(folder, `node_modules/clerk-mcp-conformance-${platform}`), { recursive: true });
  const { status, stderr } = spawnSync(process.execPath, [join(alone, "launcher.mjs")], { encoding: "utf8" });
  assert.equal(status, 2);
  assert.match(stderr, /the package clerk-mcp-conformance-\S+ is missing/);
  assert.match(stderr, /npm install --include=optional/);
});

/** Returns a new folder with links to these programs, to use as the PATH. */
function folderWith(...names) {
  const bin = mkdtempSync(join(folder, "bin-"));
  for (const name of names) {
    const found = process.env.PATH.split(delimiter).map((path) => join(path, name)).find((path) => existsSync(path));
    symlinkSync(realpathSync(found), join(bin, name));
  }
  return bin;
}

/** Returns the first `count` lines that `child` prints. */
async function firstLines(child, count) {
  const lines = [];
  for await (const line of createInterface({ input: child.stdout })) {
    if (lines.push(line) === count) break;
  }
  return lines;
}
