// From a URL: the name is proposed, it is uploaded, its files are there.

import {args, assert, card, run, waitForState} from "../browser.mjs";

await run(async (page) => {
  await page.getByRole("link", {name: "New", exact: true}).click();
  await page.getByRole("link", {name: "From a URL"}).click();
  await page.getByLabel("URL", {exact: true}).fill(args.address);
  const noCopy = page.getByLabel("Do not copy: refer to the objects where they are");
  assert(await noCopy.isEnabled() === args.address.startsWith("s3:"), "only of s3:// it can be left where it is");
  await page.waitForFunction(() => document.querySelector("form input[required]").value !== "");
  const proposed = await page.getByRole("textbox", {name: "Name"}).inputValue();
  await page.getByRole("button", {name: "Create datastore"}).click();
  await waitForState(page, args.name, "done");
  await card(page, args.name).getByRole("link", {name: "Look at it"}).click();
  await page.getByRole("region", {name: "Facts"}).getByText(`${args.files} files`).waitFor();
  return {proposed};
});
