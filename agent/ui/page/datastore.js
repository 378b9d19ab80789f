// One version: what it is, its files by folder, and what can be done with it.

import {here, linkTo, plain} from "./address.js";
import {act, apiUrl, follow, problemOf, Ref} from "./api.js";
import {ask, busy, copyButton, count, fill, files, h, quoted, sayThere, size, trouble, when} from "./dom.js";
import {clusterWords} from "./store.js";

const PAGE = 200;

/** A path as the server takes it, bytes that are not UTF-8 included. */
function refOf(line) {
  const bytes = line.path_b64 ? Uint8Array.from(atob(line.path_b64), (c) => c.charCodeAt(0))
                              : new TextEncoder().encode(line.path);
  return Array.from(bytes, (b) => /[\w.~/-]/.test(String.fromCharCode(b)) && b < 128
    ? String.fromCharCode(b) : `%${b.toString(16).toUpperCase().padStart(2, "0")}`).join("");
}

function lastName(path) {
  const parts = path.replace(/\/$/, "").split("/");
  return parts[parts.length - 1];
}

// ---- files ----

/** The folder of an address, as the server takes it: "" or "a/b/". */
function folderOf(parts) {
  const names = parts.filter((part) => part !== "");
  return names.length > 0 ? `${names.join("/")}/` : "";
}

function fileBrowser(of) {
  const crumbs = h("nav", {class: "crumbs", "aria-label": "Folder"});
  const body = h("tbody");
  const more = h("button", {type: "button", hidden: true}, "Show more");
  const note = h("p", {class: "note", role: "status"});
  const problem = h("div");
  const table = h("table", {class: "files"},
    h("caption", {class: "visually-hidden"}, "Files"),
    h("thead", {}, h("tr", {}, h("th", {scope: "col"}, "Name"), h("th", {scope: "col", class: "number"}, "Files"),
      h("th", {scope: "col", class: "number"}, "Size"), h("th", {scope: "col", class: "wide"}, "Modified"),
      h("th", {scope: "col"}, h("span", {class: "visually-hidden"}, "Download")))),
    body);
  let folder = "";
  let last = null, shown = 0, aborter = null;

  function linkOf(ref) {
    return linkTo("datastore", [of.cluster, of.name, of.version], ref);
  }

  function drawCrumbs() {
    const names = folder.split("/").filter(Boolean);
    fill(crumbs, [of.name, ...names.map(plain)].map((name, i) => [
      i > 0 ? h("span", {"aria-hidden": "true"}, "/") : null,
      i === names.length ? h("span", {"aria-current": "location", tabindex: "-1"}, name)
        : h("a", {href: linkOf(folderOf(names.slice(0, i)))}, name)]));
  }

  function folderRow(line, name) {
    const isEmpty = line.files === undefined;
    return h("tr", {}, h("th", {scope: "row"}, isEmpty ? `${name}/ (empty)` : h("a", {href: linkOf(refOf(line))}, `${name}/`)),
      h("td", {class: "number"}, isEmpty ? "" : line.files.toLocaleString("en")),
      h("td", {class: "number"}, size(line.size)), h("td", {class: "wide"}), h("td"));
  }

  function fileRow(line, name) {
    return h("tr", {}, h("th", {scope: "row"}, line.target !== undefined ? `${name} → ${line.target}` : name), h("td"),
      h("td", {class: "number"}, line.type === "file" ? size(line.size) : ""),
      h("td", {class: "wide"}, when(line.modified)),
      h("td", {}, line.type === "file"
        ? h("a", {class: "quiet", download: name, "aria-label": `Download ${name}`,
                  href: apiUrl("file", {cluster: of.cluster, name: of.name, version: of.version, path: new Ref(refOf(line))})}, "Download") : null));
  }

  function summary(isMore) {
    if (shown > 0) return `${count(shown, "entry", "entries")} shown${isMore ? ", there are more" : ""}`;
    return folder === "" ? "There is nothing in it." : `There is no folder ${plain(folder)} in this version, or nothing in it.`;
  }

  async function load() {
    aborter?.abort();
    const mine = aborter = new AbortController();
    const isFirst = last === null;
    let n = 0, isBroken = false;
    const add = (line) => {
      if (line.path === undefined || mine !== aborter) return;
      if (isFirst && n === 0) fill(body); // till then the folder above stands: nothing jumps
      body.append((line.type === "dir" ? folderRow : fileRow)(line, lastName(line.path)));
      last = line;
      n++;
      shown++;
    };
    more.disabled = true;
    table.setAttribute("aria-busy", "true");
    note.textContent = "Reading …";
    try {
      await follow("files", {cluster: of.cluster, name: of.name, version: of.version, limit: PAGE,
                             prefix: new Ref(folder), after: last ? new Ref(refOf(last)) : ""}, add, {signal: mine.signal});
      if (mine !== aborter) return;
      fill(problem);
      note.textContent = summary(n === PAGE);
    } catch (error) {
      if (error.name === "AbortError" || mine !== aborter) return;
      fill(problem, trouble(error.message, error.hint));
      note.textContent = "";
      isBroken = n > 0 || !isFirst;
    }
    if (isFirst && n === 0) fill(body);
    table.hidden = !body.firstChild;
    table.removeAttribute("aria-busy");
    more.hidden = n < PAGE && !isBroken;
    more.disabled = false;
  }

  function open(parts) {
    folder = folderOf(parts);
    last = null;
    shown = 0;
    drawCrumbs();
    document.title = `${of.name}:${of.version}${folder ? `/${plain(folder)}` : ""} · grid`;
    load();
  }

  more.addEventListener("click", load);
  return {element: h("section", {class: "panel files-part", "aria-label": "Files"}, h("h2", {}, "Files"), crumbs, problem, table,
                     h("div", {class: "row"}, more, note)),
          open,
          focus: () => crumbs.lastElementChild.focus(),
          end: () => aborter?.abort()};
}

