// The source of a new datastore that lies on this machine: its folders, of which one or a file is chosen.  The folder
// that is looked at stands in the address.

import {linkTo, plain} from "./address.js";
import {follow, getJson, launch, Ref} from "./api.js";
import {count, fill, files, h, say, size, trouble, when} from "./dom.js";

/** The folder of an address, as the server takes it; null: where the server was started. */
function folderOf(parts) {
  return parts.length > 0 ? `/${parts.filter((part) => part !== "").join("/")}` : null;
}

function linkOf(ref) {
  return linkTo("new", ["machine"], ref.replace(/^\//, "") || "/");
}

/** A path as it was typed. */
function refOf(path) {
  return encodeURI(path).replaceAll("#", "%23").replaceAll("?", "%3F").replaceAll("&", "%26");
}

export function machineSource(changed, parts) {
  const crumbs = h("nav", {class: "crumbs", "aria-label": "Folder"});
  const list = h("ul", {class: "browser", "aria-label": "What is in it"}, h("li", {class: "note"}, "Looking …"));
  const typed = h("input", {type: "text", spellcheck: "false", autocomplete: "off", "aria-label": "Path"});
  const take = h("button", {type: "button", class: "primary", disabled: true}, "Choose this folder");
  const problem = h("div");
  const amount = h("p", {class: "note"});
  const chosen = h("div", {class: "chosen"});
  let at = null, aborter = null, source = null;
  let told = ""; // what the field was set to, as it gives it back: else it was typed
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
      say(`${path}: ${figures.textContent}`);
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
    const inside = [h("span", {class: "name"}, isFolder ? `${e.name}/` : e.name),
      h("span", {class: "note"}, isFolder ? "" : size(e.size)), h("span", {class: "note wide"}, when(e.modified))];
    return h("li", {}, isFolder ? h("a", {class: "folder", href: linkOf(e.ref)}, inside)
      : h("button", {type: "button", class: "file",
                     onclick: () => choose(e.ref, `${at.path === "/" ? "" : at.path}/${e.name}`, false)}, inside));
  }

  function drawCrumbs() {
    const names = at.path.split("/").filter(Boolean);
    const refs = at.ref.split("/").filter(Boolean);
    const refTo = (n) => `/${refs.slice(0, n).join("/")}`;
    fill(crumbs, ["/", ...names].map((name, i) => [
      i > 1 ? h("span", {"aria-hidden": "true"}, "/") : null,
      i === names.length ? h("span", {"aria-current": "location", tabindex: "-1"}, name)
        : h("a", {href: linkOf(refTo(i)), "aria-label": i === 0 ? "Root folder" : null}, name)]));
  }

  function draw() {
    drawCrumbs();
    fill(list, at.entries.map(entry),
      at.left_off ? h("li", {class: "note"}, `and ${at.left_off.toLocaleString("en")} more: type the path of one of them`) : null,
      at.entries.length === 0 ? h("li", {class: "note"}, "There is nothing in this folder.") : null);
    list.scrollTop = 0;
    const n = at.entries.filter((e) => e.type === "dir").length;
    const held = at.left_off ? "" : `${count(n, "folder", "folders")} and ${files(at.entries.length - n)} here. `;
    amount.textContent = `${held}A file is chosen by clicking it.`;
  }

  function tell(path) {
    typed.value = path;
    told = typed.value;
  }

  /** Whether it is the folder that is shown now. */
  async function open(ref, isAsked = true) {
    const mine = ++turn;
    list.setAttribute("aria-busy", "true");
    try {
      const found = await getJson("fs", {path: new Ref(ref)});
      if (mine !== turn) return false;
      at = found;
      fill(problem);
      if (isAsked || document.activeElement !== typed) tell(at.path); // else it is being typed
      draw();
    } catch (error) {
      if (mine !== turn) return false;
      fill(problem, trouble(error.message, error.hint));
      if (!at) {
        tell(plain(ref));
        fill(list, h("li", {}, h("a", {class: "folder", href: linkOf("/")}, h("span", {class: "name"}, "Begin at the root folder"))));
      }
    }
    list.removeAttribute("aria-busy");
    take.disabled = false;
    return problem.firstChild === null;
  }

  async function openAt(place) {
    const ref = folderOf(place);
    if (ref !== null) return open(ref);
    const mine = turn;
    const folder = await getJson("about").then((me) => me.folder, () => "/");
    return mine === turn && open(folder, false);
  }

  async function openTyped() {
    if (at && typed.value === told) return open(at.ref);
    const path = typed.value.trim();
    if (!path.startsWith("/")) {
      fill(problem, trouble("A path begins with /.", "Type it whole, or choose a folder below."));
      return false;
    }
    if (location.hash !== linkOf(refOf(path))) history.pushState(null, "", linkOf(refOf(path)));
    return open(refOf(path));
  }

  take.addEventListener("click", async () => {
    if ((!at || typed.value !== told) && !await openTyped()) return;
    choose(at.ref, at.path, true);
  });
  typed.addEventListener("keydown", (e) => {
    if (e.key !== "Enter") return;
    e.preventDefault();
    openTyped();
  });
  openAt(parts);
  return {
    element: h("div", {}, h("div", {class: "row stretch"}, typed, take), problem, crumbs, list, amount, chosen),
    start: (options) => launch("create", {...options, source}),
    end: () => aborter?.abort(),
    async move(to) {
      if (await openAt(to)) crumbs.lastElementChild.focus();
    },
  };
}
