// The page works without this: it keeps it up to date, counts ages and opens sheets.
"use strict";
(() => {
  const safe = window.trustedTypes ? trustedTypes.createPolicy("te", { createHTML: (text) => text }) : { createHTML: (text) => text };
  const body = document.body;
  const live = document.getElementById("live");
  const name = document.title;
  let version = body.dataset.version, source = null, heard = Date.now(), offset = body.dataset.now - Date.now(), hidden = 0, gone = "", met = false;

  const parsed = (text) => {
    const box = document.createElement("template");
    box.innerHTML = safe.createHTML(text);
    return box.content;
  };

  // -- ages: the words of te_core/page/ages.py
  const span = (s) => s < 10 ? `${Math.floor(s)} s` : s < 120 ? `${Math.floor(s)} s` : s < 7200 ? `${Math.floor(s / 60)} min`
    : s < 172800 ? `${Math.floor(s / 3600)} h` : `${Math.floor(s / 86400)} d`;
  const age = (element) => {
    const at = Date.parse(element.dateTime), s = Math.max(0, (Date.now() + offset - at) / 1000), form = element.dataset.age;
    const text = form === "for" ? `for ${span(s)}` : form === "ago" ? `${span(s)} ago` : span(s);
    if (element.textContent !== text) element.textContent = text;
    if (!element.title) element.title = new Date(at).toLocaleString();
  };
  const ages = (root) => root.querySelectorAll("time[data-age]").forEach(age);

  // -- parts
  const title = (head) => { if (head) document.title = head.dataset.title + name; };
  const put = (part, text) => {
    const fresh = parsed(text).firstElementChild;
    if (part === "head") title(fresh);
    for (const old of document.querySelectorAll(`[data-part="${part}"]`)) {
      const focused = old.contains(document.activeElement) ? document.activeElement.id : "";
      for (const kept of old.querySelectorAll("details[data-keep][open]")) {
        const same = fresh.querySelector(`details[data-keep="${kept.dataset.keep}"]`);
        if (same) same.open = true;
      }
      ages(fresh);
      old.replaceWith(fresh);
      if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
    }
  };
  const alive = () => { heard = Date.now(); met = true; gone = ""; show(); };
  const show = () => {
    const silent = Math.floor((Date.now() - heard) / 1000), stale = silent >= 10 || (gone && silent >= 3);
    body.classList.toggle("stale", Boolean(stale));
    live.className = stale ? "off" : met ? "on" : "";
    const text = stale ? `NOT LIVE for ${silent} s${gone ? `: ${gone}` : ""}` : met ? "live" : "connecting";
    if (live.textContent !== text) live.textContent = text;
  };

  const connect = () => {
    source = new EventSource(`/live?seq=${encodeURIComponent(version)}`);
    source.addEventListener("patch", (event) => {
      version = event.lastEventId;
      for (const [name, text] of Object.entries(JSON.parse(event.data).parts)) put(name, text);
      alive();
    });
    source.addEventListener("beat", (event) => { offset = event.data - Date.now(); alive(); });
    source.addEventListener("reload", () => location.reload());
    source.addEventListener("gone", (event) => { gone = JSON.parse(event.data).reason; show(); });
    source.onopen = alive;
    source.onerror = () => { if (source?.readyState === EventSource.CLOSED) again(); };
  };
  // A stream that was refused does not come again by itself: the session is over, or the engine is starting.
  const again = () => setTimeout(async () => {
    try {
      const answer = await fetch("/signed-in", { redirect: "manual", cache: "no-store" });
      if (answer.status === 401) location.assign(`/login?next=${encodeURIComponent(location.pathname + location.search)}`);
      else if (answer.ok) connect();
      else again();
    } catch { again(); }
  }, 2000);
  const disconnect = () => { source?.close(); source = null; };

  document.addEventListener("visibilitychange", () => {
    clearTimeout(hidden);
    if (document.hidden) hidden = setTimeout(disconnect, 60000);
    else if (!source) connect();
  });
  setInterval(() => { ages(document); show(); }, 1000);
  ages(document);
  title(document.querySelector("[data-title]"));
  if (live && body.dataset.version) connect();

  // -- why, as a sheet on this page
  let sheet = null;
  document.addEventListener("click", async (event) => {
    const link = event.target.closest?.("a[data-sheet]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    const url = new URL(link.href), back = link.id;
    url.searchParams.set("fragment", "1");
    let answer;
    try { answer = await fetch(url, { redirect: "error" }); } catch { location.assign(link.href); return; }
    if (!answer.ok) { location.assign(link.href); return; }
    sheet?.remove();
    sheet = document.createElement("dialog");
    sheet.className = "sheet";
    sheet.append(parsed(await answer.text()));
    sheet.setAttribute("aria-labelledby", "sheet-title");
    body.append(sheet);
    ages(sheet);
    sheet.addEventListener("close", () => { sheet.remove(); document.getElementById(back)?.focus({ preventScroll: true }); });
    sheet.addEventListener("click", (inner) => { if (inner.target === sheet || inner.target.closest(".close")) sheet.close(); });
    sheet.showModal();
  });

  // -- filters that are forms without this
  document.querySelectorAll("form.filter select").forEach((one) => one.addEventListener("change", () => one.form.requestSubmit()));
})();
