// From a URL where there is nothing: the page says so, and nothing is begun.

import {args, assert, run} from "../browser.mjs";

await run(async (page) => {
  await page.getByRole("link", {name: "New", exact: true}).click();
  await page.getByRole("link", {name: "From a URL"}).click();
  await page.getByLabel("URL", {exact: true}).fill(args.address);
  await page.waitForFunction(() => document.querySelector("form input[required]").value !== "");
  await page.getByRole("button", {name: "Create datastore"}).click();
  const alert = page.getByRole("alert").filter({hasNotText: "grid ui does not answer"});
  await alert.getByText(/404|not there|no such|cannot/i).first().waitFor({timeout: 60000});
  assert(page.url().includes("#/new"), "the page stays where it is");
});
