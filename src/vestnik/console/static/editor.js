// Beside a field where a post is written: formatting and variables at the cursor, its length at once, hidden parts.
"use strict";
(() => {
  const numbers = new Intl.NumberFormat(document.documentElement.lang);

  // ---- formatting and variables, put where the cursor is
  const MODES = { HTML: "html", MARKDOWN: "markdown" };
  function findMode(area) { return MODES[area.form?.elements.parse_mode?.value] || ""; }
  function put(area, before, after, line) {
    const start = area.selectionStart, end = area.selectionEnd;
    const chosen = area.value.slice(start, end);
    const middle = line ? chosen.split("\n").map((part) => line + part).join("\n") : chosen;
    const opening = (line && start > 0 && area.value[start - 1] !== "\n" ? "\n" : "") + before;
    const text = opening + middle + after;
    area.focus();
    // The old command keeps what can be undone; where it is gone, the text is put in without that.
    if (!document.execCommand("insertText", false, text)) {
      area.setRangeText(text, start, end, "end");
      area.dispatchEvent(new Event("input", { bubbles: true }));
    }
    const address = text.indexOf("https://");
    let at = start + text.length;
    if (address >= 0 && chosen) at = start + address + "https://".length;
    else if (!chosen) at = start + opening.length + middle.length;
    area.setSelectionRange(at, at);
  }
  function use(tool, area) {
    if (tool.dataset.put) { put(area, tool.dataset.put, "", ""); return; }
    const form = tool.dataset[findMode(area)];
    if (!form) return;
    const [before, after] = form.split("…");
    const line = findMode(area) === "markdown" ? tool.dataset.line || "" : "";
    put(area, before, after, line);
  }
  document.addEventListener("click", (event) => {
    const tool = event.target.closest?.("[data-put], [data-html]");
    const tools = tool?.closest("[data-tools]");
    if (tools) use(tool, document.getElementById(tools.dataset.tools));
  });
  const KEYS = { KeyB: 0, KeyI: 1, KeyU: 2 };
  document.addEventListener("keydown", (event) => {
    const tools = event.target.matches?.("textarea") && document.querySelector(`[data-tools="${CSS.escape(event.target.id)}"]`);
    if (!tools || !(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey || !(event.code in KEYS) || !findMode(event.target)) return;
    event.preventDefault();
    use(tools.querySelectorAll("[data-html]")[KEYS[event.code]], event.target);
  });
  function showTools() {
    for (const tools of document.querySelectorAll("[data-tools]")) {
      tools.hidden = false;
      tools.querySelector("[data-marks]").hidden = !findMode(document.getElementById(tools.dataset.tools));
    }
  }

  // ---- the length, as Telegram counts it, before the server has counted
  function count(area) {
    const shown = document.getElementById(area.dataset.typed);
    const most = Number(document.getElementById("exact")?.dataset.most || Infinity);
    shown.textContent = numbers.format(area.value.length);
    shown.classList.toggle("over", !findMode(area) && area.value.length > most);
  }
  function countAll() { for (const area of document.querySelectorAll("[data-typed]")) count(area); }
  document.addEventListener("input", (event) => {
    if (event.target.matches("[data-typed]")) count(event.target);
    if (event.target.name === "parse_mode") { showTools(); countAll(); }
  });

  // ---- a file that would be refused is not sent at all
  document.addEventListener("change", (event) => {
    const field = event.target;
    if (!field.matches("input[type=file][data-largest]")) return;
    document.getElementById(`${field.id}-too-large`)?.remove();
    const file = field.files[0];
    if (!file || file.size <= Number(field.dataset.largest)) return;
    event.stopImmediatePropagation();
    field.value = "";
    const problem = document.createElement("p");
    problem.className = "problem";
    problem.id = `${field.id}-too-large`;
    problem.setAttribute("role", "alert");
    problem.textContent = field.dataset.tooLarge;
    field.after(problem);
  }, true);

  // ---- what Telegram makes a link of by itself
  const BY_ITSELF = /https?:\/\/[^\s<>"]+|(?<![\p{L}\p{N}_@#])(?:@[A-Za-z][A-Za-z0-9_]{3,31}|#[\p{L}\p{N}_]*\p{L}[\p{L}\p{N}_]*)/gu;
  function colour(post) {
    const walker = document.createTreeWalker(post, NodeFilter.SHOW_TEXT), texts = [];
    while (walker.nextNode()) if (!walker.currentNode.parentElement.closest("a, code, pre, .tg-auto")) texts.push(walker.currentNode);
    for (const text of texts) {
      const parts = [];
      let from = 0;
      for (const found of text.data.matchAll(BY_ITSELF)) {
        const link = document.createElement("span");
        link.className = "tg-auto";
        link.textContent = found[0];
        parts.push(text.data.slice(from, found.index), link);
        from = found.index + found[0].length;
      }
      if (parts.length) text.replaceWith(...parts, text.data.slice(from));
    }
  }

  // ---- what readers tap to see
  const HIDDEN = ".post .tg-spoiler, .post .tg-expandable";
  function prepare() {
    for (const post of document.querySelectorAll(".post-text")) colour(post);
    for (const part of document.querySelectorAll(HIDDEN)) {
      if (part.hasAttribute("tabindex")) continue;
      part.tabIndex = 0;
      part.setAttribute("role", "button");
      part.setAttribute("aria-expanded", "false");
    }
  }
  function reveal(event) {
    const part = event.target.closest?.(HIDDEN);
    if (!part || event.target.closest("a")) return;
    if (event.type === "keydown") { if (event.key !== "Enter" && event.key !== " ") return; event.preventDefault(); }
    part.setAttribute("aria-expanded", String(part.classList.toggle("open")));
  }
  document.addEventListener("click", reveal);
  document.addEventListener("keydown", reveal);
  document.addEventListener("htmx:afterSettle", (event) => {
    prepare();
    countAll();
    // The button that took the picture off is gone with it.
    if (event.detail.requestConfig?.path === "/templates/picture" && document.activeElement === document.body) document.querySelector("#file, #added")?.focus();
  });

  showTools();
  countAll();
  prepare();
})();
