// Which view is shown: the part behind "#/" says.

import {connect, getJson, on} from "./api.js";
import {fill, h, trouble} from "./dom.js";
import {onSessions, sessions} from "./store.js";
import {datastores} from "./datastores.js";
import {datastore} from "./datastore.js";
import {create} from "./create.js";
import {sessionsView} from "./sessions.js";
import {clustersView} from "./clusters.js";

const views = {datastores, datastore, new: create, sessions: sessionsView, clusters: clustersView};
const titles = {datastores: "Datastores", datastore: "Datastore", new: "New datastore", sessions: "Sessions", clusters: "Clusters"};
const main = document.getElementById("main");
let leave = () => {};

function route() {
  const [word, ...rest] = (location.hash.replace(/^#\/?/, "") || "datastores").split("/").map(decodeURIComponent);
  return {view: views[word] ? word : "datastores", rest};
}

function show() {
  const {view, rest} = route();
  leave();
  for (const link of document.querySelectorAll("nav a")) {
    const isHere = link.dataset.view === (view === "datastore" ? "datastores" : view);
    if (isHere) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${titles[view]} · grid`;
  fill(main);
  leave = views[view](main, rest) ?? (() => {});
  window.scrollTo(0, 0);
}

function showCount() {
  const n = [...sessions.values()].filter((s) => s.running).length;
  const badge = document.getElementById("running");
  badge.hidden = n === 0;
  fill(badge, String(n), h("span", {class: "visually-hidden"}, " running"));
}

addEventListener("hashchange", () => { show(); main.focus({preventScroll: true}); });
onSessions(showCount);
on("online", (isOnline) => { document.getElementById("offline").hidden = isOnline; });
connect();
getJson("about").then((me) => {
  document.getElementById("whoami").textContent = `${me.user} on ${me.host}`;
}, (error) => main.prepend(trouble(error.message, error.hint)));
show();
