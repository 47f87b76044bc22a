// The relays that share a store, as one of them shows them: both alive, then one that dies.

import { WIDTHS, check, examine, inBrowser, picture, relay, welcome } from "./panel.mjs";

/// Milliseconds until a node that is killed is missed: the lease, and a busy machine.
const MISSED = 60_000;

await inBrowser(async (page) => {
  await welcome(page);
  await page.goto(`${relay.panel}/nodes`);
  const rows = page.locator("#nodes tbody tr");
  await rows.nth(1).waitFor();
  check((await rows.count()) === 2, "there are two nodes");
  const own = rows.filter({ hasText: "this one" });
  check((await own.textContent()).includes("one"), "it knows itself");
  for (const node of await rows.all()) {
    const state = (await node.locator(".badge").first().textContent()).trim();
    check(["alive", "late"].includes(state), `a node is ${state}`);
  }
  await look(page, "alive");
  process.kill(Number(process.env.OTHER), "SIGKILL");
  // Without loading the page anew.
  await rows.filter({ hasText: "other" }).locator(".badge", { hasText: "lost" }).waitFor({ timeout: MISSED });
  await look(page, "lost");
});

async function look(page, name) {
  for (const [width, size] of Object.entries(WIDTHS)) {
    await page.setViewportSize(size);
    await examine(page, `/nodes, ${name} (${width})`);
    await picture(page, `nodes-${name}-${width}`);
  }
  await page.setViewportSize(WIDTHS.desktop);
}
