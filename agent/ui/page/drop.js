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

async function read(listing, ask) {
  for (const again of [false, true]) {
    const file = await fileOf(listing, ask.path, again);
    if (!file) return {fail: "gone", message: "it is not in what was chosen"};
    if (ask.do === "open") return {...stampOf(file), body: ""};
    try {
      // What cannot be read shows here, and not in the middle of a request.
      const bytes = await file.slice(ask.offset, ask.offset + ask.size).arrayBuffer();
      served.bytes += bytes.byteLength;
      served.slices++;
      return {...stampOf(file), body: bytes};
    } catch (error) {
      if (again) return {fail: error.name === "NotFoundError" ? "gone" : "unreadable", message: error.message};
    }
  }
  return {fail: "gone", message: ""};
}

async function answer(ask) {
  const listing = listings.get(ask.drop);
  if (!listing) return;
  const found = ask.do === "list" ? list(listing, ask.after)
    : await read(listing, ask).catch((error) => ({fail: "gone", message: error.message}));
  const query = {drop: ask.drop, ask: ask.ask, size: found.size, modified: found.modified, fail: found.fail, message: found.message};
  await fetch(apiUrl("drops/answer", query), {method: "POST", body: found.body ?? ""});
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
