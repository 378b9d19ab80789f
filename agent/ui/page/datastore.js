// One version: what it is, its files by folder, and what can be done with it.

import {act, apiUrl, follow, Ref} from "./api.js";
import {ask, copyButton, count, fill, files, h, quoted, say, size, trouble, when} from "./dom.js";
import {clusterWords} from "./store.js";

const PAGE = 200;

/** A path as the server takes it, bytes that are not UTF-8 included. */
function refOf(line) {
  const bytes = line.path_b64 ? Uint8Array.from(atob(line.path_b64), (c) => c.charCodeAt(0))
                              : new TextEncoder().encode(line.path);
  return new Ref(Array.from(bytes, (b) => /[\w.~/-]/.test(String.fromCharCode(b)) && b < 128
    ? String.fromCharCode(b) : `%${b.toString(16).toUpperCase().padStart(2, "0")}`).join(""));
}

function lastName(path) {
  const parts = path.replace(/\/$/, "").split("/");
  return parts[parts.length - 1];
}

// ---- files ----

function fileBrowser(of) {
  const crumbs = h("nav", {class: "crumbs", "aria-label": "Folder"});
  const body = h("tbody");
  const more = h("button", {type: "button", hidden: true}, "Show more");
  const note = h("p", {class: "note", role: "status"});
  const problem = h("div");
  const table = h("table", {class: "files"},
    h("caption", {class: "visually-hidden"}, "Files"),
    h("thead", {}, h("tr", {}, h("th", {scope: "col"}, "Name"), h("th", {scope: "col", class: "number"}, "Size"),
      h("th", {scope: "col", class: "wide"}, "Modified"), h("th", {scope: "col"}, h("span", {class: "visually-hidden"}, "Download")))),
    body);
  let way = []; // the folders down to here: {name, ref}
  let last = null, shown = 0, aborter = null;

  function drawCrumbs() {
    fill(crumbs, [{name: of.name}, ...way].map((folder, i, all) => [
      i > 0 ? h("span", {"aria-hidden": "true"}, "/") : null,
      i === all.length - 1 ? h("span", {"aria-current": "location"}, folder.name)
        : h("button", {type: "button", class: "link", onclick: () => open(way.slice(0, i))}, folder.name)]));
  }

  function row(line) {
    const isFolder = line.type === "dir";
    const name = lastName(line.path);
    const ref = refOf(line);
    if (isFolder)
      return h("tr", {}, h("th", {scope: "row"}, line.files === undefined ? `${name}/ (empty)`
          : h("button", {type: "button", class: "link", onclick: () => open([...way, {name, ref}])}, `${name}/`)),
        h("td", {class: "number"}, size(line.size)), h("td", {class: "wide"}, line.files === undefined ? "" : files(line.files)), h("td"));
    return h("tr", {}, h("th", {scope: "row"}, line.target !== undefined ? `${name} → ${line.target}` : name),
      h("td", {class: "number"}, line.type === "file" ? size(line.size) : ""),
      h("td", {class: "wide"}, when(line.modified)),
      h("td", {}, line.type === "file"
        ? h("a", {class: "quiet", download: name, "aria-label": `Download ${name}`,
                  href: apiUrl("file", {cluster: of.cluster, name: of.name, version: of.version, path: ref})}, "Download") : null));
  }

  async function load() {
    aborter?.abort();
    const mine = aborter = new AbortController();
    let n = 0;
    more.disabled = true;
    note.textContent = "Reading …";
    try {
      await follow("files", {cluster: of.cluster, name: of.name, version: of.version, limit: PAGE,
                             prefix: way.at(-1)?.ref, after: last ? refOf(last) : ""}, (line) => {
        if (line.path === undefined) return;
        body.append(row(line));
        last = line;
        n++;
      }, {signal: mine.signal});
      fill(problem);
    } catch (error) {
      if (error.name === "AbortError") return;
      fill(problem, trouble(error.message, error.hint));
    }
    shown += n;
    more.hidden = n < PAGE;
    more.disabled = false;
    note.textContent = shown === 0 ? "There is nothing in it." : `${count(shown, "entry", "entries")} shown${n < PAGE ? "" : ", there are more"}`;
  }

  function open(folders) {
    way = folders;
    last = null;
    shown = 0;
    fill(body);
    drawCrumbs();
    load();
  }

  more.addEventListener("click", load);
  open([]);
  return {element: h("section", {class: "panel", "aria-label": "Files"}, h("h2", {}, "Files"), crumbs, problem, table,
                     h("div", {class: "row"}, more, note)),
          end: () => aborter?.abort()};
}

