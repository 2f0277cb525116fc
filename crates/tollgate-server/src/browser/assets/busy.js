/**
 * The busy page while it is open: it follows its ticket and loads the wanted page when it
 * is its turn. What it begins with was written by the server, in `data-…` of `<main>`.
 */

import { make, tell } from "./kit/dom.js";
import { follow, giveUp, ticketUrl } from "./kit/turn.js";
import { WaitingLines } from "./kit/waiting.js";

const main = document.querySelector("main");
const { ticket, place, estimate, retryAfter, wanted } = main.dataset;
const base = new URL("..", import.meta.url).href.replace(/\/+$/, "");

const lines = new WaitingLines();
document.getElementById("waiting").replaceChildren(lines.place, lines.time, lines.voice);

if (ticket) wait(ticketUrl(base, ticket));
else if (wanted === "page") {
  const seconds = Number(retryAfter);
  lines.countDown(seconds);
  setTimeout(enter, seconds * 1000);
}

async function wait(url) {
  lines.show({
    place: Number(place),
    waiting: null,
    estimateSeconds: estimate === undefined ? null : Number(estimate),
  });
  const leaving = new AbortController();
  const leave = make("button", { type: "button", click: () => leaving.abort() }, "Stop Waiting");
  document.getElementById("actions").append(leave);
  const onPlace = (at) => lines.show(at);
  const fetch = window.fetch.bind(window);
  const end = await follow(url, { fetch, onPlace, signal: leaving.signal });
  leave.remove();
  if (end.state === "admitted") return admitted();
  if (end.state === "left") giveUp(url, fetch);
  lines.settle(end.state === "left" ? "You have given up your place in the queue." : end.message);
}

function admitted() {
  tell(document.getElementById("message"), null);
  if (wanted === "page") return enter();
  document.title = "Your Turn";
  lines.settle("It is your turn: go back and send the form again.");
}

function enter() {
  lines.settle("Loading the page…");
  location.reload();
}
