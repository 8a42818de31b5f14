#!/usr/bin/env node
// The compiler of the npm package `solc`, with the command line that forge expects of a native
// one: `--version`, and `--standard-json` from standard input to standard output.
import { readFileSync, writeSync } from "node:fs";
import { createRequire } from "node:module";

const solc = createRequire(import.meta.url)("solc");
const args = process.argv.slice(2);

function print(text) {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; ) at += writeSync(1, bytes, at);
}

if (args.includes("--version")) {
  print(`solc, the solidity compiler commandline interface\nVersion: ${solc.version()}\n`);
} else if (args.includes("--standard-json")) {
  print(solc.compile(readFileSync(0, "utf8")) + "\n");
} else {
  console.error("solc.mjs takes --version or --standard-json");
  process.exitCode = 1;
}