// ---- verification ----

function verdict(of, deep, n, bytes, bad) {
  const words = bad ? h("strong", {class: "bad-text"}, `${count(bad, "file is", "files are")} damaged.`)
    : h("strong", {class: "good-text"}, deep ? "Every byte is as it was uploaded." : "All files are present, and of the right size.");
  return [words, ` ${files(n)}, ${size(bytes)}.`];
}

function verification(of) {
  const progress = h("p", {class: "note"}); // changes all the time: read out is the result alone
  const result = h("p", {role: "status"});
  const problem = h("div");
  const bar = h("progress", {max: Math.max(1, of.files), value: 0, "aria-label": "Files checked", hidden: true});
  const problems = h("ul", {class: "plain"});
  const buttons = [h("button", {type: "button", onclick: () => start(0)}, "Verify"),
                   h("button", {type: "button", onclick: () => start(1)}, "Verify every byte")];
  const stop = h("button", {type: "button", hidden: true, onclick: () => aborter?.abort()}, "Stop");
  let aborter = null;

  async function verify(deep) {
    let n = 0, bytes = 0, bad = 0, drawn = 0;
    const draw = () => {
      bar.value = n;
      progress.textContent = `${n.toLocaleString("en")} of ${files(of.files)} checked, ${size(bytes)}${bad ? `, ${bad} damaged` : ""}`;
    };
    draw();
    const exit = await follow("verify", {cluster: of.cluster, name: of.name, version: of.version, deep}, (line) => {
      if (line.status === undefined) return;
      n++;
      bytes += line.size;
      if (line.status !== "ok" && ++bad <= 100)
        problems.append(h("li", {}, h("code", {}, line.path), ` ${line.status}: ${line.detail}`));
      if (performance.now() - drawn > 200) { drawn = performance.now(); draw(); }
    }, {signal: aborter.signal, mayFail: true});
    if (exit.code !== 0 && bad === 0) throw problemOf(exit.errors);
    fill(result, verdict(of, deep, n, bytes, bad));
  }

  function start(which) {
    aborter = new AbortController();
    [result, problem, problems].forEach((e) => fill(e));
    stop.hidden = bar.hidden = false;
    return busy(buttons[which], "Verifying …", async () => {
      try {
        await verify(which === 1);
      } catch (error) {
        if (error.name === "AbortError") fill(result, "Stopped.");
        else fill(problem, trouble(error.message, error.hint));
      }
      progress.textContent = "";
      stop.hidden = bar.hidden = true;
    }, [buttons[1 - which]]);
  }

  return {element: h("section", {class: "panel", "aria-label": "Verification"}, h("h2", {}, "Verification"),
                     h("p", {class: "note"}, "“Verify” looks whether every object is there and has its size; “Verify every byte” reads them all back and compares them with the hashes that were published. Either ends when this page is left."),
                     h("div", {class: "row"}, buttons, stop), h("div", {class: "outcome"}, bar, progress, result, problem, problems)),
          end: () => aborter?.abort()};
}

// ---- deletion ----

async function confirmDeletion(of) {
  const typed = h("input", {type: "text", autocomplete: "off", spellcheck: "false", "aria-label": "Name of the datastore"});
  const yes = h("button", {type: "button", class: "danger", value: "yes", disabled: true}, "Delete");
  typed.addEventListener("input", () => { yes.disabled = typed.value !== of.name; });
  typed.addEventListener("keydown", (e) => { if (e.key === "Enter") { e.preventDefault(); yes.click(); } });
  const answer = await ask(`Delete ${of.name} version ${of.version}?`,
    [h("p", {}, `${files(of.files)}, ${size(of.size)} will be gone for good. Other versions stay.`),
     h("p", {}, "Type its name to confirm: ", h("strong", {}, of.name)), typed],
    [h("button", {type: "button", value: ""}, "Keep it"), yes]);
  return answer === "yes" ? typed.value : null;
}