// ---- verification ----

function verification(of) {
  const result = h("div", {role: "status"});
  const bar = h("progress", {max: Math.max(1, of.files), value: 0, "aria-label": "Files checked", hidden: true});
  const problems = h("ul", {class: "plain"});
  const buttons = [h("button", {type: "button", onclick: () => start(false)}, "Verify"),
                   h("button", {type: "button", onclick: () => start(true)}, "Verify every byte")];
  const stop = h("button", {type: "button", hidden: true, onclick: () => aborter?.abort()}, "Stop");
  let aborter = null;

  function setRunning(isRunning) {
    buttons.forEach((b) => { b.disabled = isRunning; });
    stop.hidden = !isRunning;
    bar.hidden = !isRunning;
  }

  async function start(deep) {
    let n = 0, bytes = 0, bad = 0, drawn = 0;
    aborter = new AbortController();
    setRunning(true);
    fill(problems);
    const draw = () => {
      bar.value = n;
      result.textContent = `${n.toLocaleString("en")} of ${files(of.files)} checked, ${size(bytes)}${bad ? `, ${bad} damaged` : ""}`;
    };
    try {
      draw();
      const exit = await follow("verify", {cluster: of.cluster, name: of.name, version: of.version, deep}, (line) => {
        if (line.status === undefined) return;
        n++;
        bytes += line.size;
        if (line.status !== "ok" && ++bad <= 100)
          problems.append(h("li", {}, h("code", {}, line.path), ` ${line.status}: ${line.detail}`));
        if (performance.now() - drawn > 200) { drawn = performance.now(); draw(); }
      }, {signal: aborter.signal, mayFail: true});
      if (exit.code !== 0 && bad === 0) throw new Error(exit.errors.split("\n")[0].replace(/^error: /, ""));
      fill(result, bad ? h("strong", {class: "bad-text"}, `${count(bad, "file is", "files are")} damaged.`)
        : h("strong", {class: "good-text"}, deep ? "Every byte is as it was uploaded." : "All files are present, and of the right size."),
        ` ${files(n)}, ${size(bytes)}.`);
    } catch (error) {
      fill(result, error.name === "AbortError" ? "Stopped." : trouble(error.message, error.hint));
    }
    setRunning(false);
  }

  return {element: h("section", {class: "panel", "aria-label": "Verification"}, h("h2", {}, "Verification"),
                     h("p", {class: "note"}, "“Verify” looks whether every object is there and has its size; “Verify every byte” reads them all back and compares them with the hashes that were published. Either ends when this page is left."),
                     h("div", {class: "row"}, buttons, stop), bar, result, problems),
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

async function remove(of, problem) {
  const confirm = await confirmDeletion(of);
  if (confirm === null) return;
  fill(problem, h("p", {class: "strip", role: "status"}, "Deleting …"));
  try {
    await act("delete", {name: of.name, version: String(of.version), cluster: of.cluster, confirm});
    say(`${of.name} version ${of.version} is deleted`);
    location.hash = "#/datastores";
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
    fact("Size", `${size(of.size)} (${count(of.size, "byte", "bytes")})`),
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

export function datastore(main, [cluster, name, version]) {
  const problem = h("div");
  let parts = [];
  let isLeft = false;
  fill(main, h("p", {class: "note", role: "status"}, "Looking …"));

  find(cluster, name, version).then(async (of) => {
    if (isLeft) return;
    if (!of) {
      fill(main, h("h1", {}, `${name}:${version}`), trouble(`There is no ${name} version ${version} on ${cluster}.`, "It may have been deleted."));
      return;
    }
    const words = await clusterWords(of.cluster).catch(() => ` --cluster ${of.cluster}`);
    if (isLeft) return;
    parts = [fileBrowser(of), verification(of)];
    fill(main,
      h("p", {class: "back"}, h("a", {href: "#/datastores"}, "Datastores"), " /"),
      h("div", {class: "head"}, h("h1", {}, of.name, h("span", {class: "version"}, ` version ${of.version}`)),
        h("div", {class: "row"}, h("span", {class: `chip ${of.status}`}, of.status),
          h("button", {type: "button", class: "danger-quiet", onclick: () => remove(of, problem)}, "Delete …"))),
      problem,
      h("div", {class: "columns"}, h("div", {}, h("section", {class: "panel", "aria-label": "Facts"}, facts(of)), parts[1].element, commands(of, words)),
        h("div", {}, parts[0].element)));
  }, (error) => fill(main, trouble(error.message, error.hint)));

  return () => { isLeft = true; parts.forEach((p) => p.end()); };
}
