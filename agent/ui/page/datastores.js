// The list of datastores, kept up to date by the events.

import {linkTo} from "./address.js";
import {ApiError, follow, on} from "./api.js";
import {arrange, count, fill, h, say, size, trouble, when} from "./dom.js";
import {clusters, onSessions, sessions} from "./store.js";

const COLUMNS = ["Name", "Cluster", "Version", "Size", "Files", "Created", "Status"];

function linkOf(d) {
  return linkTo("datastore", [d["cluster id"], d.name, d.version]);
}

function cell(label, ...children) {
  return h("td", {"data-label": label}, children);
}

function rowOf(d) {
  const isWhole = d.status === "succeeded";
  return h("tr", {},
    h("th", {scope: "row"}, h("a", {href: isWhole ? linkOf(d) : "#/sessions"}, d.name)),
    cell("Cluster", d["cluster id"]),
    h("td", {class: "number", "data-label": "Version"}, String(d.version)),
    h("td", {class: "number", "data-label": "Size"}, isWhole ? size(d.size) : "–"),
    h("td", {class: "number", "data-label": "Files"}, isWhole ? Number(d.files).toLocaleString("en") : "–"),
    h("td", {class: "date", "data-label": "Created"}, when(d["created at"])),
    cell("Status", h("span", {class: `chip ${d.status}`}, d.status)));
}

/** Sessions of this machine that are not published: the store is not asked for them. */
function unfinished(wanted) {
  return [...sessions.values()]
    .filter((s) => s.state !== "succeeded" && s.state !== "published" && (!wanted || s.cluster === wanted))
    .map((s) => ({name: s.name, "cluster id": s.cluster, version: s.version, "created at": s.started,
                  status: s.running ? "uploading" : s.state === "failed" ? "failed" : "interrupted"}));
}

export function datastores(main) {
  const chosen = h("select", {"aria-label": "Cluster"});
  const filter = h("input", {type: "search", placeholder: "Filter by name", "aria-label": "Filter by name"});
  const body = h("tbody");
  const table = h("table", {class: "cards"},
    h("caption", {class: "visually-hidden"}, "Datastores"),
    h("thead", {}, h("tr", {}, COLUMNS.map((c) => h("th", {scope: "col", class: ["Version", "Size", "Files"].includes(c) ? "number" : null}, c)))),
    body);
  const note = h("p", {class: "note", role: "status"});
  const problem = h("div");
  const nothing = h("div", {class: "empty", hidden: true},
    h("p", {}, h("strong", {}, "There are no datastores yet.")),
    h("p", {class: "note"}, "A datastore keeps the files of a folder, an archive or a bucket, as versions that never change."),
    h("a", {class: "button primary", href: linkTo("new")}, "Make the first"));
  let found = null, current = "", aborter = null, timer = null; // found: null as long as the cluster has not said

  const rows = new Map(); // what a row shows -> the row, so that those that do not change stay

  function keptRow(d) {
    const shows = JSON.stringify(d);
    if (!rows.has(shows)) rows.set(shows, rowOf(d));
    return rows.get(shows);
  }

  function wantedCluster() {
    return chosen.value === "*" ? null : chosen.value || current;
  }

  function summary(shown, all) {
    if (shown.length !== all.length) return `${count(shown.length, "datastore matches", "datastores match")}`;
    return found || problem.firstChild ? "" : "Looking …";
  }

  function draw() {
    const listed = found ?? [];
    const known = new Set(listed.map((d) => `${d["cluster id"]}/${d.name}:${d.version}`));
    const all = listed.concat(unfinished(wantedCluster()).filter((d) => !known.has(`${d["cluster id"]}/${d.name}:${d.version}`)));
    const words = filter.value.trim().toLowerCase();
    const shown = all.filter((d) => d.name.toLowerCase().includes(words));
    shown.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : b.version - a.version));
    arrange(body, shown.map(keptRow));
    table.hidden = shown.length === 0;
    filter.hidden = all.length < 6 && !words;
    nothing.hidden = !found || all.length > 0;
    note.textContent = summary(shown, all);
  }

  async function load() {
    aborter?.abort();
    const mine = aborter = new AbortController();
    const next = [];
    let isWhole = true;
    table.setAttribute("aria-busy", "true");
    try {
      const wanted = chosen.value === "*" ? {global: true} : {cluster: chosen.value};
      await follow("datastores", wanted, (d) => { if (d.name) next.push(d); }, {signal: mine.signal});
      fill(problem);
    } catch (error) {
      if (error.name === "AbortError") return;
      fill(problem, trouble(error.message, error instanceof ApiError ? error.hint : ""), whereTo());
      isWhole = false;
    }
    if (mine !== aborter) return;
    table.removeAttribute("aria-busy");
    if (isWhole || next.length > 0) found = next; // else what was there may still be
    draw();
  }

  function whereTo() {
    return h("p", {}, "What is stored is not lost. ", h("a", {href: linkTo("clusters")}, "Check the cluster"), " to see what is wrong.");
  }

  function loadSoon() {
    clearTimeout(timer);
    timer = setTimeout(load, 200);
  }

  async function loadClusters() {
    const all = await clusters().catch(() => []);
    current = all.find((c) => c.current)?.name ?? "";
    fill(chosen, all.map((c) => h("option", {value: c.current ? "" : c.name}, c.name)),
         all.length > 1 ? h("option", {value: "*"}, "all clusters") : null);
    chosen.value = "";
    chosen.parentElement.hidden = all.length < 2;
    draw();
  }

  fill(main,
    h("div", {class: "head"}, h("h1", {}, "Datastores"),
      h("div", {class: "row"}, filter, h("label", {class: "inline", hidden: true}, "Cluster ", chosen),
        h("a", {class: "button primary", href: "#/new"}, "New datastore"))),
    problem, nothing, table, note);
  draw();
  chosen.addEventListener("change", () => { found = null; fill(problem); draw(); load(); });
  filter.addEventListener("input", draw);
  load();
  loadClusters();

  const states = new Map();
  const offs = [
    on("changed", ({what}) => { if (what === "clusters") loadClusters(); loadSoon(); }),
    onSessions((s) => {
      const before = s && states.get(s.session_id);
      if (s) states.set(s.session_id, s.state);
      if (s && before !== s.state && s.state === "succeeded" && before) {
        say(`${s.name} version ${s.version} is there`);
        loadSoon();
      }
      if (!s || before !== s.state) draw();
    }),
  ];
  const seen = () => { if (document.visibilityState === "visible") loadSoon(); };
  document.addEventListener("visibilitychange", seen);
  return () => {
    aborter?.abort();
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", seen);
    offs.forEach((off) => off());
  };
}
