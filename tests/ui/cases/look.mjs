// One datastore: files by folder and by page, verification, one file down, then deletion by its name.

import {createHash} from "node:crypto";
import {readFileSync} from "node:fs";
import {args, assert, run} from "../browser.mjs";

await run(async (page) => {
  await page.getByRole("link", {name: args.name}).first().click();
  const files = page.getByRole("region", {name: "Files"});
  await files.getByRole("link", {name: "many/"}).click();
  await files.getByText("200 entries shown, there are more").waitFor();
  await files.getByRole("button", {name: "Show more"}).click();
  await files.getByText(`${args.many} entries shown`, {exact: true}).waitFor();
  const names = await files.locator("tbody th").allTextContents();
  assert(new Set(names).size === args.many, `${new Set(names).size} different names`);
  await files.getByRole("navigation", {name: "Folder"}).getByRole("link", {name: args.name}).click();

  const verification = page.getByRole("region", {name: "Verification"});
  await verification.getByRole("button", {name: "Verify every byte"}).click();
  await verification.getByText("Every byte is as it was uploaded.").waitFor();

  const seen = {commands: await page.getByRole("region", {name: "Commands"}).locator("code").allTextContents()};
  if (args.download) {
    const coming = page.waitForEvent("download");
    await files.getByRole("link", {name: `Download ${args.download}`}).click();
    const download = await coming;
    seen.sha256 = createHash("sha256").update(readFileSync(await download.path())).digest("hex");
    seen.filename = download.suggestedFilename();
  }

  // The dialog keeps the focus, Escape closes it and gives the focus back.
  const remover = page.getByRole("button", {name: "Delete …"}), dialog = page.getByRole("dialog");
  await remover.click();
  await dialog.getByRole("textbox").and(page.locator(":focus")).waitFor();
  for (let i = 0; i < 6; i++) {
    await page.keyboard.press("Tab");
    assert(await page.evaluate(() => document.activeElement === document.body || document.activeElement.closest("dialog") !== null), "the focus has left the dialog");
  }
  await page.keyboard.press("Escape");
  await dialog.waitFor({state: "detached"});
  await remover.and(page.locator(":focus")).waitFor();

  await remover.click();
  const yes = dialog.getByRole("button", {name: "Delete", exact: true});
  await dialog.getByRole("textbox").fill(`${args.name}x`);
  assert(await yes.isDisabled(), "it cannot be deleted by another name");
  await dialog.getByRole("textbox").fill(args.name);
  await yes.click();
  await page.waitForURL(/#\/datastores$/);
  await page.getByText("There are no datastores yet.").waitFor();
  return seen;
});
