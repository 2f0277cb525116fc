/** What people read, in one place. Times are never shorter than they are. */

/**
 * @param {import("./facts.js").Capacity} capacity
 * @returns {string[]} The lines of the debug panel.
 */
export function capacityLines({ active, max, utilizationPercent, isFull }) {
  const percent = utilizationPercent.toFixed(1);
  const lines = [`[INFO] Server capacity: ${active}/${max} sessions (${percent}% utilized)`];
  if (isFull) lines.push(`[ERROR] Server at capacity: ${active}/${max} users active`);
  else if (utilizationPercent > WARNING_PERCENT) {
    lines.push(`[WARNING] Server is ${percent}% full. You may experience delays.`);
  }
  return lines;
}

/** Above it, people are warned. */
export const WARNING_PERCENT = 80;

/** Above it, an alert fires. */
export const ALERT_PERCENT = 90;

/**
 * @param {import("./facts.js").Capacity} capacity
 * @returns {string | null} The warning, if there is reason for one.
 */
export function warning({ active, max, utilizationPercent, isFull }) {
  if (isFull) return `Server at capacity: ${active}/${max} users active. You may have to wait.`;
  if (utilizationPercent <= WARNING_PERCENT) return null;
  return `Server is ${utilizationPercent.toFixed(1)}% full. You may experience delays.`;
}

/**
 * @param {import("./facts.js").Place} place
 * @returns {string | null} Null where the place is not known.
 */
export function placeText({ place, waiting }) {
  if (place === null) return null;
  const of = waiting !== null && waiting >= place ? ` of ${waiting}` : "";
  return `Your place in the queue: ${place}${of}`;
}

/**
 * @param {number | null} seconds
 */
export function estimateText(seconds) {
  if (seconds === null) return "Estimated wait: not known yet";
  return `Estimated wait: ${seconds <= 0 ? "any moment now" : duration(seconds)}`;
}

/**
 * @param {number} seconds
 */
export function nextTryText(seconds) {
  return seconds <= 0 ? "Trying again…" : `Trying again in ${duration(seconds)}`;
}

/**
 * @param {number} seconds
 */
export function duration(seconds) {
  const whole = Math.max(0, Math.ceil(seconds));
  if (whole < 120) return `${whole} ${whole === 1 ? "second" : "seconds"}`;
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60)];
  return hours > 0 ? `${hours} h ${minutes} min` : `${minutes} min ${whole % 60} s`;
}
