// A new datastore: from this machine, from the browser, or from a URL.

import {linkTo} from "./address.js";
import {getJson, launch} from "./api.js";
import {field, fill, files, h, say, sayThere, size, trouble} from "./dom.js";
import {upload} from "./drop.js";
import {fromDrop, fromInput} from "./listing.js";
import {machineSource} from "./machine.js";
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

// ---- the browser ----

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

// ---- a URL ----

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

function kindOf([wanted]) {
  return KINDS.some(([k]) => k === wanted) ? wanted : "machine";
}

export function create(main, parts) {
  const kind = kindOf(parts);
  const tabs = h("nav", {class: "tabs", "aria-label": "Where the files are"}, KINDS.map(([k, text]) =>
    h("a", {href: linkTo("new", [k]), "aria-current": k === kind ? "page" : null}, text)));
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
  }, parts.slice(1));
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
      sayThere(`${begun.name} is being made`);
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
  return {
    leave: () => source.end(),
    /** To another folder of this machine: what was chosen and typed stays. */
    move(to) {
      if (kind !== "machine" || kindOf(to) !== kind) return false;
      source.move(to.slice(1));
      return true;
    },
  };
}

