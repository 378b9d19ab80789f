// Files of the browser for the engine: it asks for what it needs, this answers with slices.
//
// Nothing is read ahead and nothing is kept: a slice goes from the file into one request.

import {apiUrl, launch, on, pageId} from "./api.js";
import {fresh} from "./listing.js";

const AT_ONCE = 4;               // browsers have six connections; one is the stream of events
const LIST_ENTRIES = 1000;

export const drops = new Map();  // id -> {id, name, state}, of every page
const listings = new Map();      // id -> Listing, of this page
const queue = [];
let running = 0;
export const served = {bytes: 0, slices: 0};

// ---- one question ----

function modified(file) {
  return Math.max(0, file.lastModified);
}

function stampOf(file) {
  return {size: file.size, modified: modified(file)};
}

function list(listing, after) {
  const from = listing.behind(after);
  const some = listing.entries.slice(from, from + LIST_ENTRIES);
  const lines = some.map((e) => e.file ? `file ${e.file.size} ${modified(e.file)} ${e.path}\0` : `dir 0 0 ${e.path}\0`);
  if (from + some.length >= listing.entries.length) lines.push("end\0");
  return {size: 0, modified: 0, body: new Blob(lines)};
}

async function fileOf(listing, path, again) {
  const item = listing.find(path);
  if (!item || !item.file) return null;
  if (again) item.file = await fresh(item);
  return item.file;
}

/** A slice as it lies in the file: the browser reads it as it sends it, and this page holds nothing of it. */
async function read(listing, ask) {
  const file = await fileOf(listing, ask.path, false);
  if (!file) return {fail: "gone", message: "it is not in what was chosen"};
  return {...stampOf(file), body: ask.do === "open" ? "" : file.slice(ask.offset, ask.offset + ask.size)};
}

/** The same when that could not be sent: is it the file? */
async function readAnew(listing, ask) {
  try {
    const file = await fileOf(listing, ask.path, true);
    return {...stampOf(file), body: ask.do === "open" ? "" : await file.slice(ask.offset, ask.offset + ask.size).arrayBuffer()};
  } catch (error) {
    return {fail: error.name === "NotFoundError" ? "gone" : "unreadable", message: error.message};
  }
}

async function send(ask, found) {
  const query = {drop: ask.drop, ask: ask.ask, size: found.size, modified: found.modified, fail: found.fail, message: found.message};
  const response = await fetch(apiUrl("drops/answer", query), {method: "POST", body: found.body ?? ""});
  if (ask.do !== "read" || !response.ok || found.fail) return;
  served.bytes += found.body.size ?? found.body.byteLength;
  served.slices++;
}

async function answer(ask) {
  const listing = listings.get(ask.drop);
  if (!listing) return;
  if (ask.do === "list") {
    await send(ask, list(listing, ask.after));
    return;
  }
  const found = await read(listing, ask);
  try {
    await send(ask, found);
  } catch {
    await send(ask, await readAnew(listing, ask));
  }
}

function pump() {
  while (running < AT_ONCE && queue.length > 0) {
    running++;
    // What does not get through is asked again when the stream of events is back.
    answer(queue.shift()).catch(() => {}).finally(() => { running--; pump(); });
  }
}

on("ask", (ask) => { queue.push(ask); pump(); });

on("drop", (drop) => {
  if (drop.state === "over") {
    drops.delete(drop.id);
    listings.delete(drop.id);
  } else {
    drops.set(drop.id, drop);
  }
});

on("hello", () => { queue.length = 0; drops.clear(); });

addEventListener("beforeunload", (e) => {
  if ([...drops.values()].some((d) => listings.has(d.id))) e.preventDefault();
});

/** Begin, or go on with, the upload of a listing. */
export async function upload(listing, options) {
  const id = Array.from(crypto.getRandomValues(new Uint8Array(8)), (b) => b.toString(16).padStart(2, "0")).join("");
  listings.set(id, listing);
  try {
    return await launch("drops", {...options, drop: id, page: pageId, label: listing.label});
  } catch (error) {
    listings.delete(id);
    throw error;
  }
}