async function remove(of, button, problem) {
  const confirm = await confirmDeletion(of);
  if (confirm === null) return;
  fill(problem);
  try {
    await busy(button, "Deleting …", () => act("delete", {name: of.name, version: String(of.version), cluster: of.cluster, confirm}));
    sayThere(`${of.name} version ${of.version} is deleted`);
    location.hash = linkTo("datastores");
  } catch (error) {
    fill(problem, trouble(error.message, error.hint));
  }
}

// ---- all of it ----

function fact(label, ...value) {
  return [h("dt", {}, label), h("dd", {}, value)];
}

function facts(of) {
  return h("dl", {class: "facts"},
    fact("Files", `${files(of.files)}${of.symlinks ? `, ${count(of.symlinks, "link", "links")}` : ""}${of.directories ? `, ${count(of.directories, "empty folder", "empty folders")}` : ""}`),
    fact("Size", size(of.size) + (of.size < 1024 ? "" : ` (${count(of.size, "byte", "bytes")})`)),
    fact("Created", when(of["created at"])),
    fact("Cluster", of.cluster),
    fact("Source", h("code", {}, decodeSource(of.source))),
    of.skipped ? fact("Left out", `${files(of.skipped)} that could not be read`) : null,
    of.copy === false ? fact("Kept", "only references: the bytes stay where the source is") : null,
    fact("Root hash", h("code", {class: "hash"}, of.root), copyButton(of.root, "the root hash")),
    fact("Address", h("code", {}, of.url), copyButton(of.url, "the address")));
}

function decodeSource(source) {
  try {
    return source.startsWith("file://") ? decodeURIComponent(source.slice(7)) : source;
  } catch {
    return source;
  }
}

function commands(of, words) {
  const spec = `${of.name}:${of.version}`;
  const all = [
    ["Get the files back", `grid datastore download ${spec} ${quoted(`./${of.name}`)}${words}`],
    ["See what is in it", `grid datastore files ${spec}${words}`],
    ["Compare every byte", `grid datastore verify ${spec} --deep${words}`],
    ["Address, for training code", `grid datastore url ${spec}${words}`],
    ["Delete it", `grid datastore delete --name ${of.name} --version ${of.version}${words}`],
  ];
  return h("section", {class: "panel", "aria-label": "Commands"}, h("h2", {}, "Commands"),
    all.map(([what, command]) => h("div", {class: "command"}, h("span", {class: "note"}, what),
      h("div", {class: "copyable"}, h("code", {}, command), copyButton(command, "the command")))));
}

async function find(cluster, name, version) {
  let found = null;
  await follow("datastores", {cluster}, (d) => { if (d.name === name && String(d.version) === version) found = d; }, {mayFail: true});
  return found && {...found, cluster: found["cluster id"]};
}

function trail(name, version) {
  return h("nav", {class: "crumbs", "aria-label": "Breadcrumb"}, h("a", {href: linkTo("datastores")}, "Datastores"),
    h("span", {"aria-hidden": "true"}, "/"), h("span", {"aria-current": "page"}, `${name} version ${version}`));
}

function layOut(main, of, parts, words) {
  const problem = h("div");
  const remover = h("button", {type: "button", class: "danger-quiet", onclick: () => remove(of, remover, problem)}, "Delete …");
  fill(main,
    trail(of.name, of.version),
    h("div", {class: "head"}, h("h1", {}, of.name, h("span", {class: "version"}, ` version ${of.version}`)),
      h("div", {class: "row"}, h("span", {class: `chip ${of.status}`}, of.status), remover)),
    problem,
    h("div", {class: "columns version-parts"},
      h("section", {class: "panel", "aria-label": "Facts"}, facts(of)), parts.verification.element, parts.files.element,
      commands(of, words)));
}

export function datastore(main, address) {
  const [cluster, name, version] = address.slice(0, 3).map(plain);
  let parts = null;
  let isLeft = false;
  fill(main, trail(name, version), h("p", {class: "note", role: "status"}, "Looking …"));

  async function look() {
    const of = await find(cluster, name, version);
    if (isLeft) return;
    if (!of) {
      fill(main, trail(name, version), h("h1", {}, `${name}:${version}`),
           trouble(`There is no ${name} version ${version} on ${cluster}.`, "It may have been deleted."));
      return;
    }
    const words = await clusterWords(of.cluster).catch(() => ` --cluster ${of.cluster}`);
    if (isLeft) return;
    parts = {files: fileBrowser(of), verification: verification(of)};
    layOut(main, of, parts, words);
    parts.files.open(here().parts.slice(3));
    if (here().parts.length > 3) parts.files.element.scrollIntoView({block: "nearest"});
  }

  look().catch((error) => { if (!isLeft) fill(main, trail(name, version), trouble(error.message, error.hint)); });

  return {
    leave() {
      isLeft = true;
      parts?.files.end();
      parts?.verification.end();
    },
    /** To another folder of the same version: what goes on here goes on. */
    move(to) {
      if (to.slice(0, 3).join("/") !== address.slice(0, 3).join("/")) return false;
      parts?.files.open(to.slice(3));
      parts?.files.focus();
      return true;
    },
  };
}
