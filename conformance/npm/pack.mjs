// Creates the npm packages: one with the launcher, and one for each platform with the program.
//
//   node conformance/npm/pack.mjs FOLDER PLATFORM=PROGRAM...
//
// writes one tarball per package into FOLDER. PLATFORM is Node's `process.platform` and `process.arch`, such as
// linux-x64. The launcher's package lists all PLATFORMS as optional dependencies, so that npm installs the one
// that fits and downloads nothing at install time.
import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const PLATFORMS = ["linux-x64", "linux-arm64", "darwin-x64", "darwin-arm64", "win32-x64"];
const NAME = "clerk-mcp-conformance";

const here = import.meta.dirname;
const root = join(here, "../..");
const version = /^\[workspace\.package\]\nversion = "(.*)"$/m.exec(readFileSync(join(root, "Cargo.toml"), "utf8"))?.[1];
const [folder, ...programs] = process.argv.slice(2);
if (folder === undefined || version === undefined) {
  console.error("usage: node conformance/npm/pack.mjs FOLDER PLATFORM=PROGRAM...");
  process.exit(2);
}
mkdirSync(folder, { recursive: true });

const common = {
  version,
  license: "MIT OR Apache-2.0",
  description: "Conformance suite for OAuth-protected MCP servers, with a local Clerk for tests",
};
pack(
  {
    name: NAME,
    ...common,
    keywords: ["mcp", "oauth", "conformance", "clerk", "testing"],
    type: "module",
    bin: { [NAME]: "launcher.mjs" },
    engines: { node: ">=20" },
    optionalDependencies: Object.fromEntries(PLATFORMS.map((platform) => [`${NAME}-${platform}`, version])),
  },
  [
    [join(here, "launcher.mjs"), "launcher.mjs"],
    [join(here, "../README.md"), "README.md"],
  ],
);
for (const argument of programs) {
  const [platform, program] = argument.split("=");
  if (!PLATFORMS.includes(platform) || program === undefined) {
    console.error(`invalid argument ${argument}: expected PLATFORM=PROGRAM, with one of ${PLATFORMS.join(", ")}`);
    process.exit(2);
  }
  const [os, cpu] = platform.split("-");
  const file = os === "win32" ? `${NAME}.exe` : NAME;
  pack(
    { name: `${NAME}-${platform}`, ...common, os: [os], cpu: [cpu], preferUnplugged: true },
    [[program, file]],
  );
}

/** Writes the tarball of a package that consists of `manifest` and `files`, which are pairs of source and name. */
function pack(manifest, files) {
  const work = mkdtempSync(join(tmpdir(), `${NAME}-`));
  try {
    for (const [source, name] of files) {
      copyFileSync(source, join(work, name));
      chmodSync(join(work, name), name.endsWith(".md") ? 0o644 : 0o755);
    }
    for (const license of ["LICENSE-APACHE", "LICENSE-MIT"]) {
      copyFileSync(join(root, license), join(work, license));
    }
    const names = files.map(([, name]) => name);
    writeFileSync(join(work, "package.json"), JSON.stringify({ ...manifest, files: names }, null, 2));
    execFileSync("npm", ["pack", "--silent", "--pack-destination", folder, work], { stdio: "inherit" });
  } finally {
    rmSync(work, { recursive: true });
  }
}
