// What is said to who does not see the page is gone when another view is shown; the link past the navigation stays in it.

import {args, assert, card, run} from "../browser.mjs";

const said = (page) => page.locator("#live").textContent();

await run(async (page) => {
  await page.getByRole("link", {name: "New", exact: true}).click();
  const path = page.getByRole("textbox", {name: "Path"});
  await path.fill(args.folder);
  await path.press("Enter");
  await page.getByRole("navigation", {name: "Folder"}).getByText(args.folder.split("/").at(-1)).waitFor();
  await page.getByRole("button", {name: "Choose this folder"}).click();
  await page.locator(".chosen").getByText("59 files").waitFor();
  await page.getByRole("textbox", {name: "Name"}).fill("said");
  await page.getByRole("button", {name: "Create datastore"}).click();
  await card(page, "said").waitFor();
  assert(await said(page) === "said is being made", await said(page));
  await page.getByRole("link", {name: "Clusters"}).click();
  await page.getByRole("heading", {name: "Clusters"}).waitFor();
  assert(await said(page) === "", `still said: ${await said(page)}`);

  await page.reload();
  await page.getByRole("heading", {name: "Clusters"}).waitFor();
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  assert(await page.evaluate(() => document.activeElement.id) === "main", "the content has the focus");
  assert(page.url().endsWith("#/clusters"), page.url());
  await page.getByRole("heading", {name: "Clusters"}).waitFor();

  for (const odd of ["#/nothing", "#/constructor", "#/%", "#/datastore/%/x/1"]) {
    await page.evaluate((hash) => { location.hash = hash; }, odd);
    await page.getByRole("heading", {level: 1}).or(page.getByRole("alert")).first().waitFor();
  }
});
