// From the browser: a file goes, and another changes, between the choice and the upload.

import {renameSync, writeFileSync} from "node:fs";
import {args, card, run} from "../browser.mjs";

await run(async (page) => {
  await page.evaluate(() => { location.hash = "#/new/browser"; });
  await page.getByLabel("Choose a folder of this browser").setInputFiles(args.path);
  await page.locator(".chosen").getByText(args.counted).waitFor();
  renameSync(`${args.path}/gone.bin`, `${args.path}/../gone.bin`);
  writeFileSync(`${args.path}/changed.bin`, "another\n");
  page.troubles.length = 0;
  await page.getByRole("textbox", {name: "Name"}).fill(args.name);
  await page.getByRole("button", {name: "Create datastore"}).click();
  const session = card(page, args.name);
  await session.locator(".chip", {hasText: "failed"}).waitFor({timeout: 60000});
  await session.getByText("2 files or folders could not be read").waitFor();
  await session.getByText("Log", {exact: true}).click();
  await session.getByLabel("Log").getByText("gone.bin").first().waitFor();
  await session.getByLabel("Log").getByText("changed.bin").first().waitFor();
  page.troubles.length = 0; // the browser tells of each request that could not be sent
});
