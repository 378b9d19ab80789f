// A cluster: refused keys, right keys, the doctor, choosing it; then an upload to it that is slowed down.

import {args, assert, card, run, waitForState} from "../browser.mjs";

async function logIn(page, key) {
  await page.getByLabel("Store", {exact: true}).fill(args.store);
  await page.getByLabel("Endpoint").fill(args.endpoint);
  await page.getByLabel("Name here").fill("lab");
  await page.getByLabel("Access key id").fill(args.username);
  await page.getByLabel("Secret access key").fill(key);
  await page.getByRole("button", {name: "Log in", exact: true}).click();
}

await run(async (page) => {
  await page.getByRole("link", {name: "Clusters"}).click();
  await logIn(page, "not-the-secret");
  await page.getByRole("alert").first().waitFor();
  assert(await page.getByRole("article", {name: "lab"}).count() === 0, "refused keys are not saved");
  assert(await page.getByLabel("Secret access key").inputValue() === "", "the secret does not stay in the page");

  await logIn(page, args.key);
  const lab = page.getByRole("article", {name: "lab"});
  await lab.waitFor();
  await lab.getByText(args.username).waitFor();
  if (await lab.getByRole("button", {name: "Use it"}).count()) await lab.getByRole("button", {name: "Use it"}).click();
  await lab.getByText("current").waitFor();
  await lab.getByRole("button", {name: "Check"}).click();
  await lab.getByText(/All is well|Something is to be done/).waitFor({timeout: 60000});
  const checks = await lab.locator(".checks li").allTextContents();
  assert(checks.length > 5 && checks.some((c) => /multipart/.test(c) && / ok: /.test(c)), `the doctor's lines: ${checks.join("\n")}`);

  await page.getByRole("link", {name: "New", exact: true}).click();
  const path = page.getByRole("textbox", {name: "Path"});
  await path.fill(args.folder);
  await path.press("Enter");
  await page.getByRole("navigation", {name: "Folder"}).getByText(args.folder.split("/").at(-1)).waitFor();
  await page.getByRole("button", {name: "Choose this folder"}).click();
  await page.getByRole("textbox", {name: "Name"}).fill("slowed");
  await page.getByText("Options", {exact: true}).click();
  await page.getByLabel("Limit in MiB a second").fill("1");
  await page.getByRole("button", {name: "Create datastore"}).click();
  await waitForState(page, "slowed", "uploading");
  const session = card(page, "slowed");
  await session.getByText("limited to 1 MiB/s").waitFor();
  await session.getByLabel("Limit in MiB a second").fill("2");
  await session.getByRole("button", {name: "Set"}).click();
  await session.getByText("limited to 2 MiB/s").waitFor();
  await session.getByLabel("Limit in MiB a second").fill("");
  await session.getByRole("button", {name: "Set"}).click();
  await session.getByText("limited to").waitFor({state: "hidden"}).catch(() => {});
  await session.locator(".chip", {hasText: "done"}).waitFor({timeout: 60000});
  await page.getByRole("link", {name: "Datastores"}).click();
  await page.getByRole("row", {name: "slowed lab"}).getByText("succeeded").waitFor();
});
