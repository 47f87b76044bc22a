// Builds policy.wasm: `npm install`, then `npm run build`.
import { writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { componentize } from "@bytecodealliance/componentize-js";

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
const output = process.argv[2] ?? path("policy.wasm");

const { component } = await componentize({
  sourcePath: path("policy.js"),
  // The folder with policy.wit; elsewhere than here, set WIT to your copy of it.
  witPath: process.env.WIT ?? path("../../../wit"),
  worldName: "submission-policy",
  // A policy has no clock, no randomness and no network, so the component asks for none of them.
  disableFeatures: ["stdio", "random", "clocks", "http", "fetch-event"],
});
await writeFile(output, component);
console.log(`${output}: ${component.length} octets`);
