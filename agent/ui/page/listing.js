// Files that were chosen or dropped in the browser, as a sorted listing.

/** UTF-16 compared as UTF-8 bytes compare: surrogates stand behind all else. */
function unit(c) {
  return c >= 0xe000 ? c - 0x800 : c >= 0xd800 ? c + 0x2000 : c;
}

export function comparePaths(a, b) {
  const n = Math.min(a.length, b.length);
  for (let i = 0; i < n; i++) {
    const x = a.charCodeAt(i), y = b.charCodeAt(i);
    if (x !== y) return unit(x) - unit(y);
  }
  return a.length - b.length;
}

export class Listing {
  constructor(label, isFolder) {
    this.label = this.title = label;
    this.isFolder = isFolder;
    this.entries = []; // {path, file, entry}; without either: an empty folder
    this.bytes = 0;
    this.files = 0;
  }

  add(path, file, entry) {
    this.entries.push({path, file, entry});
    if (!file) return;
    this.bytes += file.size;
    this.files++;
  }

  sort() {
    this.entries.sort((a, b) => comparePaths(a.path, b.path));
    const all = this.entries;
    this.entries = [];
    this.bytes = this.files = 0;
    all.forEach((e, i) => { if (i === 0 || all[i - 1].path !== e.path) this.add(e.path, e.file, e.entry); });
  }

  /** Where the first entry behind `path` stands. */
  behind(path) {
    let low = 0, high = this.entries.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (comparePaths(this.entries[middle].path, path) <= 0) low = middle + 1;
      else high = middle;
    }
    return path === "" ? 0 : low;
  }

  find(path) {
    const found = this.entries[this.behind(path) - 1];
    return found && found.path === path ? found : null;
  }
}

/** As the file is now, where the browser lets us look again. */
export function fresh(item) {
  if (!item.entry) return Promise.resolve(item.file);
  return new Promise((resolve, reject) => item.entry.file(resolve, reject));
}

// ---- from an <input> ----

export function fromInput(chosen, isFolder) {
  const all = Array.from(chosen);
  const label = isFolder ? all[0].webkitRelativePath.split("/")[0] : all[0].name;
  const listing = new Listing(label, isFolder);
  for (const file of all)
    listing.add(isFolder ? file.webkitRelativePath.slice(label.length + 1) : file.name, file, null);
  listing.sort();
  return listing;
}

// ---- from a drop ----

const AT_ONCE = 32;

function readAll(reader) {
  return new Promise((resolve, reject) => {
    const all = [];
    const next = () => reader.readEntries((some) => {
      if (some.length === 0) resolve(all);
      else { all.push(...some); next(); }
    }, reject);
    next();
  });
}

async function inParallel(items, work) {
  let next = 0;
  const workers = Array.from({length: Math.min(AT_ONCE, items.length)}, async () => {
    while (next < items.length) await work(items[next++]);
  });
  await Promise.all(workers);
}

async function walk(listing, entry, path, progress) {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    listing.add(path, file, entry);
    progress(listing);
    return;
  }
  const inside = await readAll(entry.createReader());
  if (inside.length === 0 && path !== "") listing.add(path, null, null);
  const folders = inside.filter((e) => e.isDirectory);
  const prefix = path === "" ? "" : `${path}/`;
  await inParallel(inside.filter((e) => e.isFile), (e) => walk(listing, e, prefix + e.name, progress));
  for (const folder of folders) await walk(listing, folder, prefix + folder.name, progress);
}

/** To be called from the event itself: what was dropped can only be asked for then.  null: no file, no folder. */
export function fromDrop(items, progress) {
  const entries = Array.from(items).map((i) => i.webkitGetAsEntry?.()).filter(Boolean);
  if (entries.length === 0) return Promise.resolve(null);
  const isOne = entries.length === 1;
  const listing = new Listing(entries[0].name, entries[0].isDirectory || !isOne);
  listing.title = isOne ? listing.label : `${listing.label} and ${entries.length - 1} more`;
  return (async () => {
    for (const entry of entries)
      await walk(listing, entry, isOne && entry.isDirectory ? "" : entry.name, progress);
    listing.sort();
    return listing;
  })();
}
