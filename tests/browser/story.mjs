// The documented product from its first page to its last: a list, a user, mail that goes and mail that is blocked.

import { PASSWORD, addList, check, examine, inBrowser, picture, relay, send, welcome } from "./panel.mjs";

await inBrowser(async (page) => {
  await welcome(page);
  await addList(page, "Web shop");
  const user = await addUser(page);
  await mailGoes(page, user);
  await mailIsWritten(page, user);
  await mailIsBlocked(page, user);
  await resetPassword(page, user);
  await signOut(page);
});

async function addUser(page) {
  await page.getByRole("link", { name: "Settings", exact: true }).click();
  await page.getByRole("link", { name: "Add new user" }).first().click();
  const domains = page.getByLabel("Authorized domains");
  await domains.pressSequentially("www.example.com,info@example.com");
  await page.locator("#authorized_domains-problem .problem, #authorized_domains-problem p").first().waitFor();
  await picture(page, "user-explained");
  await domains.fill("example.com");
  await page.getByLabel("Note").fill("<script>alert('note')</script>");
  await page.getByRole("button", { name: "Save" }).click();
  const secret = page.locator("#password");
  await secret.waitFor();
  await examine(page, "a new user");
  const password = (await secret.textContent()).trim();
  await page.locator(".once button.copy").click();
  const copied = await page.evaluate(() => navigator.clipboard.readText());
  check(copied === password, "the copy button copies the password");
  const name = (await page.getByRole("heading", { level: 1 }).textContent()).trim();
  const found = /s\d+_\d+/.exec(name + page.url());
  check(found, `no user name in ${name}`);
  await page.goto(page.url());
  check((await page.locator("#password").count()) === 0, "the password is shown once");
  check(!(await page.content()).includes(password), "the password is nowhere on the page");
  return { name: found[0], password, page: page.url() };
}

async function mailGoes(page, user) {
  const answer = await send(user.name, user.password, "Shop <orders@example.com>", "<b>Your order</b> & more");
  check(answer.startsWith("250"), `mail of an authorized sender: ${answer}`);
  await page.getByRole("link", { name: "Messages", exact: true }).first().click();
  await page.getByRole("link", { name: "<b>Your order</b> & more" }).click();
  await page.getByText("Delivered", { exact: false }).first().waitFor();
  await examine(page, "the way of a message");
}

async function mailIsWritten(page, user) {
  await page.goto(user.page);
  await page.getByRole("main").getByRole("link", { name: "Write a message" }).click();
  const from = page.getByLabel("From", { exact: true });
  check((await from.inputValue()) === "info@example.com", "an address of the user stands there");
  const subject = "Prices & <b>more</b>";
  await from.fill("boss@example.net");
  await page.getByLabel("To", { exact: true }).fill("anna@example.org; Bert <bert@example.org>");
  await page.getByLabel("Subject").fill(subject);
  await page.getByLabel("Text").fill("Dear Anna,\n\nhere they are.\n");
  await page.getByLabel("Priority").selectOption("2 - high");
  await page.getByRole("button", { name: "Send" }).click();
  await page.getByText("550 5.7.1").first().waitFor();
  await examine(page, "a written message that was refused");
  await picture(page, "write-refused");
  check((await page.getByLabel("Subject").inputValue()) === subject, "what was typed stays");
  await from.fill("Shop <orders@example.com>");
  const file = { name: "prices.csv", mimeType: "text/csv", buffer: Buffer.from("a;b\n1;2\n") };
  await page.getByLabel("Attachments").setInputFiles(file);
  await page.getByRole("button", { name: "Send" }).dblclick();
  await page.getByText("This page shows its way").waitFor();
  await page.getByText("2 - high").first().waitFor();
  // Without loading the page again, everywhere on it.
  await page.locator("#status", { hasText: "delivered" }).waitFor();
  await page.locator("#recipients .badge", { hasText: "delivered" }).first().waitFor();
  await page.getByRole("link", { name: "Messages", exact: true }).first().click();
  await page.getByRole("link", { name: subject }).first().waitFor();
  // One that was refused, and one that a double click sent.
  const sent = await page.getByRole("row", { name: subject }).filter({ hasText: "orders@example.com" }).count();
  check(sent === 1, `a double click sends ${sent} messages`);
}

async function mailIsBlocked(page, user) {
  const answer = await send(user.name, user.password, "boss@example.net", "Urgent transfer");
  check(answer.startsWith("550 5.7.1") && answer.includes("boss@example.net"), `an unauthorized sender: ${answer}`);
  await page.getByRole("link", { name: "Messages", exact: true }).first().click();
  await page.getByRole("link", { name: /Refused at/ }).first().click();
  await page.getByText("unauthorized", { exact: false }).first().waitFor();
  await examine(page, "the way of a blocked message");
  await page.getByRole("navigation", { name: "List Web shop" }).getByRole("link", { name: /^Alert/ }).click();
  await page.getByText("boss@example.net").first().waitFor();
  await examine(page, "the Alert Center");
  await page.goto(`${user.page}/try`);
  await page.getByLabel("From").first().fill("boss@example.net");
  await page.getByRole("main").getByRole("button").first().click();
  await page.getByText("550 5.7.1").first().waitFor();
}

async function resetPassword(page, user) {
  await page.goto(user.page);
  await page.getByRole("link", { name: "Reset password" }).click();
  await page.getByRole("button", { name: "Reset" }).click();
  const fresh = (await page.locator("#password").textContent()).trim();
  const old = await send(user.name, user.password, "orders@example.com", "With the old password");
  check(old.includes("535"), `the old password: ${old}`);
  const now = await send(user.name, fresh, "orders@example.com", "With the new password");
  check(now.startsWith("250"), `the new password: ${now}`);
}

async function signOut(page) {
  const before = page.url();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.goto(before);
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  await page.getByLabel("Name").fill("root");
  await page.getByLabel("Password").fill(PASSWORD);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("button", { name: "Sign out" }).waitFor();
  check(page.url().startsWith(relay.panel), "signing in leads to the panel");
}
