// From this machine: browse to the folder, see it counted, take the proposed name, watch it finish.

import {args, assert, card, run, waitForState} from "../browser.mjs";

await run(async (page) => {
  await page.getByRole("link", {name: "New", exact: true}).click();
  const path = page.getByRole("textbox", {name: "Path"});
  await path.fill(args.parent);
  await path.press("Enter");
  await page.getByRole("link", {name: `${args.folder}/`}).click();
  await page.getByRole("button", {name: "Choose this folder"}).click();
  const chosen = page.locator(".chosen");
  await chosen.getByText(args.counted).waitFor();
  const name = page.getByRole("textbox", {name: "Name"});
  await page.waitForFunction(() => document.querySelector("form input[required]").value !== "");
  const proposed = await name.inputValue();

  // Checked as one types, by the program's own rules.
  await name.fill("not a name");
  await page.getByText("a name begins with a letter or digit").waitFor();
  assert(await name.getAttribute("aria-invalid") === "true", "the field says that it is wrong");
  await name.fill(proposed);
  await page.getByText("a name begins with a letter or digit").waitFor({state: "detached"}).catch(() => {});

  await page.getByRole("button", {name: "Create datastore"}).click();
  await waitForState(page, proposed, "done");
  await card(page, proposed).getByRole("link", {name: "Look at it"}).click();
  await page.getByRole("heading", {name: proposed}).waitFor();
  await page.getByRole("region", {name: "Files"}).getByRole("link", {name: "many/"}).waitFor();
  return {proposed, root: await page.locator("code.hash").textContent()};
});
