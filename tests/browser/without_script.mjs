// The panel is whole without JavaScript.

import { addList, check, inBrowser, listNumber, relay, send, welcome } from "./panel.mjs";

await inBrowser(async (page) => {
  await welcome(page);
  await addList(page, "Plain");
  const list = listNumber(page);
  await page.goto(`${relay.panel}/lists/${list}/users/new`);
  await page.getByLabel("Authorized domains").fill("www.example.com, info@example.com");
  await page.getByRole("button", { name: "Save" }).click();
  await page.locator("#authorized_domains-problem").getByText("www.").first().waitFor();
  await page.getByLabel("Authorized domains").fill("example.com");
  await page.getByRole("button", { name: "Save" }).click();
  const password = (await page.locator("#password").textContent()).trim();
  const [, user] = /\/users\/([^/?]+)/.exec(page.url());
  const answer = await send(user, password, "orders@example.com", "Without a script");
  check(answer.startsWith("250"), answer);
  await page.goto(`${relay.panel}/lists/${list}/write`);
  await page.getByLabel("To", { exact: true }).fill("customer@example.org");
  await page.getByLabel("Subject").fill("Written without a script");
  await page.getByLabel("Text").fill("Hello.");
  const file = { name: "hello.txt", mimeType: "text/plain", buffer: Buffer.from("Hello.\n") };
  await page.getByLabel("Attachments").setInputFiles(file);
  await page.getByRole("button", { name: "Send" }).click();
  await page.getByText("This page shows its way").waitFor();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
}, { javaScriptEnabled: false });
