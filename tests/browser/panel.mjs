// What the stories share: a browser, a person in front of it, and a mail client beside.

import { mkdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";
import nodemailer from "nodemailer";

const AXE = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/// The widths that every page is looked at: a desktop's and a phone's.
export const WIDTHS = { desktop: { width: 1280, height: 900 }, phone: { width: 390, height: 844 } };

/// What the test says about its relay.
export const relay = {
  panel: needed("PANEL"),
  link: needed("LINK"),
  port: Number(needed("SMTP_PORT")),
};

/// What operators of the stories choose.
export const PASSWORD = "correct horse battery staple";

function needed(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set; the tests are run by cargo`);
  return value;
}

/// Runs `story` with a page in a browser of its own; whatever the page complains of is an error.
export async function inBrowser(story, options = {}) {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM,
    args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
  });
  try {
    const context = await browser.newContext({ viewport: WIDTHS.desktop, ...options });
    context.setDefaultTimeout(30_000);
    const origin = new URL(relay.panel).origin;
    if (options.javaScriptEnabled !== false) {
      await context.grantPermissions(["clipboard-read", "clipboard-write"], { origin });
    }
    const page = await context.newPage();
    const complaints = [];
    page.on("pageerror", (error) => complaints.push(`${page.url()}: ${error}`));
    page.on("console", (message) => {
      // A page that answers 4xx on purpose is no complaint.
      const expected = message.text().startsWith("Failed to load resource");
      if (message.type() === "error" && !expected) complaints.push(`${page.url()}: ${message.text()}`);
    });
    await story(page);
    check(complaints.length === 0, `the browser complains:\n${complaints.join("\n")}`);
  } finally {
    await browser.close();
  }
}

/// Uses the one-time link, and is signed in.
export async function welcome(page) {
  await page.goto(relay.link);
  await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
  await page.getByLabel("The same again").fill(PASSWORD);
  await page.getByRole("button", { name: "Save and sign in" }).click();
  await page.getByRole("button", { name: "Sign out" }).waitFor();
}

/// Adds a list that blocks, and stands on its page.
export async function addList(page, name) {
  await page.goto(`${relay.panel}/lists`);
  await page.getByRole("link", { name: "Add a list" }).first().click();
  await page.getByLabel("Name", { exact: true }).fill(name);
  await page.getByLabel("Block and alert").check();
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByRole("link", { name, exact: true }).first().waitFor();
}

/// The list's number, from the address of a page of it.
export function listNumber(page) {
  const found = /\/lists\/(\d+)/.exec(page.url());
  check(found, `no list in ${page.url()}`);
  return found[1];
}

/// Sends as a mail client does; the last words of the relay, good or bad.
export async function send(user, password, from, subject) {
  const client = nodemailer.createTransport({
    host: "127.0.0.1",
    port: relay.port,
    auth: { user, pass: password },
    tls: { rejectUnauthorized: false },
  });
  try {
    const sent = await client.sendMail({ from, to: "customer@example.org", subject, text: "Hello." });
    return sent.response;
  } catch (error) {
    return error.response ?? String(error);
  } finally {
    client.close();
  }
}

/// Serious findings of axe on the page as it is, and whether it is wider than the window.
export async function examine(page, name) {
  // Not as a script of the page, which its content security policy forbids.
  await page.evaluate(AXE);
  const found = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  const serious = found.violations.filter(({ impact }) => impact === "serious" || impact === "critical");
  const told = serious.map(({ id, help, nodes }) => `${id}: ${help}\n    ${nodes.map((node) => node.html).join("\n    ")}`);
  check(told.length === 0, `${name}: axe finds\n  ${told.join("\n  ")}`);
  const [wide, window] = await page.evaluate(() => [document.documentElement.scrollWidth, globalThis.innerWidth]);
  check(wide <= window, `${name}: the page is ${wide} px wide in a window of ${window}`);
}

/// Keeps a picture where SCREENSHOTS says, if it does.
export async function picture(page, name) {
  const folder = process.env.SCREENSHOTS;
  if (!folder) return;
  await mkdir(folder, { recursive: true });
  await page.screenshot({ path: `${folder}/${name}.png`, fullPage: true });
}

/// Ends the story when something is not as it must be.
export function check(holds, complaint) {
  if (!holds) throw new Error(complaint);
}
