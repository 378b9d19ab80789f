// A new datastore: from this machine, from the browser, or from a URL.

import {follow, getJson, launch, Ref} from "./api.js";
import {field, fill, files, h, say, size, trouble, when} from "./dom.js";
import {upload} from "./drop.js";
import {fromDrop, fromInput} from "./listing.js";
import {clusters} from "./store.js";

const KINDS = [["machine", "From this machine"], ["browser", "From the browser"], ["url", "From a URL"]];

// ---- the name ----

/** A name that is checked as one types, by the rules of the program. */
function nameField() {
  const input = h("input", {type: "text", autocomplete: "off", spellcheck: "false", required: true, maxlength: "128"});
  const verdict = h("p", {class: "note", role: "status"});
  const element = field("Name", input);
  let isOurs = true, turn = 0; // ours: proposed, not typed
  element.append(verdict);

  async function check() {
    const mine = ++turn;
    const answer = input.value === "" ? {valid: false, error: ""}
      : await getJson("name", {name: input.value}).catch((e) => ({valid: false, error: e.message}));
    if (mine !== turn) return;
    input.setAttribute("aria-invalid", String(!answer.valid && input.value !== ""));
    input.setCustomValidity(answer.valid ? "" : answer.error || "a name is needed");
    verdict.textContent = answer.valid ? "" : answer.error;
    verdict.classList.toggle("bad-text", !answer.valid);
  }

  input.addEventListener("input", () => { isOurs = input.value === ""; check(); });
  return {
    element, input, check,
    async propose(query) {
      if (!isOurs) return;
      const answer = await getJson("name", query).catch(() => ({valid: false}));
      if (!isOurs) return;
      input.value = answer.valid ? answer.name : "";
      check();
    },
  };
}

// ---- options ----

function optionFields() {
  const cluster = h("select");
  const clusterField = field("Cluster", cluster);
  const exclude = h("textarea", {rows: "2", placeholder: "*.tmp\n.git/", spellcheck: "false"});
  const symlinks = h("select", {}, [["follow", "take what they lead to"], ["keep", "keep them as links"], ["skip", "leave them out"]]
    .map(([value, text]) => h("option", {value}, text)));
  const skip = h("input", {type: "checkbox"});
  const limit = h("input", {type: "number", min: "0", step: "any", inputmode: "decimal", placeholder: "none"});
  const excludeField = field("Leave out", exclude, "One pattern a line.");
  const linksField = field("Symbolic links", symlinks);
  const skipLabel = h("label", {class: "check"}, skip, " Publish without files that cannot be read");
  const element = h("details", {class: "options"}, h("summary", {}, "Options"), excludeField, linksField,
    field("Limit in MiB a second", limit, "For stores that are not on this machine."), skipLabel);

  clusters().then((all) => {
    fill(cluster, all.map((c) => h("option", {value: c.name, selected: c.current}, `${c.name} (${c.store})`)));
    clusterField.hidden = all.length < 2;
  }, () => { clusterField.hidden = true; });

  return {
    element, clusterField,
    show(kind) {
      excludeField.hidden = linksField.hidden = kind !== "machine";
    },
    values: (kind) => ({
      cluster: cluster.value,
      exclude: kind === "machine" ? exclude.value.split("\n").map((l) => l.trim()).filter(Boolean) : [],
      symlinks: kind === "machine" && symlinks.value !== "follow" ? symlinks.value : "",
      skip_unreadable: skip.checked,
      limit: Number(limit.value) > 0 ? `${Math.max(1, Math.round(limit.value * 1024))}K` : "",
    }),
  };
}

// ---- (a) this machine ----

