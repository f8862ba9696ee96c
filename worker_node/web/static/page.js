// Keeps the page current from the Worker's event stream. The page is complete without this file: it only
// replaces the sections that changed, node by node, so that focus and screen readers are left alone.
"use strict";
(() => {
  const fresh = document.getElementById("fresh");
  const body = document.getElementById("live");
  if (!fresh || !body || !window.EventSource) return;
  const LATE_MS = 10000, OLD_MS = 60000;
  let heard = Date.now(), lost = false;

  const sameKind = (a, b) => a.nodeType === b.nodeType && a.nodeName === b.nodeName;
  const patchAttributes = (from, to) => {
    for (const { name } of [...from.attributes]) if (!to.hasAttribute(name)) from.removeAttribute(name);
    for (const { name, value } of to.attributes) if (from.getAttribute(name) !== value) from.setAttribute(name, value);
  };
  const patch = (from, to) => {
    if (from.nodeType === Node.TEXT_NODE) {
      if (from.data !== to.data) from.data = to.data;
      return;
    }
    if (from.nodeType !== Node.ELEMENT_NODE) return;
    patchAttributes(from, to);
    const wanted = [...to.childNodes];
    wanted.forEach((node, place) => {
      const have = from.childNodes[place];
      if (!have) from.appendChild(node);
      else if (sameKind(have, node)) patch(have, node);
      else from.replaceChild(node, have);
    });
    while (from.childNodes.length > wanted.length) from.removeChild(from.lastChild);
  };

  // The policy's answers require "trusted types": markup from our own server, escaped there, is the only kind.
  const policy = window.trustedTypes ? window.trustedTypes.createPolicy("hive", { createHTML: (markup) => markup }) : null;
  const parse = (markup) =>
    new DOMParser().parseFromString(policy ? policy.createHTML(markup) : markup, "text/html").body.firstElementChild;

  const show = (event) => {
    heard = Date.now();
    lost = false;
    const sections = JSON.parse(event.data);
    for (const [id, markup] of Object.entries(sections)) {
      const have = document.getElementById(id);
      const next = parse(markup);
      if (have && next) patch(have, next);
    }
  };

  // Without a message the page itself is old, whatever the last one said.
  const watch = () => {
    const silent = Date.now() - heard;
    if (silent < LATE_MS) return;
    const since = new Date(heard).toTimeString().slice(0, 5);
    fresh.textContent = body.dataset.lost.replace("{since}", since);
    fresh.className = silent < OLD_MS ? "fresh late" : "fresh old";
    if (silent >= OLD_MS && !lost) {
      lost = true;
      const now = document.getElementById("now");
      if (now) now.classList.add("old");
    }
  };

  const stream = new EventSource("events");
  stream.addEventListener("sections", show);
  stream.addEventListener("beat", () => { heard = Date.now(); });
  setInterval(watch, 1000);
})();
