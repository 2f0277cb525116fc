/**
 * Makes an element out of parts. Text stays text: nothing is ever read as HTML, so the kit
 * runs where a page requires Trusted Types.
 *
 * @param {string} name
 * @param {Record<string, string | EventListener>} attributes A function listens to the
 *     event of its name.
 * @param {...(Node | string)} children
 */
export function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(key, value);
    else element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
}

/**
 * Shows a text, or takes its element away where there is none. An unchanged text is left
 * alone, so that no screen reader says it again.
 *
 * @param {HTMLElement} element
 * @param {string | null} text
 */
export function tell(element, text) {
  element.hidden = text === null;
  if (element.textContent !== (text ?? "")) element.textContent = text ?? "";
}
