// Keeps the board as new as the server's last second, or asks for the page again every few of them where it says so. What is open stays open, what has the focus keeps it: only what differs is
// changed. Whether data is old is judged by the time since its arrival, so clocks need not agree.
"use strict";
(() => {
  const board = document.getElementById("board");
  const live = document.getElementById("live");
  const EVERY_MS = 1000 * (board.dataset.every || 0);
  const OLD_AFTER_MS = Math.max(5000, 3 * EVERY_MS);
  let arrived = performance.now();
  let connected = false;
  let taken = Number(document.getElementById("verdict").dataset.taken);

  // Makes `old` like `fresh` with as few changes as possible.
  function adapt(old, fresh) {
    if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName || old.id !== fresh.id) {
      old.replaceWith(fresh);
      return;
    }
    if (old.nodeType === Node.TEXT_NODE) {
      if (old.data !== fresh.data) old.data = fresh.data;
      return;
    }
    if (old.nodeType !== Node.ELEMENT_NODE) return;
    for (const { name } of [...old.attributes]) {
      if (name !== "open" && !fresh.hasAttribute(name)) old.removeAttribute(name);
    }
    for (const { name, value } of fresh.attributes) {
      if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
    children(old, fresh);
  }

  function children(old, fresh) {
    const before = [...old.childNodes], after = [...fresh.childNodes];
    after.forEach((node, at) => (at < before.length ? adapt(before[at], node) : old.append(node)));
    before.slice(after.length).forEach((node) => node.remove());
  }

  function show() {
    const age = performance.now() - arrived;
    const old = age > OLD_AFTER_MS;
    document.body.classList.toggle("old", old);
    const at = new Date(taken).toLocaleTimeString();
    // How old changes each second: the tiles say it, and a screen reader hears once that it is so.
    const text = old ? `Old: no new data; this is of ${at}` : `${connected ? "Live" : "Connecting; this is of"} ${at}`;
    live.setAttribute("aria-live", old ? "polite" : "off");
    if (live.textContent !== text) live.textContent = text;
    for (const note of document.querySelectorAll(".tile .age")) {
      note.hidden = !old;
      const told = old ? `${Math.round(age / 1000)} s old` : "";
      if (note.textContent !== told) note.textContent = told;
    }
  }

  function accept(fresh, at) {
    children(board, fresh);
    taken = at;
    arrived = performance.now();
    connected = true;
    show();
  }

  const parsed = (html) => new DOMParser().parseFromString(html, "text/html");

  let timer = 0;
  // Asking again is no use of a session: it ends although a page is open.
  function ask() {
    clearTimeout(timer);
    timer = setTimeout(ask, EVERY_MS);
    if (document.hidden) return;
    const headers = { Accept: "text/html", "X-Genims-Watching": "1" };
    fetch(location.href, { headers, signal: AbortSignal.timeout(2 * EVERY_MS) }).then(async (answer) => {
      if (answer.redirected) location.reload();
      const page = answer.ok ? parsed(await answer.text()) : null;
      if (page) accept(page.getElementById("board"), Number(page.getElementById("verdict").dataset.taken));
      else connected = false;
    }).catch(() => (connected = false));
  }

  function listen() {
    const events = new EventSource("/live");
    events.addEventListener("board", (event) => {
      const news = JSON.parse(event.data);
      if (!news.html) return;
      accept(parsed(`<main>${news.html}</main>`).querySelector("main"), news.taken_ms);
    });
    events.onerror = () => {
      connected = false;
      // Refused rather than interrupted: the browser does not try again by itself. Whoever is signed in no longer signs in again.
      if (events.readyState !== EventSource.CLOSED) return;
      const later = () => setTimeout(listen, 5000);
      fetch("/api/v1/session").then((answer) => (answer.status === 401 ? location.reload() : later()), later);
    };
  }

  show();
  setInterval(show, 1000);
  if (EVERY_MS) {
    timer = setTimeout(ask, EVERY_MS);
    document.addEventListener("visibilitychange", ask);
  } else listen();
})();
