// Every page, at a desktop's and a phone's width: readable for everybody, and no wider than the window.

import { WIDTHS, addList, check, examine, inBrowser, listNumber, picture, relay, send, welcome } from "./panel.mjs";

await inBrowser(async (page) => {
  await look(page, "sign-in", "/sign-in");
  await welcome(page);
  await look(page, "lists-empty", "/lists");
  await addList(page, "A list whose name is as long as people make them when nobody stops them");
  const list = listNumber(page);
  for (const place of ["", "/smtp", "/messages", "/statistics", "/alerts"]) {
    await look(page, `empty${place.replace("/", "-") || "-home"}`, `/lists/${list}${place}`);
  }
  const user = await addUser(page, list);
  await makeMail(user);
  for (const path of await paths(page)) {
    await look(page, path.slice(1).replaceAll(/[/?=&]/g, "-") || "front", path);
  }
});

/// A user with something in every field.
async function addUser(page, list) {
  await page.goto(`${relay.panel}/lists/${list}/users/new`);
  await page.getByLabel("Note").fill("The shop's order confirmations");
  await page.getByLabel("Authorized domains").fill("example.com;marketing.example.com");
  await page.getByLabel("Authorized senders").fill("info@example.org");
  await page.getByRole("button", { name: "Save" }).click();
  const password = (await page.locator("#password").textContent()).trim();
  const [, name] = /\/users\/([^/?]+)/.exec(page.url());
  return { name, password };
}

/// Mail that went, and mail that was blocked.
async function makeMail({ name, password }) {
  for (let number = 1; number <= 5; number += 1) {
    const from = number === 5 ? "boss@example.net" : "orders@example.com";
    const answer = await send(name, password, from, `Order ${number}: 御注文ありがとうございます <script>alert(1)</script>`);
    check(answer.startsWith(number === 5 ? "550" : "250"), answer);
  }
}

/// Every page that links lead to, once each; of pages that differ by a number alone, a few.
async function paths(page) {
  const waiting = ["/"];
  const seen = new Map();
  while (waiting.length > 0) {
    const path = waiting.shift();
    const kind = path.replace(/\?.*/, "?").replaceAll(/[0-9][0-9a-z]{9,}|\d+/g, "N");
    const before = seen.get(kind) ?? [];
    if (before.length >= 2 || before.includes(path)) continue;
    const answer = await page.goto(relay.panel + path);
    check(answer.status() === 200, `${path} is linked and answers ${answer.status()}`);
    if (!answer.headers()["content-type"].startsWith("text/html")) continue;
    seen.set(kind, [...before, path]);
    const links = await page.locator("a[href^='/']:not([download])").evaluateAll((all) => all.map((a) => a.getAttribute("href")));
    waiting.push(...links.map((link) => link.replace(/#.*/, "")));
  }
  check(seen.size > 12, `only ${seen.size} kinds of pages are linked`);
  return [...seen.values()].map(([first]) => first);
}

async function look(page, name, path) {
  for (const [width, size] of Object.entries(WIDTHS)) {
    await page.setViewportSize(size);
    await page.goto(relay.panel + path);
    await examine(page, `${path} (${width})`);
    await picture(page, `${name}-${width}`);
  }
  await page.setViewportSize(WIDTHS.desktop);
}
