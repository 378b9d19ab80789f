// Begin a session, and leave.

import {args, card, run, waitForState} from "../browser.mjs";

await run(async (page) => {
  await page.getByRole("link", {name: "New", exact: true}).click();
  const path = page.getByRole("textbox", {name: "Path"});
  await path.fill(args.folder);
  await path.press("Enter");
  await page.getByRole("navigation", {name: "Folder"}).getByText(args.folder.split("/").at(-1)).waitFor();
  await page.getByRole("button", {name: "Choose this folder"}).click();
  await page.getByRole("textbox", {name: "Name"}).fill(args.name);
  await page.getByRole("button", {name: "Create datastore"}).click();
  await page.waitForFunction((name) => document.getElementById("live").textContent === `${name} is being made`, args.name);
  await waitForState(page, args.name, "uploading");
  await card(page, args.name).getByRole("button", {name: "Pause"}).waitFor();
});
