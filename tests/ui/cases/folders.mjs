// The folder that is looked at is in the address: Back, Forward, reload and a copied link lead to it, in a datastore and
// on this machine.

import {args, assert, run} from "../browser.mjs";

const files = (page) => page.getByRole("region", {name: "Files"});
const here = (page) => page.getByRole("navigation", {name: "Folder"}).locator("[aria-current=location]");
const at = (page, name) => here(page).getByText(name, {exact: true}).waitFor();

/** What stands in a row under each heading. */
async function cells(page, name) {
  const row = files(page).getByRole("row").filter({has: page.getByRole("rowheader", {name, exact: true})});
  const headings = await files(page).getByRole("columnheader").allTextContents();
  const texts = await row.locator("th, td").allTextContents();
  return Object.fromEntries(headings.map((heading, i) => [heading, texts[i]]));
}

async function goInto(page, name) {
  await files(page).getByRole("link", {name: `${name}/`}).click();
  await at(page, name);
}

async function datastore(page, context) {
  const shows = (name) => files(page).getByRole("rowheader", {name, exact: true}).waitFor();
  await page.getByRole("link", {name: args.name}).first().click();
  await at(page, args.name);
  const trail = page.getByRole("navigation", {name: "Breadcrumb"});
  assert(await trail.locator("[aria-current=page]").textContent() === `${args.name} version 1`, await trail.textContent());
  const folder = await cells(page, "many/"), file = await cells(page, "a.txt");
  assert(folder.Files === "50" && folder.Modified === "", JSON.stringify(folder));
  assert(file.Files === "" && /^\d{4}-/.test(file.Modified), JSON.stringify(file));
  await goInto(page, "a");
  await page.waitForFunction(() => document.activeElement.matches("[aria-current=location]"));
  await goInto(page, "b");
  await goInto(page, "c");
  await shows("deep.txt");
  assert(await page.title() === `${args.name}:1/a/b/c/ · grid`, await page.title());
  const link = page.url();
  await page.goBack();
  await at(page, "b");
  await page.goBack();
  await at(page, "a");
  await shows("b/");
  await page.goForward();
  await at(page, "b");
  await page.reload();
  await at(page, "b");
  await shows("c/");
  await page.getByRole("navigation", {name: "Folder"}).getByRole("link", {name: args.name}).click();
  await at(page, args.name);

  for (const odd of args.odd) {
    await goInto(page, odd);
    await shows("inner.txt");
    await page.reload();
    await at(page, odd);
    await shows("inner.txt");
    await page.goBack();
    await at(page, args.name);
  }

  const other = await context.newPage();
  await other.goto(link);
  await files(other).getByRole("rowheader", {name: "deep.txt"}).waitFor();
  await other.goto(`${link.replace("/a/b/c/", "/nowhere")}`);
  await files(other).getByText("There is no folder nowhere/ in this version").waitFor();
  await other.close();
}

/** A verification goes on while folders are looked at. */
async function verifies(page) {
  await page.getByRole("region", {name: "Verification"}).getByRole("button", {name: "Verify every byte"}).click();
  await goInto(page, "a");
  await page.getByText("Every byte is as it was uploaded.").waitFor();
}

async function machine(page) {
  const list = page.getByRole("list", {name: "What is in it"});
  await page.getByRole("link", {name: "New", exact: true}).click();
  await list.getByRole("link").first().waitFor();
  const path = page.getByRole("textbox", {name: "Path"});
  await path.fill(args.tree);
  await path.press("Enter");
  await at(page, args.tree.split("/").at(-1));
  await list.getByRole("link", {name: "a/"}).click();
  await at(page, "a");
  await list.getByRole("link", {name: "b/"}).click();
  await at(page, "b");
  await page.goBack();
  await at(page, "a");
  await page.reload();
  await at(page, "a");
  await list.getByRole("link", {name: "b/"}).waitFor();
  assert(await path.inputValue() === `${args.tree}/a`, await path.inputValue());
  await page.goBack();
  await at(page, args.tree.split("/").at(-1));

  // A link to what is not there names it, and leads on.
  await page.goto(`${new URL(page.url()).origin}/#/new/machine${args.tree}/gone`);
  await page.reload();
  await page.getByRole("alert").getByText("gone: No such file or directory").waitFor();
  assert(await path.inputValue() === `${args.tree}/gone`, await path.inputValue());
  await list.getByRole("link", {name: "Begin at the root folder"}).click();
  await at(page, "/");

  // The path that is typed is the one that is chosen, with or without Enter.
  await path.fill(`${args.tree}/many`);
  await page.getByRole("button", {name: "Choose this folder"}).click();
  await page.locator(".chosen").getByText(`${args.tree}/many`, {exact: true}).waitFor();
  await path.fill(`${args.tree}/nothing`);
  await page.getByRole("button", {name: "Choose this folder"}).click();
  await page.getByRole("alert").getByText("nothing: No such file or directory").waitFor();
  const told = page.troubles.splice(0);
  assert(told.every((t) => t.includes("status of 404")), told.join("\n"));
  await path.fill("many");
  await path.press("Enter");
  await page.getByRole("alert").getByText("A path begins with /").waitFor();
}

await run(async (page, context) => {
  await datastore(page, context);
  await verifies(page);
  await machine(page);
});