function machineSource(changed) {
  const crumbs = h("nav", {class: "crumbs", "aria-label": "Folder"});
  const list = h("ul", {class: "browser", "aria-label": "What is in it"});
  const typed = h("input", {type: "text", spellcheck: "false", autocomplete: "off", "aria-label": "Path"});
  const take = h("button", {type: "button", class: "primary"}, "Choose this folder");
  const problem = h("div");
  const chosen = h("div", {class: "chosen", role: "status"});
  let here = null, aborter = null, source = null;
  let turn = 0;

  async function scan(ref, path) {
    const figures = h("span", {}, "looking …");
    const figuresOf = (e) => `${files(e.files)}, ${size(e.bytes)}`;
    aborter?.abort();
    const mine = aborter = new AbortController();
    fill(chosen, h("p", {}, h("strong", {}, path), h("br"), figures));
    try {
      await follow("scan", {source: new Ref(ref), name: "scan"}, (e) => {
        if (e.event === "scan") figures.textContent = `${figuresOf(e)} so far …`;
        if (e.event === "dry_run")
          figures.textContent = figuresOf(e) + (e.unreadable ? `; ${files(e.unreadable)} cannot be read` : "");
      }, {signal: mine.signal});
      say(figures.textContent);
    } catch (error) {
      if (error.name !== "AbortError") fill(figures, trouble(error.message, error.hint));
    }
  }

  function choose(ref, path, isFolder) {
    source = ref;
    changed({ready: true, name: {source: new Ref(ref), folder: isFolder}});
    scan(ref, path);
  }

  function entry(e) {
    const isFolder = e.type === "dir";
    return h("li", {}, h("button", {type: "button", class: isFolder ? "folder" : "file",
      onclick: () => (isFolder ? open(e.ref) : choose(e.ref, `${here.path === "/" ? "" : here.path}/${e.name}`, false))},
      h("span", {class: "name"}, isFolder ? `${e.name}/` : e.name),
      h("span", {class: "note"}, isFolder ? "" : size(e.size)), h("span", {class: "note wide"}, when(e.modified))));
  }

  function drawCrumbs() {
    const parts = here.path.split("/").filter(Boolean);
    const refs = here.ref.split("/").filter(Boolean);
    fill(crumbs, h("button", {type: "button", class: "link", "aria-label": "Root folder", onclick: () => open("/")}, "/"),
      parts.map((part, i) => [h("button", {type: "button", class: "link", onclick: () => open(`/${refs.slice(0, i + 1).join("/")}`)}, part),
        i < parts.length - 1 ? h("span", {"aria-hidden": "true"}, "/") : null]));
  }

  async function open(ref, isAsked = true) {
    const mine = ++turn;
    list.setAttribute("aria-busy", "true");
    try {
      const found = await getJson("fs", {path: new Ref(ref)});
      if (mine !== turn) return;
      here = found;
      fill(problem);
      if (isAsked || document.activeElement !== typed) typed.value = here.path; // else it is being typed
      drawCrumbs();
      fill(list, here.entries.map(entry),
        here.left_off ? h("li", {class: "note"}, `and ${here.left_off.toLocaleString("en")} more: type the path of one of them`) : null,
        here.entries.length === 0 ? h("li", {class: "note"}, "There is nothing in this folder.") : null);
      list.scrollTop = 0;
    } catch (error) {
      if (mine !== turn) return;
      fill(problem, trouble(error.message, error.hint));
    }
    list.removeAttribute("aria-busy");
  }

  take.addEventListener("click", () => { if (here) choose(here.ref, here.path, true); });
  typed.addEventListener("keydown", (e) => {
    if (e.key !== "Enter") return;
    e.preventDefault();
    open(encodeURI(typed.value.trim()).replaceAll("#", "%23").replaceAll("?", "%3F").replaceAll("&", "%26"));
  });
  getJson("about").then((me) => me.folder, () => "/").then((folder) => { if (turn === 0) open(folder, false); });
  return {
    element: h("div", {}, h("div", {class: "row stretch"}, typed, take), crumbs, problem, list, chosen),
    start: (options) => launch("create", {...options, source}),
    end: () => aborter?.abort(),
  };
}

// ---- (b) the browser ----

