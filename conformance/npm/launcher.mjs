#!/usr/bin/env node
// Runs the program of the package for this platform, which npm installed as an optional dependency.
import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { constants } from "node:os";

const platform = `${process.platform}-${process.arch}`;
const suffix = process.platform === "win32" ? ".exe" : "";
const program = findProgram(`clerk-mcp-conformance-${platform}/clerk-mcp-conformance${suffix}`);

if (program === undefined) {
  console.error(
    `clerk-mcp-conformance: the package clerk-mcp-conformance-${platform} is missing. Either there is none for this ` +
      "platform (then build the program from source: cargo install), or npm did not install optional dependencies " +
      "(then run npm install --include=optional).",
  );
  process.exit(2);
}

const child = spawn(program, process.argv.slice(2), { stdio: "inherit" });
// A terminal sends Ctrl-C to both processes. Without a handler, the launcher would exit before the program.
process.on("SIGINT", () => {});
for (const signal of ["SIGTERM", "SIGHUP"]) {
  process.on(signal, () => child.kill(signal));
}
child.on("error", (error) => {
  console.error(`clerk-mcp-conformance: cannot start ${program}: ${error.message}`);
  process.exit(2);
});
child.on("exit", (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));

/** Returns the path of a file of an installed package, or undefined if the package is not installed. */
function findProgram(file) {
  try {
    return createRequire(import.meta.url).resolve(file);
  } catch {
    return undefined;
  }
}
