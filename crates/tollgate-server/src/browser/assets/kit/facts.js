/**
 * What the server says of itself, read into shapes that hold: its health and its 503. What
 * does not have the shape is null and never an error, since it is somebody else's answer.
 */

/**
 * How full the server is.
 *
 * @typedef {object} Capacity
 * @property {number} active Sessions.
 * @property {number} max The most there may be.
 * @property {number} utilizationPercent
 * @property {boolean} isFull Whether there is no room for another.
 */

/**
 * Where somebody stands in the queue.
 *
 * @typedef {object} Place
 * @property {number | null} place Counted from one.
 * @property {number | null} waiting How many wait.
 * @property {number | null} estimateSeconds
 */

/**
 * What a full server says.
 *
 * @typedef {object} Busy
 * @property {string} message
 * @property {number} active Sessions.
 * @property {number} max The most there may be.
 * @property {number} retryAfterSeconds
 * @property {string | null} ticket Null where there is no queue.
 * @property {Place} place
 */

/** Where the server does not say how long to wait. */
const DEFAULT_RETRY_SECONDS = 60;
const MAX_TICKET_LENGTH = 512;

/**
 * @param {unknown} body The answer of `/tollgate/health`.
 * @returns {Capacity | null} Null where nothing is limited.
 */
export function capacityOf(body) {
  const active = count(body?.capacity?.active_sessions);
  const max = count(body?.capacity?.max_sessions);
  if (active === null || max === null) return null;
  const told = body.capacity.utilization_percent;
  const utilizationPercent = Number.isFinite(told) ? told : percent(active, max);
  return { active, max, utilizationPercent, isFull: body.capacity.available === false };
}

/**
 * @param {Busy} busy
 * @returns {Capacity}
 */
export function capacityOfBusy({ active, max }) {
  return { active, max, utilizationPercent: percent(active, max), isFull: true };
}

/**
 * Reads a copy of an answer, so that the page can still read the answer.
 *
 * @param {Response} response
 * @returns {Promise<Busy | null>} Null if it is another answer than that of a full server.
 */
export async function busyOf(response) {
  const isJson = /\bjson\b/i.test(response.headers.get("content-type") ?? "");
  if (response.status !== 503 || !isJson) return null;
  let body;
  try {
    body = await response.clone().json();
  } catch {
    return null;
  }
  if (body?.error !== "server_busy") return null;
  const { message, ticket } = body;
  const header = Number.parseInt(response.headers.get("retry-after") ?? "", 10);
  return {
    message: typeof message === "string" ? message : "Server is currently at capacity.",
    active: count(body.active_sessions) ?? 0,
    max: count(body.max_sessions) ?? 0,
    retryAfterSeconds: count(body.retry_after) ?? count(header) ?? DEFAULT_RETRY_SECONDS,
    ticket: isTicket(ticket) ? ticket : null,
    place: placeOf(body),
  };
}

/**
 * @param {unknown} body A 503, or what a ticket says.
 * @returns {Place}
 */
export function placeOf(body) {
  return {
    place: count(body?.place),
    waiting: count(body?.waiting),
    estimateSeconds: count(body?.estimated_wait_seconds),
  };
}

function isTicket(ticket) {
  return typeof ticket === "string" && ticket !== "" && ticket.length <= MAX_TICKET_LENGTH;
}

function percent(active, max) {
  return max === 0 ? 100 : Math.round((active / max) * 1000) / 10;
}

function count(value) {
  return Number.isFinite(value) && value >= 0 ? value : null;
}