function browserSource(changed) {
  const folderInput = h("input", {type: "file", webkitdirectory: true, class: "visually-hidden", "aria-label": "Choose a folder of this browser"});
  const fileInput = h("input", {type: "file", class: "visually-hidden", "aria-label": "Choose a file of this browser"});
  const chosen = h("p", {class: "chosen", role: "status", hidden: true});
  const zone = h("div", {class: "dropzone"},
    h("p", {}, h("strong", {}, "Drop a folder or file here")),
    h("p", {class: "note"}, "Of any size. It goes in slices through the program on this machine; keep the page open until it is done. " +
      "After a break choose the same folder again: what is stored is not sent again."),
    h("div", {class: "row center"},
      h("button", {type: "button", onclick: () => folderInput.click()}, "Choose a folder"),
      h("button", {type: "button", onclick: () => fileInput.click()}, "Choose a file")), folderInput, fileInput);
  let listing = null;

  function show(l, isWhole) {
    chosen.hidden = false;
    fill(chosen, h("strong", {}, l.label), h("br"), `${files(l.files)}, ${size(l.bytes)}${isWhole ? "" : " so far …"}`);
  }

  function take(l) {
    if (!l) return;
    listing = l;
    show(l, true);
    say(chosen.textContent);
    changed({ready: true, name: {source: `/${l.label}`, folder: l.isFolder}});
  }

  zone.addEventListener("dragover", (e) => { e.preventDefault(); zone.classList.add("over"); });
  zone.addEventListener("dragleave", () => zone.classList.remove("over"));
  zone.addEventListener("drop", async (e) => {
    e.preventDefault();
    zone.classList.remove("over");
    let drawn = 0;
    try {
      take(await fromDrop(e.dataTransfer.items, (l) => {
        if (performance.now() - drawn > 150) { drawn = performance.now(); show(l, false); }
      }));
    } catch (error) {
      chosen.hidden = false;
      fill(chosen, trouble(`The browser cannot read what was dropped: ${error.message}`));
    }
  });
  for (const [input, isFolder] of [[folderInput, true], [fileInput, false]])
    input.addEventListener("change", () => { if (input.files.length) take(fromInput(input.files, isFolder)); });
  return {
    element: h("div", {}, zone, chosen),
    start: (options) => upload(listing, options),
    end() {},
  };
}

// ---- (c) a URL ----

function urlSource(changed) {
  const input = h("input", {type: "url", placeholder: "s3://bucket/folder/ or https://host/archive.tar.gz", spellcheck: "false", autocomplete: "off"});
  const noCopy = h("input", {type: "checkbox"});
  const noCopyLabel = h("label", {class: "check"}, noCopy, " Do not copy: refer to the objects where they are");
  const note = h("p", {class: "note"}, "Of an s3:// folder every object is taken; an archive (.zip, .tar.gz) behind http or https is unpacked.");

  function look() {
    const url = input.value.trim();
    const isS3 = /^s3:\/\/[^/]+/i.test(url);
    const isKnown = isS3 || /^https?:\/\/[^/]+/i.test(url);
    noCopy.disabled = !isS3;
    if (!isS3) noCopy.checked = false;
    noCopyLabel.classList.toggle("off", !isS3);
    changed(isKnown ? {ready: true, name: {source: url}} : {ready: false});
  }

  input.addEventListener("input", look);
  look();
  return {
    element: h("div", {}, field("URL", input), noCopyLabel, note),
    start: (options) => launch("create", {...options, source: encodeURI(input.value.trim()), no_copy: noCopy.checked}),
    end() {},
  };
}

// ---- all of it ----

export function create(main, [wanted]) {
  const kind = KINDS.some(([k]) => k === wanted) ? wanted : "machine";
  const tabs = h("nav", {class: "tabs", "aria-label": "Where the files are"}, KINDS.map(([k, text]) =>
    h("a", {href: `#/new/${k}`, "aria-current": k === kind ? "page" : null}, text)));
  const name = nameField();
  const options = optionFields();
  const submit = h("button", {class: "primary", disabled: true}, "Create datastore");
  const problem = h("div");
  const status = h("p", {class: "note", role: "status"});
  const second = h("section", {class: "panel", "aria-label": "Name and options", hidden: true});
  let isReady = false;

  const source = {machine: machineSource, browser: browserSource, url: urlSource}[kind]((change) => {
    isReady = change.ready;
    second.hidden = !isReady;
    submit.disabled = !isReady;
    if (change.name) name.propose(change.name);
  });
  options.show(kind);

  const form = h("form", {novalidate: true, onsubmit: async (e) => {
    e.preventDefault();
    await name.check();
    if (!isReady || !form.reportValidity()) { name.input.focus(); return; }
    submit.disabled = true;
    fill(problem);
    status.textContent = "Starting …";
    try {
      const begun = await source.start({...options.values(kind), name: name.input.value});
      if (begun.event === "unchanged") {
        fill(problem, h("p", {class: "strip", role: "status"}, `Nothing has changed since ${begun.name} version ${begun.version}.`));
        return;
      }
      say(`${begun.name} is being made`);
      location.hash = "#/sessions";
    } catch (error) {
      fill(problem, trouble(error.message, error.hint));
    } finally {
      submit.disabled = false;
      status.textContent = "";
    }
  }}, h("section", {class: "panel", "aria-label": "Source"}, source.element), second);

  fill(second, name.element, options.clusterField, options.element, problem, h("div", {class: "row"}, submit, status));
  fill(main, h("div", {class: "head"}, h("h1", {}, "New datastore")), tabs, form);
  return () => source.end();
}

