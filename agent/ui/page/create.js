// A new datastore: from this machine, from the browser, or from a URL.

import {linkTo} from "./address.js";
import {follow, getJson, launch} from "./api.js";
import {busy, count, field, fill, files, h, say, sayThere, size, trouble} from "./dom.js";
import {upload} from "./drop.js";
import {fromDrop, fromInput} from "./listing.js";
import {machineSource} from "./machine.js";
import {clusters} from "./store.js";

const KINDS = [["machine", "From this machine"], ["browser", "From the browser"], ["url", "From a URL"]];

// ---- the name ----

/** A name that is checked as one types, by the rules of the program; remark() tells more of a good one. */
function nameField(remark) {
  const input = h("input", {type: "text", autocomplete: "off", spellcheck: "false", required: true, maxlength: "128"});
  const verdict = h("p", {class: "note", role: "status", id: "name-verdict"});
  const element = field("Name", input);
  let isOurs = true, turn = 0; // ours: proposed, not typed
  element.append(verdict);
  input.setAttribute("aria-describedby", verdict.id);

  function tell(text, isBad) {
    if (verdict.textContent !== text) verdict.textContent = text;
    verdict.classList.toggle("bad-text", isBad);
    input.setAttribute("aria-invalid", String(isBad));
  }

  /** Whether it is a name.  None is no fault as long as one has not said to be done. */
  async function check(isDone = false) {
    const mine = ++turn;
    const given = input.value;
    const answer = given === "" ? {valid: false, error: isDone ? "a datastore needs a name" : ""}
      : await getJson("name", {name: given}).catch((e) => ({valid: false, error: e.message}));
    if (mine !== turn) return answer.valid;
    tell(answer.valid ? "" : answer.error, !answer.valid && answer.error !== "");
    const more = answer.valid && !isDone ? await remark(given) : "";
    if (mine === turn && more) tell(more, false);
    return answer.valid;
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

/** The names that a cluster has, asked for once. */
function namesOf() {
  const known = new Map();
  const aborter = new AbortController();

  async function ask(cluster) {
    const names = new Set();
    await follow("datastores", {cluster}, (d) => { if (d.name) names.add(d.name); }, {signal: aborter.signal}).catch(() => {});
    return names;
  }

  return {
    of(cluster) {
      if (!known.has(cluster)) known.set(cluster, ask(cluster));
      return known.get(cluster);
    },
    end: () => aborter.abort(),
  };
}

// ---- options ----

function optionFields() {
  const cluster = h("select");
  const clusterField = field("Cluster", cluster);
  const place = h("p", {class: "note"});
  const exclude = h("textarea", {rows: "2", placeholder: "*.tmp\n.git/", spellcheck: "false"});
  const symlinks = h("select", {}, [["follow", "take what they lead to"], ["keep", "keep them as links"], ["skip", "leave them out"]]
    .map(([value, text]) => h("option", {value}, text)));
  const skip = h("input", {type: "checkbox"});
  const limit = h("input", {type: "number", min: "0", step: "any", inputmode: "decimal", placeholder: "none"});
  const excludeField = field("Leave out", exclude, "One pattern a line.");
  const linksField = field("Symbolic links", symlinks);
  const skipLabel = h("label", {class: "check"}, skip, " Publish without files that cannot be read");
  const element = h("details", {class: "options"}, h("summary", {}, "Options"), excludeField, linksField,
    field("Limit in MiB a second", limit), skipLabel);

  clusters().then((all) => {
    fill(cluster, all.map((c) => h("option", {value: c.name, selected: c.current}, `${c.name} (${c.store})`)));
    clusterField.hidden = all.length < 2;
    fill(place, all.length === 1 ? ["It will be kept on ", all[0].name, ": ", h("code", {}, all[0].store)] : []);
  }, () => { clusterField.hidden = true; });

  return {
    element, cluster, clusterField, place,
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
  const chosen = h("div", {class: "chosen", hidden: true});
  const zone = h("div", {class: "dropzone"},
    h("p", {}, h("strong", {}, "Drop a folder or file here")),
    h("p", {class: "note"}, "Of any size. It goes in slices through the program on this machine; keep the page open until it is done. " +
      "After a break choose the same folder again: what is stored is not sent again."),
    h("div", {class: "row center"},
      h("button", {type: "button", onclick: () => folderInput.click()}, "Choose a folder"),
      h("button", {type: "button", onclick: () => fileInput.click()}, "Choose a file")), folderInput, fileInput);
  let listing = null, turn = 0;

  function show(l, isWhole) {
    const folders = l.entries.length - l.files;
    chosen.hidden = false;
    fill(chosen, h("strong", {}, l.title), h("br"), files(l.files), folders ? `, ${count(folders, "empty folder", "empty folders")}` : null,
         `, ${size(l.bytes)}${isWhole ? "" : " so far …"}`, isWhole && l.files === 0 ? ": there is no file in it." : null);
  }

  function take(l) {
    turn++;
    listing = l;
    show(l, true);
    say(chosen.textContent);
    changed({ready: true, name: {source: `/${l.label}`, folder: l.isFolder}});
  }

  function refuse(message, hint) {
    chosen.hidden = false;
    fill(chosen, trouble(message, hint));
    changed({ready: false});
  }

  async function takeDrop(items) {
    const mine = ++turn;
    let drawn = 0;
    try {
      const l = await fromDrop(items, (some) => {
        if (mine !== turn || performance.now() - drawn <= 150) return;
        drawn = performance.now();
        show(some, false);
      });
      if (mine !== turn) return;
      if (l) take(l);
      else refuse("What was dropped is neither a file nor a folder.", "Drop it from a file manager, or choose it below.");
    } catch (error) {
      if (mine === turn) refuse(`The browser cannot read what was dropped: ${error.message}`, "Look whether you may read all of it, then drop it again.");
    }
  }

  zone.addEventListener("dragover", (e) => { e.preventDefault(); zone.classList.add("over"); });
  zone.addEventListener("dragleave", (e) => { if (!zone.contains(e.relatedTarget)) zone.classList.remove("over"); });
  zone.addEventListener("drop", (e) => {
    e.preventDefault();
    zone.classList.remove("over");
    takeDrop(e.dataTransfer.items);
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

const SCHEMES = ["s3://", "https://", "http://"];

function urlSource(changed) {
  const input = h("input", {type: "url", placeholder: "s3://bucket/folder/ or https://host/archive.tar.gz", spellcheck: "false", autocomplete: "off"});
  const noCopy = h("input", {type: "checkbox"});
  const noCopyLabel = h("label", {class: "check"}, noCopy, " Do not copy: refer to the objects where they are");
  const urlField = field("URL", input, "Of an s3:// folder every object is taken; an archive (.zip, .tar.gz) behind http or https is unpacked.");
  const verdict = h("p", {class: "note bad-text", role: "status"});
  urlField.append(verdict);

  function look() {
    const url = input.value.trim();
    const word = url.toLowerCase();
    const isS3 = /^s3:\/\/[^/]+/.test(word);
    const isKnown = isS3 || /^https?:\/\/[^/]+/.test(word);
    const isOther = !SCHEMES.some((scheme) => word.startsWith(scheme) || scheme.startsWith(word));
    verdict.textContent = isOther ? "It has to begin with s3://, https:// or http://." : "";
    input.setAttribute("aria-invalid", String(isOther));
    noCopy.disabled = !isS3;
    if (!isS3) noCopy.checked = false;
    noCopyLabel.classList.toggle("off", !isS3);
    changed(isKnown ? {ready: true, name: {source: url}} : {ready: false});
  }

  input.addEventListener("input", look);
  look();
  return {
    element: h("div", {}, urlField, noCopyLabel),
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
  const options = optionFields();
  const names = namesOf();
  const name = nameField(async (given) => ((await names.of(options.cluster.value)).has(given)
    ? `There is a datastore ${given} already: this becomes its next version, and the others stay.` : ""));
  const submit = h("button", {class: "primary", disabled: true}, "Create datastore");
  const problem = h("div");
  const second = h("section", {class: "panel", "aria-label": "Name and options", hidden: true});
  let isReady = false;

  const source = {machine: machineSource, browser: browserSource, url: urlSource}[kind]((change) => {
    const isNew = change.ready && second.hidden;
    isReady = change.ready;
    second.hidden = !isReady;
    submit.disabled = !isReady;
    if (change.name) name.propose(change.name);
    if (isNew) second.scrollIntoView({block: "nearest"});
  }, parts.slice(1));
  options.show(kind);
  options.cluster.addEventListener("change", () => name.check());

  async function begin() {
    if (!await name.check(true)) { name.input.focus(); return; }
    if (!isReady || !form.reportValidity()) return;
    try {
      const begun = await source.start({...options.values(kind), name: name.input.value});
      if (begun.event === "unchanged") {
        fill(problem, h("p", {class: "strip", role: "status"}, `Nothing has changed since ${begun.name} version ${begun.version}.`));
        return;
      }
      sayThere(`${begun.name} is being made`);
      location.hash = linkTo("sessions");
    } catch (error) {
      fill(problem, trouble(error.message, error.hint));
    }
  }

  const form = h("form", {novalidate: true, onsubmit: (e) => {
    e.preventDefault();
    fill(problem);
    busy(submit, "Starting …", begin).finally(() => { submit.disabled = !isReady; });
  }}, h("section", {class: "panel", "aria-label": "Source"}, source.element), second);

  fill(second, name.element, options.clusterField, options.place, options.element, problem, h("div", {class: "row"}, submit));
  fill(main, h("div", {class: "head"}, h("h1", {}, "New datastore")), tabs, form);
  return {
    leave() {
      source.end();
      names.end();
    },
    /** To another folder of this machine: what was chosen and typed stays. */
    move(to) {
      if (kind !== "machine" || kindOf(to) !== kind) return false;
      source.move(to.slice(1));
      return true;
    },
  };
}

