// What is given to "New datastore", right and wrong: each answer stands where it was caused, and nothing is begun twice.

import {args, assert, card, drop, run, waitForState} from "../browser.mjs";

const chosen = (page) => page.locator(".chosen");
const nameOf = (page) => page.getByRole("textbox", {name: "Name"});
const submit = (page) => page.getByRole("button", {name: "Create datastore"});

async function open(page, kind) {
  await page.getByRole("link", {name: "Sessions"}).click();
  await page.getByRole("link", {name: "New", exact: true}).click();
  await page.getByRole("link", {name: kind}).click();
}

async function drops(page) {
  await open(page, "From the browser");
  await drop(page, [`${args.home}/set`]);
  await chosen(page).getByText("59 files, 1 empty folder, 72 MiB", {exact: false}).waitFor();
  await drop(page, [`${args.home}/set/a.txt`]);
  await chosen(page).getByText("1 file, 16 bytes").waitFor();
  await drop(page, [`${args.home}/set`, `${args.home}/taken`]);
  await chosen(page).getByText("set and 1 more").waitFor();
  await chosen(page).getByText("60 files, 1 empty folder").waitFor();
  await drop(page, [`${args.home}/empty`]);
  await chosen(page).getByText("there is no file in it").waitFor();
  await drop(page, [], ".dropzone", [{mimeType: "text/plain", data: "some text"}]);
  await chosen(page).getByRole("alert").getByText("neither a file nor a folder").waitFor();
  assert(await submit(page).isHidden(), "there is nothing to create");

  // Beside the zone: the page stays, and so do its uploads.
  const isKept = await page.evaluate(() => ["dragover", "drop"].every((type) => {
    const data = new DataTransfer();
    data.items.add(new File(["x"], "x.txt"));
    return !document.querySelector("h1").dispatchEvent(new DragEvent(type, {bubbles: true, cancelable: true, dataTransfer: data}));
  }));
  assert(isKept, "a file beside the zone is not opened by the browser");
}

async function names(page) {
  await open(page, "From the browser");
  await drop(page, [`${args.home}/taken`]);
  await page.getByText("There is a datastore taken already: this becomes its next version").waitFor();
  await nameOf(page).fill("not a name");
  await submit(page).click();
  await page.getByText("a name begins with a letter or digit").waitFor();
  await nameOf(page).and(page.locator(":focus")).waitFor();
  await nameOf(page).fill("");
  await submit(page).click();
  await page.getByText("a datastore needs a name").waitFor();
  assert(page.url().includes("#/new"), "nothing is begun");

  await page.evaluate(() => {
    window.begun = 0;
    const send = window.fetch;
    window.fetch = (url, ...rest) => { if (String(url).startsWith("/api/drops?") || url === "/api/drops") window.begun++; return send(url, ...rest); };
  });
  await nameOf(page).fill("taken");
  await page.evaluate(() => { // faster than any hand
    const form = document.querySelector("form");
    const button = [...form.querySelectorAll("button")].find((b) => b.textContent === "Create datastore");
    button.click();
    button.click();
    if (!button.disabled || button.textContent !== "Starting …") throw new Error(`it says ${button.textContent}`);
  });
  await page.waitForURL(/#\/sessions/);
  assert(await page.evaluate(() => window.begun) === 1, "it is begun once");
  await waitForState(page, "taken version 2", "done");
  await card(page, "taken version 2").getByRole("link", {name: "Look at it"}).click();
  await page.getByRole("heading", {name: "taken version 2"}).waitFor();
}

async function urls(page) {
  await open(page, "From a URL");
  const url = page.getByLabel("URL", {exact: true});
  await url.fill("htt");
  assert(await page.getByText("It has to begin with").isHidden(), "it may become one");
  await url.fill("ftp://host/archive.zip");
  await page.getByText("It has to begin with s3://, https:// or http://.").waitFor();
  assert(await submit(page).isHidden(), "there is nothing to create");
}

await run(async (page) => {
  await drops(page);
  await names(page);
  await urls(page);
});
