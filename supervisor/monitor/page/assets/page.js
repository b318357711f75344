// Keeps the page in step with the monitor: takes patches from the stream and
// changes what differs, so that focus, scroll, selection and open details stay.
"use strict";
(() => {
  const root = document.documentElement;
  const byId = (id) => document.getElementById(id);
  let skew = Number(root.dataset.now) - Date.now(); // the host's clock less ours
  let version = root.dataset.version;
  let clock = root.dataset.clock;

  // Ages: the rules of ageText in format.go.
  const age = (ms) => {
    const s = Math.trunc(ms / 1000);
    if (s < 0) return "in " + age(-ms);
    if (s < 60) return s + "s";
    if (s < 3600) return Math.floor(s / 60) + "m";
    if (s < 86400) return Math.floor(s / 3600) + "h" + (Math.floor(s / 60) % 60) + "m";
    return Math.floor(s / 86400) + "d";
  };
  const setText = (node, text) => { if (node.textContent !== text) node.textContent = text; };
  const tick = (within) => {
    const now = Date.now() + skew;
    for (const t of within.querySelectorAll("time[datetime]")) setText(t, age(now - Date.parse(t.dateTime)));
  };

  // The page, patched.
  const parse = (html) => {
    const t = document.createElement("template");
    t.innerHTML = html;
    return t.content.firstElementChild;
  };
  const alike = (a, b) => a.nodeType === b.nodeType && a.nodeName === b.nodeName && (a.id || "") === (b.id || "");
  const attributes = (from, to) => {
    for (const { name } of [...from.attributes]) {
      if (!to.hasAttribute(name) && !(name === "open" && from.nodeName === "DETAILS")) from.removeAttribute(name);
    }
    for (const { name, value } of to.attributes) {
      if (from.getAttribute(name) !== value) from.setAttribute(name, value);
    }
  };
  const morph = (from, to) => {
    if (from.nodeType !== Node.ELEMENT_NODE) {
      if (from.nodeValue !== to.nodeValue) from.nodeValue = to.nodeValue;
      return;
    }
    if (from.nodeName === "TIME") { // its text is tick's; one that is told apart comes empty
      if (to.hasAttribute("datetime")) attributes(from, to);
      return;
    }
    attributes(from, to);
    if (from.id !== "_stream" && from.id !== "_at") children(from, to); // those two are filled from here
  };
  const children = (from, to) => {
    const known = new Map();
    for (const c of from.children) if (c.id) known.set(c.id, c);
    let at = from.firstChild;
    for (const next of [...to.childNodes]) {
      let match = next.id && known.get(next.id);
      if (!match && at && alike(at, next)) match = at;
      if (!match || !alike(match, next)) {
        from.insertBefore(next, at);
        continue;
      }
      if (match === at) at = at.nextSibling;
      else from.insertBefore(match, at);
      morph(match, next);
    }
    while (at) {
      const gone = at;
      at = at.nextSibling;
      gone.remove();
    }
  };
  const setChecked = (part, seconds) => {
    const t = part.querySelector("time.checked");
    if (t) t.setAttribute("datetime", new Date(seconds * 1000).toISOString().slice(0, 19) + "Z");
  };
  const apply = (p) => {
    const focused = document.activeElement;
    const home = focused && focused.closest("section");
    skew = p.now - Date.now();
    version = p.version;
    clock = p.clock;
    for (const [id, html] of Object.entries(p.html || {})) {
      const part = byId(id);
      if (!part) continue;
      if (id === "_apps") {
        const t = document.createElement("template");
        t.innerHTML = html;
        children(part, t.content);
      } else morph(part, parse(html));
    }
    for (const [id, seconds] of Object.entries(p.checked || {})) {
      const part = byId(id);
      if (part) setChecked(part, seconds);
    }
    if (p.title) {
      document.title = p.title;
      byId("_icon").href = p.icon;
    }
    const at = byId("_at");
    if (at) setText(at, clock);
    tick(document);
    // What had the focus is gone: the heading of its app is the nearest thing left.
    if (focused && !focused.isConnected) (home && home.isConnected ? home.querySelector("h2") : byId("_main")).focus({ preventScroll: true });
  };

  // The stream, and what to do when it ends.
  const least = 1000, most = 30000, several = 2;
  let delay = least, failures = 0, source, silent, waiting;
  const say = (state, text) => {
    root.dataset.stream = state;
    setText(byId("_stream"), text);
  };
  const heard = () => {
    clearTimeout(silent);
    silent = setTimeout(lost, Number(root.dataset.silence));
  };
  const again = (after) => {
    if (source) source.close();
    source = undefined;
    clearTimeout(silent);
    clearTimeout(waiting);
    waiting = setTimeout(connect, after);
  };
  // Why a stream fails is not told. If that is a token that has changed, the page
  // loaded anew asks for the new one; a host that is away would take the page with it.
  const ask = async () => {
    const answer = await fetch(location.href, { method: "HEAD", cache: "no-store" }).catch(() => undefined);
    if (answer && answer.status === 401) location.reload();
  };
  const lost = () => {
    if (++failures >= several) ask();
    say("lost", "connection lost, showing state of " + clock.slice(0, 5));
    again(delay * (0.5 + Math.random() / 2));
    delay = Math.min(most, delay * 2);
  };
  const full = () => {
    say("full", "many are watching, looked at every " + age(most));
    again(most);
  };
  const take = (event) => {
    const p = JSON.parse(event.data);
    if (p.assets && p.assets !== root.dataset.assets) {
      location.reload(); // the monitor has been upgraded, and this script with it
      return;
    }
    delay = least;
    failures = 0;
    heard();
    apply(p);
    say("live", "live");
    // A page that nobody looks at holds no stream, of which browsers allow few
    // to a host: it asks now and then, for title and icon.
    if (document.hidden) again(most);
  };
  const connect = () => {
    const url = new URL(root.dataset.events, document.baseURI);
    url.searchParams.set("since", version);
    source = new EventSource(url);
    source.addEventListener("patch", take);
    source.addEventListener("beat", take);
    source.addEventListener("full", full);
    source.addEventListener("error", lost);
    heard();
  };
  document.addEventListener("visibilitychange", () => { if (!document.hidden && !source) again(0); });
  addEventListener("online", () => { if (!source) again(0); });
  addEventListener("pagehide", () => { if (source) source.close(); });
  addEventListener("pageshow", (e) => { if (e.persisted) again(0); });
  setInterval(() => tick(document), 1000);
  connect();
})();
