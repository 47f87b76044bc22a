// Makes policy.wasm of policy.js; `gatepost policy build` runs it.
import { writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { componentize } from "@bytecodealliance/componentize-js";

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));

const { component } = await componentize({
  sourcePath: path("policy.js"),
  witPath: path("wit"),
  worldName: "policy",
  // A policy has no clock, no randomness, no network and no output: whatever is not asked for is not needed.
  disableFeatures: ["stdio", "random", "clocks", "http", "fetch-event"],
});
await writeFile(path("policy.wasm"), component);
