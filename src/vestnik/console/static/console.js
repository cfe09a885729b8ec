// What pages do beyond HTML and htmx: the one event stream, countdowns, and asking before what cannot be undone.
"use strict";
(() => {
  const texts = document.querySelector("[data-texts]").dataset;
  const banner = document.querySelector("[data-connection]");
  const trouble = new Set();

  // ---- the browser's time zone, for the next page
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
  if (!document.cookie.split("; ").includes(`vestnik_zone=${zone}`)) {
    document.cookie = `vestnik_zone=${zone}; path=/; max-age=31536000; samesite=lax`;
    // Times on this page are in another zone; forms that were filled in are left alone.
    if (document.querySelector("time") && document.cookie.includes(`vestnik_zone=${zone}`) &&
        performance.getEntriesByType("navigation")[0]?.type !== "reload" && !document.querySelector("[data-focus]")) location.reload();
  }

  // ---- a lost connection shows itself
  function tell(kind, isThere) {
    if (isThere) trouble.add(kind); else trouble.delete(kind);
    const database = trouble.has("database") && trouble.size === 1;
    banner.querySelector("[data-connection-database]").hidden = !database;
    banner.querySelector("[data-connection-offline]").hidden = database;
    banner.hidden = trouble.size === 0;
  }
  window.addEventListener("offline", () => tell("network", true));
  window.addEventListener("online", () => tell("network", false));
  function announce(text) { document.querySelector("[data-announce]").textContent = text; }

  // ---- live parts: one stream a page, closed while nobody looks at it
  let stream = null, address = "";
  const shown = new Map();
  function wantedAddress() {
    const found = document.querySelector("[data-live]");
    return found && !document.hidden ? found.dataset.live : "";
  }
  function follow() {
    const wanted = wantedAddress();
    if (wanted === address && (!stream || stream.readyState !== EventSource.CLOSED)) return;
    if (stream) { stream.close(); stream = null; tell("stream", false); tell("database", false); }
    address = wanted;
    if (!wanted) return;
    shown.clear();
    stream = new EventSource(wanted);
    stream.addEventListener("open", () => tell("stream", false));
    stream.addEventListener("error", () => {
      tell("stream", true);
      // A browser gives up after an answer that is no stream, such as one of a proxy; we do not.
      if (stream && stream.readyState === EventSource.CLOSED) setTimeout(() => { address = ""; follow(); }, 2000);
    });
    stream.addEventListener("offline", () => tell("database", true));
    stream.addEventListener("online", () => tell("database", false));
    stream.addEventListener("parts", (event) => { tell("database", false); showParts(event.data); });
  }
  function showParts(html) {
    const holder = document.createElement("template");
    holder.innerHTML = html;
    let isStatusNew = false;
    for (const part of [...holder.content.children]) {
      const present = document.getElementById(part.id);
      // The same as before is left alone: whoever holds a button of it keeps it.
      if (!present || shown.get(part.id) === part.outerHTML) continue;
      isStatusNew ||= present.dataset.status !== part.dataset.status;
      shown.set(part.id, part.outerHTML);
      const focused = present.contains(document.activeElement) ? document.activeElement.name || document.activeElement.id : "";
      present.replaceWith(part);
      if (focused) part.querySelector(`[name="${CSS.escape(focused)}"], #${CSS.escape(focused)}`)?.focus();
      window.htmx?.process(part);
    }
    countDown();
    if (isStatusNew) refresh();
  }
  document.addEventListener("visibilitychange", () => { follow(); if (!document.hidden) refresh(); });
  window.addEventListener("pagehide", () => { if (stream) stream.close(); stream = null; address = ""; });
  window.addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

  // ---- parts that are asked for again every few seconds: hx-trigger="refresh"
  function refresh() {
    // A question that is asked is about a form of the page: that must not be replaced meanwhile, nor one that is being sent.
    if (document.hidden || document.querySelector("dialog[open]")) return;
    for (const part of document.querySelectorAll("[hx-trigger~='refresh']")) {
      if (part.querySelector("form[data-sent]")) continue;
      if (!part.contains(document.activeElement) || document.activeElement === document.body) window.htmx?.trigger(part, "refresh");
    }
  }
  setInterval(refresh, 4000);

  // ---- countdowns
  function countDown() {
    for (const item of document.querySelectorAll("[data-countdown]")) {
      const left = Math.max(Math.round((Date.parse(item.dateTime) - Date.now()) / 1000), 0);
      const hours = Math.floor(left / 3600), minutes = Math.floor(left / 60) % 60, two = (n) => String(n).padStart(2, "0");
      const text = hours ? `${hours}:${two(minutes)}:${two(left % 60)}` : `${minutes}:${two(left % 60)}`;
      if (item.textContent !== text) item.textContent = text;
    }
  }
  setInterval(countDown, 500);

  // ---- forms: sent once, and asked about first where there is no way back
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.dataset.confirm && !form.dataset.confirmed) { event.preventDefault(); ask(form, event.submitter); return; }
    if (form.method !== "post" || form.hasAttribute("hx-post")) return;
    if (form.dataset.sent) { event.preventDefault(); return; }
    form.dataset.sent = "yes";
    // Later: a disabled button would not send its value.
    setTimeout(() => { for (const button of form.querySelectorAll("button")) button.disabled = true; announce(texts.sending); });
  });
  window.addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("form[data-sent]")) {
      delete form.dataset.sent;
      for (const button of form.querySelectorAll("button")) button.disabled = false;
    }
  });
  function ask(form, submitter) {
    const dialog = document.querySelector("#confirm");
    dialog.querySelector("[data-question]").textContent = form.dataset.confirm;
    const yes = dialog.querySelector("[data-yes]");
    yes.textContent = (submitter || form.querySelector("button")).textContent;
    yes.onclick = () => { dialog.close(); form.dataset.confirmed = "yes"; form.requestSubmit(submitter || undefined); delete form.dataset.confirmed; };
    dialog.querySelector("[data-no]").onclick = () => dialog.close();
    dialog.showModal();
  }

  // ---- one box that checks all of its form
  document.addEventListener("change", (event) => {
    const name = event.target.dataset?.checkAll;
    if (name) for (const box of event.target.form.querySelectorAll(`input[type=checkbox][name="${CSS.escape(name)}"]`)) box.checked = event.target.checked;
  });

  // ---- htmx: failures are told, never swallowed
  document.addEventListener("htmx:responseError", (event) => { if (event.detail.xhr.status !== 0) announce(texts.failed); tell("server", event.detail.xhr.status >= 500); });
  document.addEventListener("htmx:sendError", () => { tell("server", true); announce(texts.unreachable); });
  document.addEventListener("htmx:afterRequest", (event) => { if (event.detail.successful) tell("server", false); });
  document.addEventListener("htmx:afterSettle", () => { follow(); countDown(); });

  // ---- the start
  document.querySelector("[data-focus]")?.focus();
  if (matchMedia("(max-width: 50rem)").matches) document.querySelector("[data-menu]")?.removeAttribute("open");
  const again = document.querySelector("[data-reload]");
  if (again) setTimeout(() => location.reload(), 1000 * Number(again.dataset.reload));
  countDown();
  follow();
})();
