// A folder whose name ends in a blank, beside one without: what is shown is what is chosen.

import {args, assert, run} from "../browser.mjs";

await run(async (page) => {
  await page.getByRole("link", {name: "New", exact: true}).click();
  const path = page.getByRole("textbox", {name: "Path"});
  await path.fill(args.folder);
  await path.press("Enter");
  const inside = page.getByRole("list", {name: "What is in it"});
  await inside.getByRole("link").filter({hasText: /set \//}).click();
  await inside.getByText("right.txt").waitFor();
  await page.getByRole("button", {name: "Choose this folder"}).click();
  await page.locator(".chosen").getByText("1 file,").waitFor();
  const chosen = await page.locator(".chosen strong").textContent();
  assert(chosen === `${args.folder}/set `, `“${chosen}” is chosen`);
});
