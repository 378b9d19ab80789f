// Which view is shown: the part behind "#/" says, and what it shows of it: the parts behind that.

import {here} from "./address.js";
import {connect, getJson, on} from "./api.js";
import {arrived, fill, h, trouble} from "./dom.js";
import {onSessions, sessions} from "./store.js";
import {datastores} from "./datastores.js";
import {datastore} from "./datastore.js";
import {create} from "./create.js";
import {sessionsView} from "./sessions.js";
import {clustersView} from "./clusters.js";

const views = {datastores, datastore, new: create, sessions: sessionsView, clusters: clustersView};
const titles = {datastores: "Datastores", datastore: "Datastore", new: "New datastore", sessions: "Sessions", clusters: "Clusters"};
const main = document.getElementById("main");
let shown = {view: "", leave() {}, move: () => false};

/** A view gives back how it is left, or that and how it moves to other parts without being made anew. */
function enter(view, parts) {
  const made = views[view](main, parts);
  shown = {view, leave() {}, move: () => false, ...(typeof made === "function" ? {leave: made} : made)};
}

/** Whether it is another view than before. */
function show() {
  const {view: word, parts} = here();
  const view = Object.hasOwn(views, word) ? word : "datastores";
  arrived();
  if (view === shown.view && shown.move(parts)) return false;
  shown.leave();
  for (const link of document.querySelectorAll("nav a[data-view]")) {
    const isHere = link.dataset.view === (view === "datastore" ? "datastores" : view);
    if (isHere) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${titles[view]} · grid`;
  fill(main);
  enter(view, parts);
  window.scrollTo(0, 0);
  return true;
}

function showCount() {
  const n = [...sessions.values()].filter((s) => s.running).length;
  const badge = document.getElementById("running");
  badge.hidden = n === 0;
  fill(badge, String(n), h("span", {class: "visually-hidden"}, " running"));
}

/** A file that is dropped beside where it belongs is not opened in place of the page, and of its uploads. */
function keepPage(e) {
  if (e.defaultPrevented || !e.dataTransfer?.types.includes("Files")) return;
  e.preventDefault();
  e.dataTransfer.dropEffect = "none";
}

addEventListener("hashchange", () => { if (show()) main.focus({preventScroll: true}); });
document.querySelector(".skip").addEventListener("click", (e) => { e.preventDefault(); main.focus(); });
for (const type of ["dragover", "drop"]) addEventListener(type, keepPage);
onSessions(showCount);
on("online", (isOnline) => { document.getElementById("offline").hidden = isOnline; });
connect();
getJson("about").then((me) => {
  document.getElementById("whoami").textContent = `${me.user} on ${me.host}`;
}, (error) => main.prepend(trouble(error.message, error.hint)));
show();
