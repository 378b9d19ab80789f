// Where datastores are kept, and the keys to it.

import {act, follow, on} from "./api.js";
import {ask, field, fill, h, say, trouble} from "./dom.js";
import {clusters} from "./store.js";

// ---- the doctor ----

const MARKS = {ok: ["good", "✓"], note: ["other", "–"], fails: ["bad", "!"]};

function lineOf(e) {
  const [look, mark] = MARKS[e.result] ?? MARKS.note;
  return h("li", {class: look},
    h("span", {class: "mark", "aria-hidden": "true"}, mark),
    h("span", {}, h("strong", {}, e.check), ` ${e.result}: `, e.message,
      e.hint ? h("span", {class: "hint note"}, e.hint) : null,
      e.policy ? h("pre", {class: "log", tabindex: "0", "aria-label": "Policy"}, e.policy) : null));
}

async function check(name, into, button) {
  const list = h("ul", {class: "checks"});
  const note = h("p", {class: "note", role: "status"}, "Checking …");
  button.disabled = true;
  fill(into, list, note);
  try {
    const exit = await follow("clusters/check", {name}, (e) => {
      if (e.check) list.append(lineOf(e));
    }, {mayFail: true});
    if (exit.code !== 0 && list.children.length === 0)
      fill(into, trouble(exit.errors.split("\n")[0].replace(/^error: /, ""), exit.errors.split("\n").slice(1).join(" ")));
    else
      note.textContent = exit.code === 0 ? "All is well." : "Something is to be done: see above.";
  } catch (error) {
    fill(into, trouble(error.message, error.hint));
  }
  button.disabled = false;
}

// ---- one cluster ----

function cardOf(c, attempt) {
  const result = h("div");
  const isS3 = c.store.startsWith("s3:");
  const isFixed = c.name === "local" || c.name === "env";
  const checkButton = h("button", {type: "button", onclick: () => check(c.name, result, checkButton)}, "Check");
  const forget = async () => {
    const yes = await ask(`Forget ${c.name}?`, h("p", {}, "Its address and keys are forgotten on this machine. What it stores stays."),
      [h("button", {type: "button", value: ""}, "Keep it"), h("button", {type: "button", class: "danger", value: "yes"}, "Forget it")]);
    if (yes === "yes") attempt(() => act("clusters/forget", {name: c.name}), result);
  };
  return h("article", {class: "panel", "aria-label": c.name},
    h("div", {class: "head"}, h("h2", {}, c.name), c.current ? h("span", {class: "chip succeeded"}, "current") : null),
    h("dl", {class: "facts"}, h("dt", {}, "Store"), h("dd", {}, h("code", {}, c.store)),
      isS3 ? [h("dt", {}, "Endpoint"), h("dd", {}, c.endpoint ? h("code", {}, c.endpoint) : "AWS"),
              h("dt", {}, "Keys"), h("dd", {}, c.access_key ? h("code", {}, c.access_key) : "none: log in")] : null),
    h("div", {class: "row"},
      c.current || c.name === "env" ? null : h("button", {type: "button", class: "primary", onclick: () => attempt(() => act("clusters/use", {name: c.name}), result)}, "Use it"),
      checkButton,
      isS3 && c.access_key && !isFixed ? h("button", {type: "button", onclick: () => attempt(() => act("clusters/logout", {name: c.name}), result)}, "Log out") : null,
      isFixed ? null : h("button", {type: "button", class: "danger-quiet", onclick: forget}, "Forget …")),
    result);
}

// ---- logging in ----

function loginForm(attempt) {
  const inputs = {
    cluster: h("input", {type: "text", autocomplete: "off", spellcheck: "false", placeholder: "lab"}),
    store: h("input", {type: "text", autocomplete: "off", spellcheck: "false", placeholder: "s3://bucket/prefix"}),
    endpoint: h("input", {type: "url", autocomplete: "off", spellcheck: "false", placeholder: "https://s3.lab.example"}),
    region: h("input", {type: "text", autocomplete: "off", spellcheck: "false"}),
    username: h("input", {type: "text", autocomplete: "off", spellcheck: "false"}),
    key: h("input", {type: "password", autocomplete: "off"}),
    profile: h("input", {type: "text", autocomplete: "off", spellcheck: "false"}),
    "ca-file": h("input", {type: "text", autocomplete: "off", spellcheck: "false", placeholder: "/etc/ssl/lab.pem"}),
  };
  const result = h("div");
  const button = h("button", {class: "primary"}, "Log in");
  const status = h("span", {class: "note", role: "status"});
  const form = h("form", {onsubmit: async (e) => {
    e.preventDefault();
    const values = Object.fromEntries(Object.entries(inputs).map(([key, input]) => [key, input.value.trim()]));
    values.key = inputs.key.value;
    button.disabled = true;
    status.textContent = "Trying the keys …";
    const isGood = await attempt(() => act("clusters/login", values), result);
    inputs.key.value = "";
    if (isGood) { form.reset(); say("logged in"); }
    button.disabled = false;
    status.textContent = "";
  }},
    field("Store", inputs.store, "s3://BUCKET/PREFIX, or file:///FOLDER. Left empty: the bucket of the account, where the server knows accounts."),
    h("div", {class: "two"}, field("Endpoint", inputs.endpoint, "Left empty: AWS."), field("Name here", inputs.cluster, "Left empty: after the bucket.")),
    h("div", {class: "two"}, field("Access key id", inputs.username), field("Secret access key", inputs.key)),
    h("details", {class: "options"}, h("summary", {}, "More"),
      field("AWS profile", inputs.profile, "Instead of keys: those of the AWS tools."), field("Region", inputs.region),
      field("Certificates to trust", inputs["ca-file"], "A file of this machine, as PEM.")),
    h("div", {class: "row"}, button, status), result);
  return h("section", {class: "panel", "aria-label": "Log in"}, h("h2", {}, "Log in to a cluster"),
    h("p", {class: "note"}, "The keys are tried before anything is saved. They stay on this machine, in a file that only you can read."), form);
}

export function clustersView(main) {
  const list = h("div", {class: "cards-list"});
  const problem = h("div");

  async function load() {
    try {
      const all = await clusters();
      fill(list, all.map((c) => cardOf(c, attempt)));
      fill(problem);
    } catch (error) {
      fill(problem, trouble(error.message, error.hint));
    }
  }

  async function attempt(action, into) {
    fill(into);
    try {
      const text = await action();
      await load();
      fill(into, text ? h("p", {class: "strip", role: "status"}, text) : null);
      return true;
    } catch (error) {
      fill(into, trouble(error.message, error.hint));
      return false;
    }
  }

  fill(main, h("div", {class: "head"}, h("h1", {}, "Clusters")), problem,
    h("div", {class: "columns"}, list, loginForm(attempt)));
  load();
  return on("changed", ({what}) => { if (what === "clusters") load(); });
}
