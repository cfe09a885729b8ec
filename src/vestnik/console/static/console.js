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
    // The most certain reason: without a network nothing else is known; a stream breaks for any of them.
    const reason = trouble.has("network") ? "offline" : trouble.has("database") ? "database"
      : trouble.has("refused") && trouble.size === 1 ? "refused" : "offline";
    for (const name of ["offline", "database", "refused"]) banner.querySelector(`[data-connection-${name}]`).hidden = name !== reason;
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
    if (stream) { stream.close(); stream = null; }
    address = wanted;
    // What was wrong stays on the page until a stream is open again: nothing is better before.
    if (!wanted) { tell("stream", false); tell("database", false); return; }
    shown.clear();
    stream = new EventSource(wanted);
    stream.addEventListener("open", () => { tell("stream", false); tell("database", false); });
    stream.addEventListener("error", () => {
      tell("stream", true);
      // A browser gives up after an answer that is no stream, such as one of a proxy; we do not.
      if (stream && stream.readyState === EventSource.CLOSED) { askWhy(); setTimeout(() => { address = ""; follow(); }, 2000); }
    });
    stream.addEventListener("offline", () => tell("database", true));
    stream.addEventListener("online", () => tell("database", false));
    stream.addEventListener("parts", (event) => { tell("database", false); showParts(event.data); });
  }
  async function askWhy() {
    try {
      const answer = await fetch(location.href, { redirect: "manual" });
      if (answer.type === "opaqueredirect") location.reload();  // signed out: the page leads to the sign-in
      tell("database", answer.status === 503);
    } catch { /* no network: the banner says so already */ }
  }
  function showParts(html) {
    const holder = document.createElement("template");
    holder.innerHTML = html;
    let isStatusNew = false;
    for (const part of [...holder.content.children]) {
      const present = document.getElementById(part.id);
      // The same as before is left alone: whoever holds a button of it keeps it.
      if (!present || shown.get(part.id) === part.outerHTML) continue;
      if (present.dataset.status !== part.dataset.status) {
        isStatusNew = true;
        announce(part.querySelector(".standing-words")?.textContent || "");
      }
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
    if (form.matches("[data-preferences]")) { prefer(form, event); return; }
    const question = findQuestion(form, event.submitter);
    if (question && !form.dataset.confirmed) { event.preventDefault(); ask(form, event.submitter, question); return; }
    if (form.method !== "post" || form.hasAttribute("hx-post")) return;
    if (form.dataset.sent) { event.preventDefault(); return; }
    form.dataset.sent = "yes";
    // Later: a disabled button would not send its value.
    setTimeout(() => { for (const button of form.querySelectorAll("button")) button.disabled = true; announce(texts.sending); });
    // Somebody may have stopped the request; sending the same again is harmless, for the form has a key.
    setTimeout(() => free(form), 15000);
  });
  function free(form) {
    delete form.dataset.sent;
    for (const button of form.querySelectorAll("button")) button.disabled = false;
  }
  window.addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("form[data-sent]")) free(form);
  });
  function findQuestion(form, submitter) {
    return submitter?.name === "question" ? submitter.value : form.querySelector("input[type=hidden][name=question]")?.value;
  }
  function ask(form, submitter, question) {
    const dialog = document.querySelector("#confirm");
    dialog.querySelector("[data-question]").textContent = question;
    const yes = dialog.querySelector("[data-yes]");
    yes.textContent = (submitter || form.querySelector("button")).textContent;
    yes.onclick = () => {
      dialog.close();
      // The server asks whoever sends the question.
      form.addEventListener("formdata", (event) => event.formData.delete("question"), { once: true });
      form.dataset.confirmed = "yes";
      form.requestSubmit(submitter || undefined);
      delete form.dataset.confirmed;
    };
    dialog.querySelector("[data-no]").onclick = () => dialog.close();
    dialog.showModal();
  }

  // ---- language and colours, without losing what is typed
  function isChanged(field) {
    if (["hidden", "password", "file", "submit", "button"].includes(field.type)) return false;
    if (field.type === "checkbox" || field.type === "radio") return field.checked !== field.defaultChecked;
    if (field.options) return [...field.options].some((option) => option.selected !== option.defaultSelected);
    return field.value !== field.defaultValue;
  }
  function findTyped(form) {
    const forms = [...document.querySelectorAll("main form[method=post]")];
    // A page that came of a form shows what was typed before, which no other way leads back to.
    const own = "posted" in form.dataset && forms.find((one) => new URL(one.action).pathname === location.pathname && one.querySelector("input:not([type=hidden]), textarea, select"));
    return own || forms.find((one) => [...one.elements].some(isChanged));
  }
  async function prefer(form, event) {
    const button = event.submitter, typed = findTyped(form);
    if (button?.name !== "theme" && !typed) return;
    event.preventDefault();
    const body = new URLSearchParams(new FormData(form, button));
    try {
      const answer = await fetch(form.action, { method: "POST", body, redirect: "manual" });
      if (answer.type !== "opaqueredirect") throw new Error(String(answer.status));
    } catch { announce(texts.unreachable); return; }
    if (button.name === "theme") {
      document.documentElement.dataset.theme = button.value;
      for (const other of form.querySelectorAll("[name=theme]")) other.toggleAttribute("aria-current", false);
      button.setAttribute("aria-current", "true");
      return;
    }
    // The same form again in the other language: nothing is done with it.
    const only = document.createElement("input");
    Object.assign(only, { type: "hidden", name: "only_show", value: "yes" });
    typed.append(only);
    HTMLFormElement.prototype.submit.call(typed);
  }

  // ---- one box that checks all of its form
  document.addEventListener("change", (event) => {
    const name = event.target.dataset?.checkAll;
    if (name) for (const box of (event.target.closest("table") || event.target.form).querySelectorAll(`input[type=checkbox][name="${CSS.escape(name)}"]`)) box.checked = event.target.checked;
  });

  // ---- htmx: failures are told, never swallowed
  document.addEventListener("htmx:responseError", (event) => {
    const status = event.detail.xhr.status;
    if (status !== 0) announce(texts.failed);
    tell("database", status === 503);
    tell("server", status >= 500 && status !== 503);
    tell("refused", status < 500);
  });
  document.addEventListener("htmx:sendError", () => { tell("server", true); announce(texts.unreachable); });
  document.addEventListener("htmx:afterRequest", (event) => {
    if (event.detail.successful) for (const kind of ["server", "refused", "database"]) tell(kind, false);
  });
  // An answer that was asked for before must not take away what somebody is asked about, or sends, now.
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (event.detail.requestConfig?.triggeringEvent?.type !== "refresh") return;
    if (document.querySelector("dialog[open]") || event.detail.target?.querySelector?.("form[data-sent]")) event.detail.shouldSwap = false;
  });
  document.addEventListener("htmx:afterSettle", () => { follow(); countDown(); });

  // ---- the start
  document.querySelector("[data-focus]")?.focus();
  if (matchMedia("(max-width: 50rem)").matches) document.querySelector("[data-menu]")?.removeAttribute("open");
  const again = document.querySelector("[data-reload]");
  if (again) setTimeout(() => location.reload(), 1000 * Number(again.dataset.reload));
  countDown();
  follow();
})();
